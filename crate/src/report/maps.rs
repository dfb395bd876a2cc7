//! [`view`]: maps of all tiles, before and after pruning; [`tile_detail`]: the cells of one tile.

use serde::{Deserialize, Serialize};

use super::adc_plan::adc_plan;
use super::analysis::{AdcEnergies, Analysis, analyze, lossless_bits};
use crate::adc::resolution::{ColumnOccupancy, Readout, row_groups};
use crate::config::{HardwareConfig, Resolution, Subtraction};
use crate::crossbar::bit_slicing::BitSlicing;
use crate::crossbar::hoyer::{hoyer_square, tile_densities};
use crate::crossbar::levels::Levels;
use crate::crossbar::quantize::QuantizedMatrix;
use crate::crossbar::sparsity::{TileCount, count_tile, count_tiles};
use crate::crossbar::tiling::{TileShape, Tiling};
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// What pruning leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct Preview {
    /// Weights of all crossbar layers.
    pub weights: usize,
    /// Zeros after pruning.
    pub zeros: usize,
    /// Tiles by level after pruning.
    pub histogram: Vec<u64>,
    /// ADC energy after pruning.
    pub energy: AdcEnergies,
}

/// The tiles of one layer as a map. Tile `t` is in map row `t / across`, map column `t % across`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct LayerMap {
    /// The parameter's name.
    pub name: String,
    /// Blocks of tiles along the inputs.
    pub across: usize,
    /// Blocks of tiles along the outputs.
    pub down: usize,
    /// Mean Hoyer density of each tile's columns over its rows, before pruning.
    pub density: Vec<f64>,
    /// Standard deviation of each tile's Hoyer densities, in effective rows, before pruning.
    pub imbalance: Vec<f64>,
    /// Level of each tile after pruning.
    pub level: Vec<usize>,
    /// ADC bits after pruning, by the paper's count.
    pub bits_paper: Vec<u32>,
    /// ADC bits after pruning, by the lossless count.
    pub bits_lossless: Vec<u32>,
    /// ADC bits after pruning of each tile's crossbar that needs most, by the lossless count of set
    /// cells; empty unless this is the hardware's resolution.
    #[serde(default)]
    pub bits_lossless_sliced: Vec<u32>,
}

/// Analysis of the current weights, what pruning leaves of them, and maps of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct View {
    /// The current weights.
    pub analysis: Analysis,
    /// The pruned weights.
    pub preview: Preview,
    /// One map per layer.
    pub maps: Vec<LayerMap>,
}

/// Everything that the page draws of the current weights and of the same layers `pruned`.
///
/// ```
/// use crossdub::config::HardwareConfig;
/// use crossdub::crossbar::tiling::TileShape;
/// use crossdub::matrix::Matrix;
/// use crossdub::prune::{Cutoff, PruneMethod, prune};
/// use crossdub::report::view;
///
/// let hardware = HardwareConfig { tile: 4, ..HardwareConfig::default() };
/// let layers = [Matrix::new("w", 2, 4, vec![0.1, 0.8, -0.5, 0.2, 0.9, 0.1, 0.6, 0.2])?];
/// let mut pruned = layers.clone();
/// let method = PruneMethod::Exact(Cutoff::uniform(50.0, 1));
/// prune(&mut pruned, TileShape::from(&hardware), &method)?;
/// let view = view(&layers, &pruned, &hardware);
/// assert_eq!((view.analysis.zeros, view.preview.zeros), (0, 4));
/// let map = &view.maps[0];
/// assert_eq!((map.down, map.across, map.level[0]), (1, 1, 1));
/// assert_eq!((map.bits_paper[0], map.bits_lossless[0]), (1, 2));
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn view(layers: &[Matrix], pruned: &[Matrix], hardware: &HardwareConfig) -> View {
    let shape = TileShape::from(hardware);
    let levels = Levels::new(hardware.tile);
    let counts: Vec<_> = pruned.iter().map(|layer| count_tiles(layer, shape, 0.0)).collect();
    let all = || counts.iter().flatten();
    let preview = Preview {
        weights: layers.iter().map(|layer| layer.data.len()).sum(),
        zeros: all().map(|count| count.zeros).sum(),
        histogram: levels.histogram(all().map(|count| count.level(levels))),
        energy: AdcEnergies::new(pruned, &counts, hardware),
    };
    let mut maps: Vec<_> = (layers.iter().zip(pruned).zip(&counts))
        .map(|((layer, pruned), counts)| LayerMap::new(layer, pruned, counts, hardware))
        .collect();
    if hardware.resolution == Resolution::LosslessSliced {
        let plan = adc_plan(pruned, hardware);
        for (map, counts) in maps.iter_mut().zip(&counts) {
            let own = plan.tiles.iter().filter(|tile| tile.layer == map.name).take(counts.len());
            map.bits_lossless_sliced = own.map(|tile| tile.bits_lossless_sliced).collect();
        }
    }
    View { analysis: analyze(layers, hardware), preview, maps }
}

impl LayerMap {
    fn new(layer: &Matrix, pruned: &Matrix, counts: &[TileCount], hardware: &HardwareConfig) -> Self {
        let shape = TileShape::from(hardware);
        let levels = Levels::new(hardware.tile);
        let tiling = Tiling::new(layer, shape);
        let densities = tile_densities(layer, shape);
        Self {
            name: layer.name.clone(),
            across: tiling.input_blocks(),
            down: tiling.output_blocks(),
            density: densities.iter().map(|d| d.density).collect(),
            imbalance: densities.iter().map(|d| d.imbalance).collect(),
            level: counts.iter().map(|count| count.level(levels)).collect(),
            bits_paper: counts
                .iter()
                .map(|count| Resolution::Paper.bits_of_tile(hardware.tile, count))
                .collect(),
            bits_lossless: lossless_bits(pruned, counts, hardware).iter().map(|tile| tile.most).collect(),
            bits_lossless_sliced: Vec::new(),
        }
    }
}

/// The cells of one tile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct TileDetail {
    /// The layer's name.
    pub layer: String,
    /// The tile's index in its layer.
    pub tile: usize,
    /// Crossbar rows (inputs).
    pub rows: usize,
    /// Crossbar columns (outputs).
    pub columns: usize,
    /// The first column's output channel.
    pub first_output: usize,
    /// The first row's input.
    pub first_input: usize,
    /// `rows * columns` weights, column by column.
    #[serde(skip)]
    pub values: Vec<f32>,
    /// Whether pruning keeps each weight.
    #[serde(skip)]
    pub kept: Vec<bool>,
    /// Hoyer density of each column, in effective rows.
    pub hoyer: Vec<f64>,
    /// Rows of each column above the tolerance.
    pub counted: Vec<usize>,
    /// Level after pruning.
    pub level: usize,
    /// `rows * columns` integers that the cells hold after pruning, column by column.
    #[serde(skip)]
    pub integers: Vec<i16>,
    /// The weight slices of the integers, the lowest bits first.
    pub slices: Vec<SliceDetail>,
}

/// One weight slice of a tile after pruning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct SliceDetail {
    /// The lowest magnitude bit that its cells hold.
    pub lowest_bit: u32,
    /// The most set cells of a column, of positive and of negative weights, among rows that are active at once.
    pub set: [usize; 2],
    /// Bits that lose nothing at the tile's fullest column, for positive and for negative weights.
    pub bits: [u32; 2],
}

impl SliceDetail {
    /// The slices of a tile's integers, which lie column by column.
    fn of_tile(integers: &[i16], rows: usize, hardware: &HardwareConfig) -> Vec<Self> {
        // Each polarity for itself, whatever the mapping does with them.
        let hardware = HardwareConfig { subtraction: Subtraction::Digital, ..hardware.clone() };
        let (slicing, readout) = (BitSlicing::from(&hardware), Readout::new(&hardware));
        let slice = |slice: usize| {
            let set = [0, 1].map(|polarity| {
                let is_set = |integer: &&i16| slicing.cell(**integer, 2 * slice + polarity) != 0;
                // A conversion sees the rows that are active at once.
                let groups = |column: &[i16]| {
                    let groups = row_groups(&hardware, rows);
                    groups.map(|group| column[group].iter().filter(is_set).count()).max().unwrap_or(0)
                };
                integers.chunks_exact(rows.max(1)).map(groups).max().unwrap_or(0)
            });
            let bits = set.map(|set| {
                Resolution::LosslessSliced.bits(&readout, ColumnOccupancy { rows, active: set, set })
            });
            Self { lowest_bit: slicing.shift(slice), set, bits }
        };
        (0..slicing.slices()).map(slice).collect()
    }
}

/// The cells of one tile, and what is left of them in the same layers `pruned`. The last argument is
/// the layer's index and the tile's index in it.
///
/// # Errors
/// If there is no such layer or tile.
///
/// ```
/// use crossdub::config::HardwareConfig;
/// use crossdub::matrix::Matrix;
/// use crossdub::report::tile_detail;
///
/// let hardware = HardwareConfig { tile: 2, ..HardwareConfig::default() };
/// let layers = [Matrix::new("w", 2, 4, vec![0.5, 0.0, 0.1, 0.2, 0.0, 0.5, 0.3, 0.4])?];
/// let tile = tile_detail(&layers, &layers, &hardware, (0, 1))?;
/// assert_eq!((tile.first_output, tile.first_input, tile.level), (0, 2, 0));
/// assert_eq!(tile.values, [0.1, 0.2, 0.3, 0.4]);
/// // Of the largest weight's 127.
/// assert_eq!(tile.integers, [25, 51, 76, 102]);
/// assert_eq!((tile.slices.len(), tile.slices[0].set), (7, [2, 0]));
/// assert!(tile_detail(&layers, &layers, &hardware, (0, 2)).is_err());
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn tile_detail(
    layers: &[Matrix],
    pruned: &[Matrix],
    hardware: &HardwareConfig,
    (layer, tile): (usize, usize),
) -> Result<TileDetail> {
    let shape = TileShape::from(hardware);
    let both = layers.get(layer).zip(pruned.get(layer));
    let (matrix, pruned) = both.ok_or_else(|| Error::field("layer", layer, "there is no such layer"))?;
    let tiling = Tiling::new(matrix, shape);
    if tile >= tiling.len() {
        return Err(Error::field("tile", tile, format!("layer {} has {} tiles", matrix.name, tiling.len())));
    }
    let place = tiling.tile(tile);
    let tol = hardware.tol as f32;
    let quantized = QuantizedMatrix::new(pruned, hardware);
    let cells = |output: usize| quantized.row(output)[place.inputs.clone()].iter().copied();
    let integers: Vec<i16> = place.outputs.clone().flat_map(cells).collect();
    Ok(TileDetail {
        layer: matrix.name.clone(),
        tile,
        rows: place.rows(),
        columns: place.columns(),
        first_output: place.outputs.start,
        first_input: place.inputs.start,
        values: place.columns_of(matrix).flatten().copied().collect(),
        kept: place.columns_of(pruned).flatten().map(|&w| w != 0.0).collect(),
        hoyer: place.columns_of(matrix).map(hoyer_square).collect(),
        counted: place.columns_of(matrix).map(|c| c.iter().filter(|w| w.abs() > tol).count()).collect(),
        level: count_tile(pruned, &place, 0.0).level(Levels::new(hardware.tile)),
        slices: SliceDetail::of_tile(&integers, place.rows(), hardware),
        integers,
    })
}
