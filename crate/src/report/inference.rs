//! Energy of an inference: all conversions that one image causes, before and after pruning.
//!
//! Conversions of a layer = output positions x input slices x weight slices x polarities x the sum
//! over its tiles of their columns (times the groups of rows, where fewer are active at once).
//!
//! An improvement is what pruning saves, so that an unpruned network saves nothing: "dense" is the same
//! network before pruning, where a column without a zero weight is as it is, and any other has all its
//! rows active and all their cells set. What an unpruned network spares against full crossbars, because
//! layers are narrow and high bits of weights are rarely set, is "mapping", a figure of its own; both
//! multiply to the improvement over a full crossbar's converter at every column.
//!
//! The lossless resolutions count zeros after quantization, because that is what the cells hold;
//! `paper` counts them before it, as the paper does.

use serde::{Deserialize, Serialize};

use super::bit_planes::{LayerSlices, layer_slices};
use super::inference_row::{CostTable, RowInputs};
use crate::adc::accelerator::AdcFraction;
use crate::adc::conversions::{LatencyTable, LayerConversions, TallyConfig, tally};
use crate::adc::converter::Converter;
use crate::adc::{AdcEnergy, AdcParams, EnergyUnit};
use crate::config::{Granularity, HardwareConfig, Resolution};
use crate::crossbar::bit_slicing::BitSlicing;
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// What to compare, besides weights and hardware.
#[derive(Debug, Clone)]
pub struct InferenceConfig {
    /// Converters to compare; unitless ones are shown at their own resolution.
    pub converters: Vec<Converter>,
    /// Resolutions to compare.
    pub resolutions: Vec<Resolution>,
    /// What shares a resolution: per tile, per column, or both to compare.
    pub granularities: Vec<Granularity>,
    /// Output positions of each layer; `None` if the network is unknown.
    pub positions: Option<Vec<u64>>,
    /// Converters per crossbar.
    pub adcs_per_tile: usize,
    /// The converters' fraction of the whole dense accelerator's energy.
    pub adc_share: Option<AdcFraction>,
    /// Whether columns without an active row are skipped even where their tile shares bits.
    pub skip_zero_columns: bool,
}

impl InferenceConfig {
    /// Every published model with default parameters, every resolution, one converter per crossbar.
    ///
    /// # Errors
    /// Never: default parameters are in range.
    pub fn all(positions: Option<Vec<u64>>) -> Result<Self> {
        Ok(Self {
            converters: Converter::all_published(&AdcParams::default())?,
            resolutions: vec![Resolution::Paper, Resolution::Lossless, Resolution::LosslessSliced],
            granularities: vec![Granularity::Tile, Granularity::Column],
            positions,
            adcs_per_tile: 1,
            adc_share: None,
            skip_zero_columns: false,
        })
    }
}

/// Before and after pruning.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct DenseAndActual<T> {
    /// Before.
    pub dense: T,
    /// After.
    pub actual: T,
}

/// Crossbars that the network takes: one per tile, weight slice and polarity; as many slices as weights
/// have cells side by side (`weight_bits`) share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct CrossbarCount {
    /// With crossbars for every tile.
    pub dense: u64,
    /// Without the tiles whose weights are all zero.
    pub pruned: u64,
    /// Without the crossbars whose cells are all empty.
    pub with_set_cells: u64,
}

/// Energy of an inference by every model and resolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct Inference {
    /// Output positions of each layer; `None` if the network is unknown.
    pub positions: Option<Vec<u64>>,
    /// Input slices: input bits over DAC bits.
    pub input_slices: u32,
    /// Weight slices: magnitude bits over cell bits.
    pub weight_slices: usize,
    /// 2 if positive and negative weights have crossbars of their own, else 1.
    pub polarities: usize,
    /// Whether pruning a weight empties its cells. False in an offset mapping, where pruning saves no
    /// bits by active rows.
    pub zero_weight_is_zero_cell: bool,
    /// Converters per crossbar.
    pub adcs_per_tile: usize,
    /// The converters' fraction of the whole dense accelerator's energy, if given.
    pub adc_share: Option<f64>,
    /// Where that fraction was published; `None` for the user's own number.
    pub adc_share_source: Option<String>,
    /// Whether columns without an active row are skipped.
    pub skip_zero_columns: bool,
    /// Crossbars that the network takes.
    pub crossbars: CrossbarCount,
    /// Bits of the conversions by weight slice; empty where weights of 0 set cells.
    #[serde(default)]
    pub slices: Vec<LayerSlices>,
    /// One row per model, resolution and granularity.
    pub table: Vec<InferenceRow>,
}

/// One model at one resolution and granularity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct InferenceRow {
    /// The model's name.
    pub model: String,
    /// How many bits a conversion has.
    pub resolution: Resolution,
    /// What shares them.
    pub per: Granularity,
    /// The unit of energies.
    pub unit: EnergyUnit,
    /// Whether a value is beyond the model's range.
    pub extrapolated: bool,
    /// What pruning saves, every crossbar counted once, as the paper counts; `None` if no converter has
    /// that many bits.
    pub per_tile: Option<AdcEnergy>,
    /// What pruning saves of all conversions of an inference; `None` without positions.
    pub per_inference: Option<AdcEnergy>,
    /// What the mapping leaves empty, every crossbar counted once: full crossbars (`dense`) against the
    /// network before pruning (`actual`).
    #[serde(default)]
    pub mapping_per_tile: Option<AdcEnergy>,
    /// The same for all conversions of an inference.
    #[serde(default)]
    pub mapping_per_inference: Option<AdcEnergy>,
    /// Improvement of the whole accelerator (Amdahl's law), if the converters' fraction is known.
    pub whole_improvement: Option<f64>,
    /// Conversions of an inference: at every column (`dense`), and where there is something to convert.
    pub conversions: Option<DenseAndActual<u64>>,
    /// Area of all converters, um2, if the model has it.
    pub area_um2: Option<DenseAndActual<f64>>,
    /// Time of an inference, ns, layer after layer, if the model has it.
    pub latency_ns: Option<DenseAndActual<f64>>,
    /// Each layer.
    pub layers: Vec<LayerInference>,
}

/// One layer of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct LayerInference {
    /// The parameter's name.
    pub name: String,
    /// What pruning saves, every crossbar counted once.
    pub per_tile: Option<AdcEnergy>,
    /// What pruning saves of all conversions of an inference.
    pub per_inference: Option<AdcEnergy>,
    /// What the mapping leaves empty, every crossbar counted once.
    #[serde(default)]
    pub mapping_per_tile: Option<AdcEnergy>,
    /// The same for all conversions of an inference.
    #[serde(default)]
    pub mapping_per_inference: Option<AdcEnergy>,
    /// Share of the network's energy after pruning, of an inference or else per tile.
    pub share: Option<f64>,
    /// Conversions of an inference.
    pub conversions: Option<DenseAndActual<u64>>,
    /// Area of its converters, um2.
    pub area_um2: Option<DenseAndActual<f64>>,
    /// Time, ns.
    pub latency_ns: Option<DenseAndActual<f64>>,
}

/// Energy of an inference by every model, resolution and granularity of `config`.
///
/// # Errors
/// If the positions don't match the layers, or a number of `config` is out of range.
///
/// ```
/// use crossdub::config::{Granularity, HardwareConfig, Resolution};
/// use crossdub::matrix::Matrix;
/// use crossdub::report::{InferenceConfig, inference};
///
/// // One layer with 4 inputs and 2 outputs, at 100 output positions. 2-bit weights are one slice.
/// let layer = Matrix::new("conv", 2, 4, vec![0.5, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0])?;
/// let hardware = HardwareConfig { tile: 4, weight_precision: 2, ..HardwareConfig::default() };
/// let result = inference(&[layer], &hardware, &InferenceConfig::all(Some(vec![100]))?)?;
/// let row = |model: &str| {
///     let at = (Resolution::LosslessSliced, Granularity::Tile);
///     result.table.iter().find(|row| row.model == model && (row.resolution, row.per) == at).unwrap()
/// };
/// // 2 columns x 2 polarities x 100 positions x 8 input bits; the negative crossbar is empty.
/// let conversions = row("puma").conversions.unwrap();
/// assert_eq!((conversions.dense, conversions.actual), (3200, 1600));
/// // 3 bits become 1 bit, at 0.225 pJ per bit.
/// let energy = row("puma").per_inference.unwrap();
/// assert!((energy.actual - 1600.0 * 0.225).abs() < 1e-9);
/// assert!((energy.improvement.unwrap() - 6.0).abs() < 1e-9);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn inference(
    layers: &[Matrix],
    hardware: &HardwareConfig,
    config: &InferenceConfig,
) -> Result<Inference> {
    check(layers, config)?;
    let granularities = &config.granularities;
    let resolutions: Vec<(Resolution, Granularity)> = config
        .resolutions
        .iter()
        .flat_map(|&resolution| granularities.iter().map(move |&granularity| (resolution, granularity)))
        .collect();
    let costs: Vec<CostTable> = config.converters.iter().map(CostTable::new).collect();
    let latencies: Vec<LatencyTable> = costs.iter().filter_map(|costs| costs.time_ns).collect();
    let tally_config = TallyConfig {
        hardware,
        resolutions: &resolutions,
        latencies: &latencies,
        adcs_per_tile: config.adcs_per_tile,
        skip_zero_columns: config.skip_zero_columns,
    };
    let tallies: Vec<LayerConversions> = layers.iter().map(|layer| tally(layer, &tally_config)).collect();
    let input_slices = hardware.input_bits.div_ceil(hardware.dac_bits);
    let slicing = BitSlicing::from(hardware);
    let mut table = Vec::new();
    for (resolution_index, &(resolution, granularity)) in resolutions.iter().enumerate() {
        let mut with_times = 0;
        for (converter, costs) in config.converters.iter().zip(&costs) {
            let latency_index = costs.time_ns.map(|_| with_times);
            with_times += usize::from(costs.time_ns.is_some());
            if converter.is_shown_at(resolution) {
                table.push(InferenceRow::new(&RowInputs {
                    config,
                    converter,
                    costs,
                    latency_index,
                    input_slices,
                    resolution,
                    granularity,
                    resolution_index,
                    layers,
                    tallies: &tallies,
                }));
            }
        }
    }
    let count = |of: fn(&LayerConversions) -> u64| tallies.iter().map(of).sum();
    Ok(Inference {
        positions: config.positions.clone(),
        input_slices,
        weight_slices: slicing.slices(),
        polarities: slicing.polarities(),
        zero_weight_is_zero_cell: slicing.offset() == 0,
        adcs_per_tile: config.adcs_per_tile,
        adc_share: config.adc_share.map(|fraction| fraction.fraction),
        adc_share_source: config.adc_share.and_then(|fraction| fraction.source).map(str::to_owned),
        skip_zero_columns: config.skip_zero_columns,
        crossbars: CrossbarCount {
            dense: count(|tally| tally.crossbars),
            pruned: count(|tally| tally.crossbars_pruned),
            with_set_cells: count(|tally| tally.crossbars_set),
        },
        slices: layer_slices(layers, hardware),
        table,
    })
}

/// The most output positions of a layer, far beyond any image.
const MAX_POSITIONS: u64 = 1 << 32;

fn check(layers: &[Matrix], config: &InferenceConfig) -> Result<()> {
    if let Some(positions) = &config.positions {
        if positions.len() != layers.len() {
            let why = format!("the weights have {} crossbar layers", layers.len());
            return Err(Error::field("positions", format!("{} values", positions.len()), why));
        }
        if let Some(bad) = positions.iter().find(|count| !(1..=MAX_POSITIONS).contains(*count)) {
            return Err(Error::field("positions", bad, format!("must be 1 to {MAX_POSITIONS} a layer")));
        }
    }
    config.adc_share.map(|share| AdcFraction::new(share.fraction)).transpose()?;
    if !(1..=4096).contains(&config.adcs_per_tile) {
        return Err(Error::field("adcs_per_tile", config.adcs_per_tile, "must be 1 to 4096"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
