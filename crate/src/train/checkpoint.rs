//! A training run in one file: weights, momentum, masks, teacher, step, history, configuration.
//!
//! Everything random depends on seed and step alone, so that a resumed run continues with the same images, augmentation
//! and dropout; on the CPU it ends with the same weights to the bit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, NamedTensor, safetensors};
use crate::config::{HardwareConfig, TrainConfig};
use crate::data::loader::DataLoader;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::parameters::{ExportKind, export, import_param_state};
use crate::train::divergence::DivergenceDetector;
use crate::train::progress::HistoryEntry;
use crate::train::quantization::{Quantization, StartWeights};
use crate::train::trainer::Trainer;

/// Key of the state in the file's metadata.
const KEY: &str = "crossdub_checkpoint";
/// Version of the format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct CheckpointHeader {
    version: u32,
    #[serde(rename = "spec")]
    config: TrainConfig,
    hardware: HardwareConfig,
    step: u64,
    #[serde(rename = "watch")]
    divergence: DivergenceDetector,
}

/// Name of the tensor that holds the history, one row per step.
const HISTORY: &str = "history";

/// A checkpoint that was read from bytes. It becomes a trainer with the data of the run.
///
/// ```
/// # #[cfg(feature = "cpu")] pollster::block_on(async {
/// # use crossdub::config::{ClassifierWidths, DeviceChoice, HardwareConfig, TrainConfig};
/// # use crossdub::data::synthetic;
/// # use crossdub::device::ComputeDevice;
/// use crossdub::train::checkpoint::TrainingCheckpoint;
/// # use crossdub::train::trainer::Trainer;
///
/// # let config = TrainConfig { plan: "4 M".parse()?, classifier: ClassifierWidths::default(), batch: 8, ..TrainConfig::default() };
/// # let device = ComputeDevice::open(&DeviceChoice::Cpu).await?;
/// # let data = synthetic::generate(0, 16, 10);
/// # let mut trainer = Trainer::new(config, HardwareConfig::default(), data, device.clone(), 1 << 30, None)?;
/// trainer.step().await?;
/// let bytes = trainer.checkpoint().await?;
///
/// let data = synthetic::generate(0, 16, 10);
/// let mut resumed = TrainingCheckpoint::read(&bytes)?.resume(data, device, 1 << 30)?;
/// assert_eq!(resumed.step_number(), 1);
/// assert_eq!(resumed.step().await?.loss, trainer.step().await?.loss);
/// # Ok::<(), crossdub::Error>(())
/// # }).unwrap();
/// ```
pub struct TrainingCheckpoint {
    state: CheckpointHeader,
    history: Vec<HistoryEntry>,
    weights: Checkpoint,
    velocities: Checkpoint,
    masks: Checkpoint,
    teacher: Checkpoint,
}

impl Trainer {
    /// Everything needed to resume, as the bytes of a safetensors file.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn checkpoint(&self) -> Result<Vec<u8>> {
        let weights = self.float_weights().await?;
        let velocities =
            export(&self.state.network, &self.network_spec, ExportKind::ParamState(&self.state.velocities))
                .await?;
        let state = CheckpointHeader {
            version: VERSION,
            config: self.config.clone(),
            hardware: self.quantization.as_ref().map_or(&self.hardware, Quantization::hardware).clone(),
            step: self.step,
            divergence: self.divergence,
        };
        let masks =
            self.state.masks.as_ref().map_or_else(Checkpoint::default, |masks| masks.checkpoint().clone());
        let tensors = prefixed("weight/", weights).chain(prefixed("velocity/", velocities));
        let teacher =
            self.teacher.as_ref().map_or_else(Checkpoint::default, |teacher| teacher.weights.clone());
        let tensors = tensors.chain(prefixed("mask/", masks)).chain(prefixed("teacher/", teacher));
        let tensors = tensors.chain([history_to_tensor(&self.history)]);
        let state = serde_json::to_string(&state).map_err(|why| unusable(why.to_string()))?;
        let metadata = BTreeMap::from([(KEY.to_owned(), state)]);
        safetensors::write_with_metadata(&Checkpoint::new(tensors.collect()), &metadata)
    }
}

impl TrainingCheckpoint {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// When the bytes are not a whole checkpoint of this format.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let notes = safetensors::metadata(bytes)?;
        let tensors = safetensors::read(bytes)?;
        let state = notes.get(KEY).ok_or_else(|| unusable("it does not hold a training run"))?;
        let state: CheckpointHeader = serde_json::from_str(state).map_err(|why| unusable(why.to_string()))?;
        if state.version != VERSION {
            return Err(unusable(format!("format {}, this build reads {VERSION}", state.version)));
        }
        let part = |prefix: &str| {
            let own = tensors.tensors.iter().filter_map(|tensor| {
                let name = tensor.name.strip_prefix(prefix)?.to_owned();
                Some(NamedTensor { name, ..tensor.clone() })
            });
            Checkpoint::new(own.collect())
        };
        let history = tensors.get(HISTORY).map_or_else(Vec::new, history_from_tensor);
        let (weights, velocities) = (part("weight/"), part("velocity/"));
        let (masks, teacher) = (part("mask/"), part("teacher/"));
        Ok(Self { weights, velocities, masks, teacher, history, state })
    }

    /// The run's configuration.
    pub fn config(&self) -> &TrainConfig {
        &self.state.config
    }

    /// The hardware it was trained for; of a quantized network, that it started on.
    pub fn hardware(&self) -> &HardwareConfig {
        &self.state.hardware
    }

    /// Number of steps taken.
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// The same run, to be resumed on the devices of another configuration.
    #[must_use]
    pub fn with_devices_of(mut self, other: &TrainConfig) -> Self {
        let (device, devices, gather) = (other.device.clone(), other.devices.clone(), other.gather);
        self.state.config = TrainConfig { device, devices, gather, ..self.state.config };
        self
    }

    /// Resumes the run. `memory` is the number of bytes it may take.
    ///
    /// # Errors
    /// When data and configuration do not fit the weights.
    pub fn resume(self, data: impl Into<DataLoader>, compute: ComputeDevice, memory: u64) -> Result<Trainer> {
        let CheckpointHeader { config, hardware, .. } = &self.state;
        let weights = Some(StartWeights::Resumed(&self.weights));
        let mut trainer =
            Trainer::with_weights(config.clone(), hardware.clone(), data.into(), compute, memory, weights)?;
        self.restore_state(&mut trainer)?;
        Ok(trainer)
    }

    /// Returns a trainer of the same network and data to the state of this checkpoint.
    ///
    /// # Errors
    /// When the trainer has another network or other data.
    pub fn restore(self, trainer: &mut Trainer) -> Result<()> {
        let CheckpointHeader { config, hardware, .. } = &self.state;
        trainer.restart(config.clone(), hardware, StartWeights::Resumed(&self.weights))?;
        self.restore_state(trainer)
    }

    /// Restores momentum, masks, teacher, step and history, after the weights.
    fn restore_state(self, trainer: &mut Trainer) -> Result<()> {
        let CheckpointHeader { step, divergence, .. } = self.state;
        let network = &trainer.state.network;
        trainer.state.velocities = import_param_state(network, &trainer.network_spec, &self.velocities)?;
        if !self.masks.tensors.is_empty() {
            trainer.set_masks_from(&self.masks, &self.weights)?;
        }
        if !self.teacher.tensors.is_empty() {
            trainer.set_teacher(&self.teacher)?;
        }
        if step > trainer.total_steps() {
            return Err(unusable(format!("step {step} of a run of {}", trainer.total_steps())));
        }
        trainer.step = step;
        trainer.divergence = divergence;
        trainer.history = self.history;
        Ok(())
    }
}

fn prefixed(prefix: &str, weights: Checkpoint) -> impl Iterator<Item = NamedTensor> {
    weights
        .tensors
        .into_iter()
        .map(move |tensor| NamedTensor { name: format!("{prefix}{}", tensor.name), ..tensor })
}

/// Values of a step besides its number: loss, regularizer, accuracy, both improvements; NaN if absent.
const VALUES: usize = 5;
/// A value is the sum of so many 32-bit floats, which hold all bits of a 64-bit one.
const PARTS: usize = 3;
/// Columns of the history.
const COLUMNS: usize = 1 + VALUES * PARTS;

/// The history as a tensor, because that of a long run would exceed the limit of a header.
fn history_to_tensor(history: &[HistoryEntry]) -> NamedTensor {
    let row = |entry: &HistoryEntry| {
        let measured = [entry.accuracy, entry.improvement_paper, entry.improvement_lossless];
        let [accuracy, paper, lossless] = measured.map(|value| value.unwrap_or(f64::NAN));
        let values = [entry.loss, entry.regularizer, accuracy, paper, lossless];
        std::iter::once(entry.step as f32).chain(values.into_iter().flat_map(parts_of))
    };
    let data = history.iter().flat_map(row).collect();
    NamedTensor { name: HISTORY.to_owned(), shape: vec![history.len(), COLUMNS], data }
}

/// The parts of a value, the largest first.
fn parts_of(value: f64) -> [f32; PARTS] {
    let mut left = value;
    [(); PARTS].map(|()| {
        let part = left as f32;
        left -= f64::from(part);
        part
    })
}

fn history_from_tensor(tensor: &NamedTensor) -> Vec<HistoryEntry> {
    // Older checkpoints have one part of each value.
    let columns = tensor.shape.get(1).copied().filter(|&columns| columns == 1 + VALUES).unwrap_or(COLUMNS);
    let entry = |row: &[f32]| {
        let parts = (columns - 1) / VALUES;
        let value = |at: usize| {
            let own = &row[1 + at * parts..1 + (at + 1) * parts];
            // Infinite ones leave parts that are no numbers.
            let sum: f64 = own.iter().map(|&part| f64::from(part)).sum();
            if own[0].is_infinite() { f64::from(own[0]) } else { sum }
        };
        let measured = |at: usize| Some(value(at)).filter(|value| !value.is_nan());
        HistoryEntry {
            step: row[0] as u64,
            loss: value(0),
            regularizer: value(1),
            accuracy: measured(2),
            improvement_paper: measured(3),
            improvement_lossless: measured(4),
        }
    };
    tensor.data.chunks_exact(columns).map(entry).collect()
}

fn unusable(why: impl std::fmt::Display) -> Error {
    Error::file("reading a checkpoint", "", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_keeps_every_bit() {
        let entry = |step: u64, accuracy: Option<f64>| HistoryEntry {
            step,
            loss: 2.0 / 3.0,
            regularizer: 1e-7 / 3.0,
            accuracy,
            improvement_paper: accuracy.map(|_| 7630.0 / 634.0),
            improvement_lossless: accuracy.map(|_| 1.0 + f64::EPSILON),
        };
        let history = vec![
            entry(1, None),
            entry(2, Some(21.7)),
            HistoryEntry { loss: f64::INFINITY, ..entry(3, None) },
        ];
        assert_eq!(history_from_tensor(&history_to_tensor(&history)), history);
        let older = NamedTensor {
            name: HISTORY.to_owned(),
            shape: vec![1, 6],
            data: vec![4.0, 0.5, 0.25, f32::NAN, 2.0, f32::NAN],
        };
        let read = &history_from_tensor(&older)[0];
        assert_eq!((read.step, read.loss, read.accuracy, read.improvement_paper), (4, 0.5, None, Some(2.0)));
    }
}
