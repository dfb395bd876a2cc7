//! What a simulation found: plain and serializable, for both doors.

use serde::Serialize;

use crate::config::{HardwareConfig, SCHEMA_VERSION};

use super::options::SimulationConfig;

/// What one layer's crossbars did, over all images.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct LayerReport {
    /// The weight's name.
    pub name: String,
    /// Output channels.
    pub outputs: usize,
    /// Inputs of one output.
    pub inputs: usize,
    /// Tiles along the inputs and along the outputs.
    pub across: usize,
    /// Tiles along the outputs.
    pub down: usize,
    /// Columns of all its crossbars by the bits of their conversions, from 0 bits on; those that
    /// are never converted are left out.
    pub columns_by_bits: Vec<u64>,
    /// Conversions.
    pub conversions: u64,
    /// Conversions whose sum had no code of its own.
    pub saturated_conversions: u64,
    /// Output integers that differ from the quantized network's.
    pub mismatched_outputs: u64,
    /// Inputs out of the calibrated range, clipped to it.
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
    /// Their standard deviation, unbiased; none of a single seed.
    pub deviation: Option<f64>,
}

impl SeedReport {
    /// Of one or more accuracies.
    pub fn new(accuracies: Vec<f64>) -> Self {
        let count = accuracies.len() as f64;
        let mean = accuracies.iter().sum::<f64>() / count;
        let squares: f64 = accuracies.iter().map(|a| (a - mean).powi(2)).sum();
        let deviation = (accuracies.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
        Self { accuracies, mean, deviation }
    }
}

/// What a simulation found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SimulationReport {
    /// Version of this object.
    pub schema_version: u32,
    /// Images simulated.
    pub images: usize,
    /// Accuracy through crossbars and converters, in percent; none before the first image.
    pub accuracy: Option<f64>,
    /// Accuracy of the float network on the same images, where it was evaluated.
    pub digital_accuracy: Option<f64>,
    /// Accuracy of the quantized network without crossbars.
    pub quantized_accuracy: Option<f64>,
    /// Conversions.
    pub conversions: u64,
    /// Conversions whose sum had no code of its own.
    pub saturated_conversions: u64,
    /// Output integers that differ from the quantized network's.
    pub mismatched_outputs: u64,
    /// Activations out of the calibrated range, clipped to it.
    pub clipped_activations: u64,
    /// Whether every output integer of every layer is the quantized network's.
    pub exact: bool,
    /// Accuracy over several seeds, where more than one was asked for.
    pub seeds: Option<SeedReport>,
    /// What a reader must know about this mapping.
    pub note: Option<String>,
    /// The hardware simulated.
    pub hardware: HardwareConfig,
    /// The simulation's own options.
    pub simulation: SimulationConfig,
    /// The layers on crossbars.
    pub layers: Vec<LayerReport>,
}

impl SimulationReport {
    /// From what the layers did; `correct` counts correctly classified images of the simulated and the quantized network.
    pub fn new(
        images: usize,
        (correct, quantized_correct): (usize, usize),
        layers: Vec<LayerReport>,
        hardware: &HardwareConfig,
        simulation: &SimulationConfig,
    ) -> Self {
        let share = |correct: usize| (images > 0).then(|| 100.0 * correct as f64 / images as f64);
        let total = |count: fn(&LayerReport) -> u64| layers.iter().map(count).sum();
        let mismatched_outputs = total(|layer| layer.mismatched_outputs);
        Self {
            schema_version: SCHEMA_VERSION,
            images,
            accuracy: share(correct),
            digital_accuracy: None,
            quantized_accuracy: share(quantized_correct),
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
    let zero = "offset mapping: a zero weight is no zero cell";
    Some(match hardware.resolution {
        Resolution::LosslessSliced => {
            format!("{zero}; its highest slice is set, so pruning saves only in the lower slices")
        }
        _ => format!("{zero}, so every row stays active and pruning saves nothing"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_have_a_mean_and_a_deviation() {
        let seeds = SeedReport::new(vec![70.0, 72.0, 77.0]);
        assert!((seeds.mean - 73.0).abs() < 1e-12);
        assert!((seeds.deviation.expect("three") - 13.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(SeedReport::new(vec![50.0]).deviation, None);
    }
}
