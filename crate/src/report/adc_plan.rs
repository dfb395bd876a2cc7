//! The ADC plan: what each tile's converters need, as input for other hardware simulators.

use serde::{Deserialize, Serialize};

use crate::adc::conversions::TileCells;
use crate::config::{Granularity, HardwareConfig, Resolution, SCHEMA_VERSION};
use crate::crossbar::levels::Levels;
use crate::crossbar::quantize::QuantizedMatrix;
use crate::crossbar::sparsity::count_tile;
use crate::crossbar::tiling::{TileShape, Tiling};
use crate::matrix::Matrix;

/// All tiles of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct AdcPlan {
    /// Version of this object's fields.
    pub schema_version: u32,
    /// The hardware that the plan is for.
    pub hardware: HardwareConfig,
    /// Layer by layer, in tile order.
    pub tiles: Vec<PlannedTile>,
}

/// One tile; all its columns share a resolution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct PlannedTile {
    /// The layer's name.
    pub layer: String,
    /// Index of its block of outputs.
    pub down: usize,
    /// Index of its block of inputs.
    pub across: usize,
    /// Crossbar rows that it uses.
    pub rows: usize,
    /// Crossbar columns that it uses.
    pub columns: usize,
    /// Its level; the last level has no active row.
    pub level: usize,
    /// Bits by the paper's count.
    pub bits_paper: u32,
    /// Bits that tell all sums of the active rows apart.
    pub bits_lossless: u32,
    /// Bits that tell all sums of the set cells apart, on the crossbar that needs most.
    pub bits_lossless_sliced: u32,
    /// The same for each crossbar: lowest slice first, and the positive polarity first within a slice
    /// (one number for both where they are subtracted in analog).
    pub bits_of_crossbars: Vec<u32>,
}

/// Plans all tiles of the layers.
///
/// ```
/// use crossdub::config::HardwareConfig;
/// use crossdub::matrix::Matrix;
/// use crossdub::report::adc_plan;
///
/// let hardware = HardwareConfig { tile: 4, weight_precision: 2, ..HardwareConfig::default() };
/// let layer = Matrix::new("w", 1, 4, vec![0.5, 0.5, -0.5, 0.0])?;
/// let plan = adc_plan(&[layer], &hardware);
/// let tile = &plan.tiles[0];
/// assert_eq!((tile.level, tile.bits_paper, tile.bits_lossless), (0, 2, 2));
/// // Two positive cells and one negative cell are set.
/// assert_eq!(tile.bits_of_crossbars, [2, 1]);
/// assert_eq!(plan.to_csv().lines().nth(1), Some("w,0,0,4,1,0,2,2,2,2 1"));
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn adc_plan(layers: &[Matrix], hardware: &HardwareConfig) -> AdcPlan {
    let tiles = layers.iter().flat_map(|layer| plan_layer(layer, hardware)).collect();
    // The columns of a tile share its bits here, whatever else counts by column.
    let hardware = HardwareConfig { per: Granularity::Tile, ..hardware.clone() };
    AdcPlan { schema_version: SCHEMA_VERSION, hardware, tiles }
}

fn plan_layer(layer: &Matrix, hardware: &HardwareConfig) -> Vec<PlannedTile> {
    let weights = QuantizedMatrix::new(layer, hardware);
    let tiling = Tiling::new(layer, TileShape::from(hardware));
    let levels = Levels::new(hardware.tile);
    let plan = |index: usize| {
        let tile = tiling.tile(index);
        let cells = TileCells::count(layer, &weights, &tile, hardware);
        let most = |resolution, crossbar| {
            cells
                .bits((resolution, Granularity::Tile), crossbar, false)
                .into_iter()
                .flatten()
                .max()
                .unwrap_or(0)
        };
        let bits_of_crossbars: Vec<u32> =
            (0..cells.converted()).map(|crossbar| most(Resolution::LosslessSliced, crossbar)).collect();
        PlannedTile {
            layer: layer.name.clone(),
            down: index / tiling.input_blocks(),
            across: index % tiling.input_blocks(),
            rows: tile.rows(),
            columns: tile.columns(),
            level: count_tile(layer, &tile, 0.0).level(levels),
            bits_paper: most(Resolution::Paper, 0),
            bits_lossless: most(Resolution::Lossless, 0),
            bits_lossless_sliced: bits_of_crossbars.iter().copied().max().unwrap_or(0),
            bits_of_crossbars,
        }
    };
    (0..tiling.len()).map(plan).collect()
}

impl AdcPlan {
    /// The tiles as CSV with a header, one line per tile; the bits of crossbars are separated by spaces.
    pub fn to_csv(&self) -> String {
        let mut csv = "layer,down,across,rows,columns,level,bits_paper,bits_lossless,bits_lossless_sliced,\
                       bits_of_crossbars\n"
            .to_owned();
        for tile in &self.tiles {
            let numbers =
                [tile.down, tile.across, tile.rows, tile.columns, tile.level].map(|n| n.to_string());
            let bits =
                [tile.bits_paper, tile.bits_lossless, tile.bits_lossless_sliced].map(|bits| bits.to_string());
            let crossbars: Vec<String> = tile.bits_of_crossbars.iter().map(u32::to_string).collect();
            let fields = [quoted(&tile.layer), numbers.join(","), bits.join(","), crossbars.join(" ")];
            csv.push_str(&fields.join(","));
            csv.push('\n');
        }
        csv
    }
}

/// A name as a CSV field.
fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two outputs of eight inputs; 3-bit weights have 2 slices of 1-bit cells.
    #[test]
    fn each_tile_is_one_line() {
        let data = vec![3.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let layer = Matrix::new("conv, first", 2, 8, data).expect("fits");
        let hardware = HardwareConfig { tile: 4, weight_precision: 3, ..HardwareConfig::default() };
        let plan = adc_plan(&[layer], &hardware);
        let csv = plan.to_csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], "\"conv, first\",0,0,4,2,0,2,2,2,2 0 2 1");
        assert_eq!(lines[2], "\"conv, first\",0,1,4,2,3,0,0,0,0 0 0 0");
    }
}
