//! One training run's report, the same object on the page and in a run's folder.

use serde::Serialize;

use crate::config::{HardwareConfig, SCHEMA_VERSION, TrainConfig};
use crate::matrix::Matrix;
use crate::report::{Analysis, analyze};
use crate::train::progress::HistoryEntry;
use crate::train::trainer::Trainer;

/// How training went.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Training {
    /// `cpu` or `webgpu`.
    pub device: String,
    /// The processor's or adapter's name.
    pub adapter: String,
    /// Steps done.
    pub step: u64,
    /// Whole epochs done.
    pub epoch: usize,
    /// Cross-entropy of the last batch.
    pub loss: Option<f64>,
    /// Accuracy on held-out images when last measured, in percent.
    pub accuracy: Option<f64>,
    /// Images a second over the last steps.
    pub images_per_second: Option<f64>,
    /// One entry a step.
    pub history: Vec<HistoryEntry>,
}

/// A run's report: what was asked for, how it went, and what it saves.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Report {
    /// Version of this object's fields.
    pub schema_version: u32,
    /// Version of Crossdub.
    pub version: &'static str,
    /// The run.
    pub spec: TrainConfig,
    /// The hardware it is mapped to.
    pub hardware: HardwareConfig,
    /// How training went.
    pub training: Training,
    /// The crossbars and their ADC energy.
    pub analysis: Analysis,
}

/// Reports a session with the crossbar layers it had when they were last read.
pub fn report(session: &Trainer, layers: &[Matrix]) -> Report {
    let history = session.history();
    let compute = session.compute();
    Report {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION"),
        spec: session.spec().clone(),
        hardware: session.hardware().clone(),
        training: Training {
            device: compute.kind.to_owned(),
            adapter: compute.adapter.clone(),
            step: session.step_number(),
            epoch: session.epochs_done(),
            loss: history.last().map(|entry| entry.loss),
            accuracy: history.iter().rev().find_map(|entry| entry.accuracy),
            images_per_second: session.images_per_second(),
            history: history.to_vec(),
        },
        analysis: analyze(layers, session.hardware()),
    }
}
