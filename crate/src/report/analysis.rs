//! [`analyze`]: sparsity, levels and ADC energy of weights mapped to crossbars.

use serde::{Deserialize, Serialize};

use super::bit_planes::bit_plane_energy;
use super::inference::Inference;
use crate::adc::resolution::{ColumnOccupancy, Readout, row_groups};
use crate::adc::{AdcEnergy, AdcModel};
use crate::checkpoint::CheckpointAccount;
use crate::config::{HardwareConfig, Resolution, SCHEMA_VERSION};
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::{TileCount, count_tiles};
use crate::crossbar::tiling::{TileShape, Tiling};
use crate::matrix::Matrix;

/// ADC energy in bits, every tile counted once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct AdcEnergies {
    /// The paper's count: all rows at once, 1-bit inputs and cells, whatever the hardware's are.
    pub paper: AdcEnergy,
    /// The lossless count of the active rows, with the hardware's inputs, cells, signs and rows at once.
    pub lossless: AdcEnergy,
    /// The lossless count of set cells in each weight slice and polarity, for weights that are integers: at
    /// `weight_precision` bits with all cells set, and as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lossless_sliced: Option<AdcEnergy>,
}

impl AdcEnergies {
    /// Of layers and their counted tiles.
    pub(super) fn new(layers: &[Matrix], counts: &[Vec<TileCount>], hardware: &HardwareConfig) -> Self {
        let (mut dense, mut actual) = (0_u64, 0_u64);
        for (layer, counts) in layers.iter().zip(counts) {
            for tile in lossless_bits(layer, counts, hardware) {
                dense += tile.dense;
                actual += tile.actual;
            }
        }
        Self {
            paper: AdcEnergy::from_tiles(AdcModel::Paper, hardware.tile, counts.iter().flatten()),
            lossless: AdcEnergy::new(dense as f64, actual as f64),
            lossless_sliced: bit_plane_energy(layers, hardware),
        }
    }
}

/// Bits that tell all sums of a tile's active rows apart.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LosslessBits {
    /// Of all its conversions, one for each group of rows that are active at once, with all rows active.
    dense: u64,
    /// The same with the active rows of each group's densest column.
    actual: u64,
    /// Of the conversion that needs most.
    pub most: u32,
}

/// Those of a layer's counted tiles.
pub(super) fn lossless_bits(
    layer: &Matrix,
    counts: &[TileCount],
    hardware: &HardwareConfig,
) -> Vec<LosslessBits> {
    let readout = Readout::new(hardware);
    let tiling = Tiling::new(layer, TileShape::from(hardware));
    let of_tile = |(index, count): (usize, &TileCount)| {
        let mut tile = LosslessBits::default();
        let mut add = |rows: usize, active: usize| {
            let bits =
                |active| Resolution::Lossless.bits(&readout, ColumnOccupancy::from_active(active, rows));
            tile.dense += u64::from(bits(rows));
            tile.actual += u64::from(bits(active));
            tile.most = tile.most.max(bits(active));
        };
        if hardware.rows_at_once() >= count.rows {
            add(count.rows, count.active);
        } else {
            let columns: Vec<&[f32]> = tiling.tile(index).columns_of(layer).collect();
            for group in row_groups(hardware, count.rows) {
                let active = |column: &&[f32]| column[group.clone()].iter().filter(|w| **w != 0.0).count();
                add(group.len(), columns.iter().map(active).max().unwrap_or(0));
            }
        }
        tile
    };
    counts.iter().enumerate().map(of_tile).collect()
}

/// One layer of an [`Analysis`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct LayerAnalysis {
    /// The parameter's name.
    pub name: String,
    /// Output channels (crossbar columns over all tiles).
    pub outputs: usize,
    /// Inputs of each output (crossbar rows over all tiles).
    pub inputs: usize,
    /// Groups of outputs with their own inputs; no tile spans two groups.
    #[serde(default = "one")]
    pub groups: usize,
    /// Number of tiles.
    pub tiles: usize,
    /// Number of weights.
    pub weights: usize,
    /// Exact zeros.
    pub zeros: usize,
    /// Tiles by level, by exact zeros.
    pub histogram: Vec<u64>,
    /// Tiles by level, almost zeros counted as zeros.
    pub almost_zero_histogram: Vec<u64>,
    /// Sparsity of each tile's least sparse column.
    pub tile_sparsity: Vec<f64>,
    /// The same, almost zeros counted as zeros.
    pub tile_almost_zero_sparsity: Vec<f64>,
}

fn one() -> usize {
    1
}

/// What `crossdub analyze --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct Analysis {
    /// Version of this object's fields.
    pub schema_version: u32,
    /// Rows of a crossbar.
    pub tile: usize,
    /// Cells per weight.
    pub weight_bits: usize,
    /// Magnitude up to which a weight is an almost zero.
    pub tol: f64,
    /// Weights of all crossbar layers.
    pub weights: usize,
    /// Exact zeros.
    pub zeros: usize,
    /// Near zeros: weights of a magnitude up to `tol`.
    pub almost_zeros: usize,
    /// Tiles of all layers.
    pub tiles: usize,
    /// Tiles by level, by exact zeros.
    pub histogram: Vec<u64>,
    /// Tiles by level, almost zeros counted as zeros.
    pub almost_zero_histogram: Vec<u64>,
    /// Each layer.
    pub layers: Vec<LayerAnalysis>,
    /// ADC energy at the levels by exact zeros.
    pub energy: AdcEnergies,
    /// Energy of an inference by every requested model and resolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference: Option<Inference>,
    /// What was taken from the checkpoint and what was left out, for weights that were read from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointAccount>,
}

/// Maps the layers to crossbars and counts zeros, almost zeros, levels and ADC energy.
///
/// ```
/// use crossdub::config::HardwareConfig;
/// use crossdub::matrix::Matrix;
/// use crossdub::report::{Analysis, analyze};
///
/// // Two output channels of eight inputs, on crossbars with 4 rows and 4 columns.
/// let weights = vec![0.5, 0.0, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4, 0.0, 0.7, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4];
/// let layer = Matrix::new("conv1.weight", 2, 8, weights)?;
/// let hardware = HardwareConfig { tile: 4, ..HardwareConfig::default() };
/// let analysis = analyze(&[layer], &hardware);
/// assert_eq!((analysis.tiles, analysis.weights, analysis.zeros), (2, 16, 6));
/// // The first tile has one active row of four per column, level 2; the second is dense.
/// assert_eq!(analysis.histogram, [1, 0, 1, 0]);
/// // 2 + 2 bits by the paper's count become 0 + 2.
/// assert_eq!(analysis.energy.paper.improvement, Some(2.0));
/// // A report can be read back.
/// let json = serde_json::to_string(&analysis).unwrap();
/// assert_eq!(serde_json::from_str::<Analysis>(&json).unwrap(), analysis);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
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
        almost_zeros: all().map(|count| count.almost_zeros).sum(),
        tiles: all().count(),
        histogram: levels.histogram(all().map(|count| count.level(levels))),
        almost_zero_histogram: levels.histogram(all().map(|count| count.almost_zero_level(levels))),
        energy: AdcEnergies::new(layers, &counts, hardware),
        inference: None,
        checkpoint: None,
        layers: layers
            .iter()
            .zip(&counts)
            .map(|(layer, counts)| LayerAnalysis::new(layer, counts, levels))
            .collect(),
    }
}

impl LayerAnalysis {
    fn new(layer: &Matrix, counts: &[TileCount], levels: Levels) -> Self {
        Self {
            name: layer.name.clone(),
            outputs: layer.rows,
            inputs: layer.cols,
            groups: layer.groups,
            tiles: counts.len(),
            weights: layer.data.len(),
            zeros: counts.iter().map(|count| count.zeros).sum(),
            histogram: levels.histogram(counts.iter().map(|count| count.level(levels))),
            almost_zero_histogram: levels
                .histogram(counts.iter().map(|count| count.almost_zero_level(levels))),
            tile_sparsity: counts.iter().map(TileCount::sparsity).collect(),
            tile_almost_zero_sparsity: counts.iter().map(TileCount::almost_zero_sparsity).collect(),
        }
    }
}
