//! [`SimulationReport`]: the serializable results of a simulation.

use serde::Serialize;

use crate::config::{HardwareConfig, SCHEMA_VERSION};

use super::config::SimulationConfig;

/// The conversions and errors of one layer, over all images.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct LayerReport {
    /// The weight's name.
    pub name: String,
    /// Output channels.
    pub outputs: usize,
    /// Inputs of one output.
    pub inputs: usize,
    /// Tiles along the inputs.
    pub across: usize,
    /// Tiles along the outputs.
    pub down: usize,
    /// Columns of all crossbars by the bits of their conversions, from 0 bits on, without columns that are
    /// never converted.
    pub columns_by_bits: Vec<u64>,
    /// Number of conversions.
    pub conversions: u64,
    /// Conversions whose sum was beyond the largest code.
    pub saturated_conversions: u64,
    /// Output integers that differ from those of the quantized network.
    pub mismatched_outputs: u64,
    /// Inputs outside the calibrated range, which were clipped to it.
    pub clipped_activations: u64,
    /// Saturated conversions of each tile, in tile order: output block, then input block.
    pub saturated_by_tile: Vec<u64>,
}

/// Accuracy over several seeds of the non-idealities.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SeedReport {
    /// Accuracy with each seed, in percent.
    pub accuracies: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, unbiased; `None` for a single seed.
    pub deviation: Option<f64>,
}

impl SeedReport {
    /// From one or more accuracies, in percent.
    ///
    /// ```
    /// use crossdub::simulate::report::SeedReport;
    ///
    /// let seeds = SeedReport::new(vec![70.0, 72.0, 74.0]);
    /// assert_eq!((seeds.mean, seeds.deviation), (72.0, Some(2.0)));
    /// ```
    pub fn new(accuracies: Vec<f64>) -> Self {
        let count = accuracies.len() as f64;
        let mean = accuracies.iter().sum::<f64>() / count;
        let squares: f64 = accuracies.iter().map(|a| (a - mean).powi(2)).sum();
        let deviation = (accuracies.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
        Self { accuracies, mean, deviation }
    }
}

/// Numbers of simulated images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImageCounts {
    /// All images.
    pub images: usize,
    /// Images that the simulated network classifies correctly.
    pub correct: usize,
    /// Images that the quantized network classifies correctly.
    pub quantized_correct: usize,
}

/// The results of a simulation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SimulationReport {
    /// Version of this object's fields.
    pub schema_version: u32,
    /// Number of simulated images.
    pub images: usize,
    /// Accuracy through crossbars and converters, in percent; `None` before the first image.
    pub accuracy: Option<f64>,
    /// Accuracy of the float network on the same images, in percent, if it was evaluated.
    pub digital_accuracy: Option<f64>,
    /// Accuracy of the quantized network without crossbars, in percent.
    pub quantized_accuracy: Option<f64>,
    /// Number of conversions.
    pub conversions: u64,
    /// Conversions whose sum was beyond the largest code.
    pub saturated_conversions: u64,
    /// Output integers that differ from those of the quantized network.
    pub mismatched_outputs: u64,
    /// Activations outside the calibrated range, which were clipped to it.
    pub clipped_activations: u64,
    /// Whether every output integer of every layer equals that of the quantized network.
    pub exact: bool,
    /// Accuracy over several seeds, if there is more than one.
    pub seeds: Option<SeedReport>,
    /// A caveat about this mapping.
    pub note: Option<String>,
    /// The simulated hardware.
    pub hardware: HardwareConfig,
    /// The options of the simulation.
    pub simulation: SimulationConfig,
    /// The layers on crossbars.
    pub layers: Vec<LayerReport>,
}

impl SimulationReport {
    /// Sums up the layers.
    pub fn new(
        ImageCounts { images, correct, quantized_correct }: ImageCounts,
        layers: Vec<LayerReport>,
        hardware: &HardwareConfig,
        simulation: &SimulationConfig,
    ) -> Self {
        let percent = |correct: usize| (images > 0).then(|| 100.0 * correct as f64 / images as f64);
        let total = |count: fn(&LayerReport) -> u64| layers.iter().map(count).sum();
        let mismatched_outputs = total(|layer| layer.mismatched_outputs);
        Self {
            schema_version: SCHEMA_VERSION,
            images,
            accuracy: percent(correct),
            digital_accuracy: None,
            quantized_accuracy: percent(quantized_correct),
            conversions: total(|layer| layer.conversions),
            saturated_conversions: total(|layer| layer.saturated_conversions),
            mismatched_outputs,
            clipped_activations: total(|layer| layer.clipped_activations),
            exact: mismatched_outputs == 0,
            seeds: None,
            note: note(hardware),
            hardware: hardware.clone(),
            simulation: simulation.clone(),
            layers,
        }
    }
}

fn note(hardware: &HardwareConfig) -> Option<String> {
    use crate::config::{Resolution, Subtraction};
    if hardware.subtraction != Subtraction::Offset {
        return None;
    }
    let zero = "offset mapping: a zero weight still sets a cell";
    Some(match hardware.resolution {
        Resolution::LosslessSliced => {
            format!("{zero}, in its highest slice, so pruning saves bits in the lower slices only")
        }
        _ => format!("{zero}, so every row stays active and pruning saves nothing"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_have_a_mean_and_an_unbiased_deviation() {
        let seeds = SeedReport::new(vec![70.0, 72.0, 77.0]);
        assert!((seeds.mean - 73.0).abs() < 1e-12);
        assert!((seeds.deviation.expect("three") - 13.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(SeedReport::new(vec![50.0]).deviation, None);
    }
}
