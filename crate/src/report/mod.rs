//! Plain serializable results: what `--json` prints and what the page draws.

mod adc_plan;
mod converters;
mod inference;
mod inference_row;
mod published;
mod published_page;

pub use adc_plan::{AdcPlan, PlannedTile, adc_plan};
pub use converters::{AdcComparison, AdcCurve, ConverterReport, compare, converter_report};
pub use inference::{
    CrossbarCount, DenseAndActual, Inference, InferenceConfig, InferenceRow, LayerInference, inference,
};
pub use published::{Published, PublishedModel, PublishedRun, RankedMethod, Ranking, RunKind, published};
pub use published_page::published_markdown;

use serde::{Deserialize, Serialize};

use crate::adc::{AdcEnergy, AdcModel};
use crate::config::{HardwareConfig, Resolution, SCHEMA_VERSION};
use crate::crossbar::hoyer::tile_densities;
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::{TileCount, count_tiles};
use crate::crossbar::tiling::{TileShape, Tiling};
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// ADC energy by each model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdcEnergies {
    /// The paper's count.
    pub paper: AdcEnergy,
    /// Nothing lost.
    pub lossless: AdcEnergy,
}

impl AdcEnergies {
    fn of_tiles<'a>(tile: usize, counts: impl Iterator<Item = &'a TileCount> + Clone) -> Self {
        Self {
            paper: AdcEnergy::from_tiles(AdcModel::Paper, tile, counts.clone()),
            lossless: AdcEnergy::from_tiles(AdcModel::Lossless, tile, counts),
        }
    }
}

/// One layer of an [`Analysis`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerAnalysis {
    /// The parameter's name.
    pub name: String,
    /// Output channels (crossbar columns over all tiles).
    pub outputs: usize,
    /// Inputs of one output (crossbar rows over all tiles).
    pub inputs: usize,
    /// Groups of outputs with inputs of their own; no tile spans two.
    pub groups: usize,
    /// Number of tiles.
    pub tiles: usize,
    /// Number of weights.
    pub weights: usize,
    /// Exact zeros.
    pub zeros: usize,
    /// Tiles by level, exact zeros counted.
    pub histogram: Vec<u64>,
    /// Tiles by level, almost zeros counted.
    pub almost_zero_histogram: Vec<u64>,
    /// Sparsity of each tile's least sparse column.
    pub tile_sparsity: Vec<f64>,
    /// The same, almost zeros counted.
    pub tile_almost_zero_sparsity: Vec<f64>,
}

/// What `crossdub analyze --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// Version of this object's fields.
    pub schema_version: u32,
    /// Rows of a crossbar.
    pub tile: usize,
    /// Cells a weight.
    pub weight_bits: usize,
    /// Magnitude up to which a weight counts as almost zero.
    pub tol: f64,
    /// Weights of all crossbar layers.
    pub weights: usize,
    /// Exact zeros.
    pub zeros: usize,
    /// Weights of magnitude at most `tol`.
    pub almost_zeros: usize,
    /// Tiles of all layers.
    pub tiles: usize,
    /// Tiles by level, exact zeros counted.
    pub histogram: Vec<u64>,
    /// Tiles by level, almost zeros counted.
    pub almost_zero_histogram: Vec<u64>,
    /// Each layer.
    pub layers: Vec<LayerAnalysis>,
    /// ADC energy at the exact levels.
    pub energy: AdcEnergies,
    /// Energy of an inference by every model and policy asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference: Option<Inference>,
}

/// Maps the layers to crossbars and counts.
pub fn analyze(layers: &[Matrix], hardware: &HardwareConfig) -> Analysis {
    let shape = TileShape::from(hardware);
    let levels = Levels::new(hardware.tile);
    let counts: Vec<_> = layers.iter().map(|layer| count_tiles(layer, shape, hardware.tol as f32)).collect();
    let all = || counts.iter().flatten();
    Analysis {
        schema_version: SCHEMA_VERSION,
        tile: hardware.tile,
        weight_bits: hardware.weight_bits,
        tol: hardware.tol,
        weights: layers.iter().map(|layer| layer.data.len()).sum(),
        zeros: all().map(|count| count.zeros).sum(),
        almost_zeros: all().map(|count| count.near_zeros).sum(),
        tiles: all().count(),
        histogram: levels.histogram(all().map(|count| count.level(levels))),
        almost_zero_histogram: levels.histogram(all().map(|count| count.near_zero_level(levels))),
        energy: AdcEnergies::of_tiles(hardware.tile, all()),
        inference: None,
        layers: layers.iter().zip(&counts).map(|(layer, counts)| of_layer(layer, counts, levels)).collect(),
    }
}

fn of_layer(layer: &Matrix, counts: &[TileCount], levels: Levels) -> LayerAnalysis {
    LayerAnalysis {
        name: layer.name.clone(),
        outputs: layer.rows,
        inputs: layer.cols,
        groups: layer.groups,
        tiles: counts.len(),
        weights: layer.data.len(),
        zeros: counts.iter().map(|count| count.zeros).sum(),
        histogram: levels.histogram(counts.iter().map(|count| count.level(levels))),
        almost_zero_histogram: levels.histogram(counts.iter().map(|count| count.near_zero_level(levels))),
        tile_sparsity: counts.iter().map(TileCount::sparsity).collect(),
        tile_almost_zero_sparsity: counts.iter().map(TileCount::near_zero_sparsity).collect(),
    }
}

/// "If pruned now": what pruning would leave, from a pruned copy.
#[derive(Debug, Clone, PartialEq, Serialize)]
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

/// One layer's tiles, for a map. Tile `t` is at row `t / across`, column `t % across`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerMap {
    /// The parameter's name.
    pub name: String,
    /// Tiles along the inputs.
    pub across: usize,
    /// Tiles along the outputs.
    pub down: usize,
    /// Mean Hoyer density of each tile's columns over its rows.
    pub density: Vec<f64>,
    /// Standard deviation of each tile's Hoyer densities, in effective rows.
    pub imbalance: Vec<f64>,
    /// Previewed level of each tile.
    pub level: Vec<usize>,
    /// Previewed ADC bits, the paper's count.
    pub bits_paper: Vec<u32>,
    /// Previewed ADC bits, nothing lost.
    pub bits_lossless: Vec<u32>,
    /// Previewed ADC bits of the crossbar of each tile that needs most, nothing lost, counted from
    /// the set cells; empty unless the hardware's resolution is that one.
    pub bits_lossless_sliced: Vec<u32>,
}

/// Analysis of the weights as they are, preview of pruning, and the maps of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// The weights as they are.
    pub analysis: Analysis,
    /// If pruned now.
    pub preview: Preview,
    /// A map for each layer.
    pub maps: Vec<LayerMap>,
}

/// Everything the page draws of the present weights, and of what pruning would leave of them: the
/// same layers, `pruned`.
pub fn view(layers: &[Matrix], pruned: &[Matrix], hardware: &HardwareConfig) -> View {
    let shape = TileShape::from(hardware);
    let levels = Levels::new(hardware.tile);
    let counts: Vec<_> = pruned.iter().map(|layer| count_tiles(layer, shape, 0.0)).collect();
    let all = || counts.iter().flatten();
    let preview = Preview {
        weights: layers.iter().map(|layer| layer.data.len()).sum(),
        zeros: all().map(|count| count.zeros).sum(),
        histogram: levels.histogram(all().map(|count| count.level(levels))),
        energy: AdcEnergies::of_tiles(hardware.tile, all()),
    };
    let mut maps: Vec<_> =
        layers.iter().zip(&counts).map(|(layer, counts)| map_of(layer, counts, hardware)).collect();
    if hardware.resolution == Resolution::LosslessSliced {
        let plan = adc_plan(pruned, hardware);
        for (map, counts) in maps.iter_mut().zip(&counts) {
            let own = plan.tiles.iter().filter(|tile| tile.layer == map.name).take(counts.len());
            map.bits_lossless_sliced = own.map(|tile| tile.bits_lossless_sliced).collect();
        }
    }
    View { analysis: analyze(layers, hardware), preview, maps }
}

fn map_of(layer: &Matrix, pruned: &[TileCount], hardware: &HardwareConfig) -> LayerMap {
    let shape = TileShape::from(hardware);
    let levels = Levels::new(hardware.tile);
    let tiling = Tiling::new(layer, shape);
    let densities = tile_densities(layer, shape);
    let bits =
        |resolution: Resolution| pruned.iter().map(|c| resolution.bits_of_tile(hardware.tile, c)).collect();
    LayerMap {
        name: layer.name.clone(),
        across: tiling.input_blocks(),
        down: tiling.output_blocks(),
        density: densities.iter().map(|d| d.density).collect(),
        imbalance: densities.iter().map(|d| d.imbalance).collect(),
        level: pruned.iter().map(|count| count.level(levels)).collect(),
        bits_paper: bits(Resolution::Paper),
        bits_lossless: bits(Resolution::Lossless),
        bits_lossless_sliced: Vec::new(),
    }
}

/// One tile's cells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TileDetail {
    /// The layer's name.
    pub layer: String,
    /// The tile's number in its layer.
    pub tile: usize,
    /// Rows (inputs).
    pub rows: usize,
    /// Columns (outputs).
    pub columns: usize,
    /// The first column's output channel.
    pub first_output: usize,
    /// The first row's input.
    pub first_input: usize,
    /// Weights, column after column.
    #[serde(skip)]
    pub values: Vec<f32>,
    /// Whether the previewed pruning keeps each.
    #[serde(skip)]
    pub kept: Vec<bool>,
    /// Hoyer density of each column, in effective rows.
    pub hoyer: Vec<f64>,
    /// Rows of each column above the tolerance.
    pub counted: Vec<usize>,
    /// Previewed level.
    pub level: usize,
}

/// One tile's cells, with what pruning would leave of them in the same layers, `pruned`.
///
/// # Errors
/// When there is no such layer or tile.
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
    let count = crate::crossbar::sparsity::count_tile(pruned, &place, 0.0);
    let tol = hardware.tol as f32;
    Ok(TileDetail {
        layer: matrix.name.clone(),
        tile,
        rows: place.rows(),
        columns: place.columns(),
        first_output: place.outputs.start,
        first_input: place.inputs.start,
        values: place.columns_of(matrix).flatten().copied().collect(),
        kept: place.columns_of(pruned).flatten().map(|&w| w != 0.0).collect(),
        hoyer: place.columns_of(matrix).map(crate::crossbar::hoyer::hoyer_square).collect(),
        counted: place.columns_of(matrix).map(|c| c.iter().filter(|w| w.abs() > tol).count()).collect(),
        level: count.level(Levels::new(hardware.tile)),
    })
}
