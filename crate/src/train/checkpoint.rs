//! A run in one file: weights, momentum, masks, position, history, specification.
//!
//! Everything random depends on seed and position alone, so that a resumed run goes on with the
//! same images, augmentation and dropout; on the CPU it ends at the same bits.

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
use crate::train::trainer::Trainer;

/// Key of the state in the file's metadata.
const KEY: &str = "crossdub_checkpoint";
/// Version of the format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct State {
    version: u32,
    spec: TrainConfig,
    hardware: HardwareConfig,
    step: u64,
    watch: DivergenceDetector,
}

/// Name of the tensor that holds the history, one row a step.
const HISTORY: &str = "history";

/// A checkpoint that was read and checked for form, before its data is at hand.
pub struct TrainingCheckpoint {
    state: State,
    history: Vec<HistoryEntry>,
    weights: Checkpoint,
    velocities: Checkpoint,
    masks: Checkpoint,
}

impl Trainer {
    /// Everything needed to go on, as bytes.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn checkpoint(&self) -> Result<Vec<u8>> {
        let weights = self.weights().await?;
        let velocities = export(&self.network, &self.plan, ExportKind::ParamState(&self.velocities)).await?;
        let state = State {
            version: VERSION,
            spec: self.spec.clone(),
            hardware: self.hardware.clone(),
            step: self.step,
            watch: self.watch,
        };
        let masks = self.masks.as_ref().map_or_else(Checkpoint::default, |masks| masks.stored().clone());
        let tensors = prefixed("weight/", weights).chain(prefixed("velocity/", velocities));
        let tensors = tensors.chain(prefixed("mask/", masks));
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
        let state = notes.get(KEY).ok_or_else(|| unusable("it holds no training state"))?;
        let state: State = serde_json::from_str(state).map_err(|why| unusable(why.to_string()))?;
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
        let (weights, velocities, masks) = (part("weight/"), part("velocity/"), part("mask/"));
        Ok(Self { weights, velocities, masks, history, state })
    }

    /// The run's specification.
    pub fn spec(&self) -> &TrainConfig {
        &self.state.spec
    }

    /// The hardware it was trained for.
    pub fn hardware(&self) -> &HardwareConfig {
        &self.state.hardware
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// The same, to go on with on the devices that `spec` names.
    #[must_use]
    pub fn moved(mut self, spec: &TrainConfig) -> Self {
        let (device, devices, gather) = (spec.device.clone(), spec.devices.clone(), spec.gather);
        self.state.spec = TrainConfig { device, devices, gather, ..self.state.spec };
        self
    }

    /// Goes on with the run.
    ///
    /// # Errors
    /// When data and specification don't fit the weights.
    pub fn resume(self, data: impl Into<DataLoader>, compute: ComputeDevice, memory: u64) -> Result<Trainer> {
        let State { spec, hardware, .. } = &self.state;
        let mut session =
            Trainer::new(spec.clone(), hardware.clone(), data, compute, memory, Some(&self.weights))?;
        self.place(&mut session)?;
        Ok(session)
    }

    /// Puts a session of the same network and data back to where this was taken.
    ///
    /// # Errors
    /// When it is of another network or other data.
    pub fn restore(self, session: &mut Trainer) -> Result<()> {
        session.start_stage(self.state.spec.clone(), &self.weights)?;
        self.place(session)
    }

    /// Momentum, masks, position and history, after the weights.
    fn place(self, session: &mut Trainer) -> Result<()> {
        let State { step, watch, .. } = self.state;
        session.velocities = import_param_state(&session.network, &session.plan, &self.velocities)?;
        if !self.masks.tensors.is_empty() {
            session.keep(&self.masks, &self.weights)?;
        }
        if step > session.total_steps() {
            return Err(unusable(format!("step {step} of a run of {}", session.total_steps())));
        }
        session.step = step;
        session.watch = watch;
        session.history = self.history;
        Ok(())
    }
}

fn prefixed(prefix: &str, weights: Checkpoint) -> impl Iterator<Item = NamedTensor> {
    weights
        .tensors
        .into_iter()
        .map(move |tensor| NamedTensor { name: format!("{prefix}{}", tensor.name), ..tensor })
}

/// Columns of the history: step, loss, regularizer, accuracy, both improvements; NaN for none.
const COLUMNS: usize = 6;

/// As a tensor, because a long run's history is larger than a header may be.
fn history_to_tensor(history: &[HistoryEntry]) -> NamedTensor {
    let row = |entry: &HistoryEntry| {
        let measured = [entry.accuracy, entry.improvement_paper, entry.improvement_lossless];
        let [accuracy, paper, lossless] = measured.map(|value| value.unwrap_or(f64::NAN));
        [entry.step as f64, entry.loss, entry.regularizer, accuracy, paper, lossless]
            .map(|value| value as f32)
    };
    let data = history.iter().flat_map(row).collect();
    NamedTensor { name: HISTORY.to_owned(), shape: vec![history.len(), COLUMNS], data }
}

fn history_from_tensor(tensor: &NamedTensor) -> Vec<HistoryEntry> {
    let value = |value: f32| (!value.is_nan()).then_some(f64::from(value));
    let entry = |row: &[f32]| HistoryEntry {
        step: row[0] as u64,
        loss: f64::from(row[1]),
        regularizer: f64::from(row[2]),
        accuracy: value(row[3]),
        improvement_paper: value(row[4]),
        improvement_lossless: value(row[5]),
    };
    tensor.data.chunks_exact(COLUMNS).map(entry).collect()
}

fn unusable(why: impl std::fmt::Display) -> Error {
    Error::file("reading a checkpoint", "", why)
}
