//! The results and reports of stages. A report is the same whether a recipe or the page ran the stage.

use serde::{Deserialize, Serialize};

use super::interactive::preview::PruneSettings;
use super::stage::{Stage, StageConfig, StageKind};
use crate::compress::fields::PruneFields;
use crate::config::{HardwareConfig, SCHEMA_VERSION, TrainConfig};
use crate::device::ComputeDevice;
use crate::matrix::Matrix;
use crate::prune::PruneStats;
use crate::report::{AdcEnergies, Analysis, analyze};
use crate::train::evaluate::Evaluation;

/// An epoch of a training stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct Epoch {
    /// The epoch of the stage, from 1.
    pub epoch: usize,
    /// Steps of the stage up to the end of the epoch.
    pub step: u64,
    /// Mean cross-entropy of its batches.
    pub training_loss: f64,
    /// Mean value of the regularizer.
    pub regularizer: f64,
    /// Accuracy on held-out images at its end, in percent.
    pub accuracy: f64,
    /// Mean cross-entropy on held-out images at its end.
    pub loss: f64,
}

/// What a recipe measured in a stage. It is stored with the weights, so that the stage need not run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct StageResult {
    /// Version of this object.
    pub schema_version: u32,
    /// Version of Crossdub.
    pub version: String,
    /// Kind of the device, for example `cpu` or `webgpu`.
    pub device: String,
    /// Name of the processor or graphics adapter.
    pub adapter: String,
    /// The final weights on held-out images.
    pub evaluation: Evaluation,
    /// The epochs; empty for pruning.
    pub epochs: Vec<Epoch>,
    /// What pruning did to the tiles; `None` for training.
    #[serde(rename = "outcome")]
    pub stats: Option<PruneStats>,
    /// Seconds of work, without interruptions.
    pub seconds: f64,
}

impl StageResult {
    /// The result of a stage on this device, without epochs and pruning.
    pub(super) fn new(evaluation: Evaluation, compute: &ComputeDevice, seconds: f64) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: compute.kind.to_owned(),
            adapter: compute.adapter.clone(),
            evaluation,
            epochs: Vec::new(),
            stats: None,
            seconds,
        }
    }
}

/// How a stage pruned: a recipe has one ratio per layer, the page one strength for all layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(untagged)]
#[non_exhaustive]
pub enum StagePruning {
    /// The fields of a recipe's stage.
    Recipe(PruneFields),
    /// The settings of the page.
    Interactive(PruneSettings),
}

/// One stage of a [`RunReport`](super::report::RunReport). Recipes have a name, an ID, seconds and epochs; the page has the number of steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct StageReport {
    /// The name of a recipe's stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kind of the stage.
    pub kind: StageKind,
    /// The ID of a recipe's stage: equal inputs have equal IDs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Training steps of a stage that the page ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Accuracy on held-out images after the stage, in percent, once measured.
    pub accuracy: Option<f64>,
    /// Images with their label among the five highest scores, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
    /// Mean cross-entropy on held-out images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Number of images evaluated on.
    #[serde(default)]
    pub images: Option<usize>,
    /// Number of weights of all crossbar layers.
    pub weights: usize,
    /// Number of exact zeros among them.
    pub zeros: usize,
    /// Number of tiles at each level after the stage.
    pub histogram: Vec<u64>,
    /// Number of tiles at each level before the stage; `None` for the first one.
    #[serde(default)]
    pub histogram_before: Option<Vec<u64>>,
    /// ADC energy after the stage.
    pub energy: AdcEnergies,
    /// The hardware that energy and histogram are of, if the page has mapped the run to another since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<HardwareConfig>,
    /// Seconds of work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The file that a recipe's stage started from, if it named one.
    #[serde(default, rename = "weights_file", skip_serializing_if = "Option::is_none")]
    pub weights_file: Option<String>,
    /// The stage or file that it learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// The training configuration; `None` for pruning.
    #[serde(default, rename = "spec")]
    pub config: Option<TrainConfig>,
    /// How the stage pruned; `None` for training.
    #[serde(default)]
    pub pruning: Option<StagePruning>,
    /// What pruning did to the tiles.
    #[serde(flatten)]
    // ts-rs can't flatten an option; web/types/types.d.ts adds these fields.
    #[cfg_attr(feature = "ts", ts(skip))]
    pub stats: Option<PruneStats>,
    /// The epochs of a recipe's stage.
    #[serde(default)]
    pub epochs: Vec<Epoch>,
}

impl StageReport {
    /// A stage that trained with this configuration. `analysis` is of the crossbar layers after it, `before` the
    /// histogram of the stage before; what was not measured is absent.
    pub fn from_training(
        kind: StageKind,
        config: &TrainConfig,
        analysis: &Analysis,
        before: Option<&[u64]>,
    ) -> Self {
        Self { config: Some(config.clone()), ..Self::new(kind, analysis, before) }
    }

    /// A stage that pruned in this way; see [`from_training`](Self::from_training).
    pub fn from_pruning(
        pruning: StagePruning,
        stats: Option<PruneStats>,
        analysis: &Analysis,
        before: Option<&[u64]>,
    ) -> Self {
        Self { pruning: Some(pruning), stats, ..Self::new(StageKind::Prune, analysis, before) }
    }

    fn new(kind: StageKind, analysis: &Analysis, before: Option<&[u64]>) -> Self {
        Self {
            name: None,
            kind,
            id: None,
            steps: None,
            accuracy: None,
            top5: None,
            loss: None,
            images: None,
            weights: analysis.weights,
            zeros: analysis.zeros,
            histogram: analysis.histogram.clone(),
            histogram_before: before.map(<[u64]>::to_vec),
            hardware: None,
            energy: analysis.energy.clone(),
            seconds: None,
            weights_file: None,
            teacher: None,
            config: None,
            pruning: None,
            stats: None,
            epochs: Vec::new(),
        }
    }

    /// The same with this evaluation.
    #[must_use]
    pub fn with_evaluation(self, evaluation: &Evaluation) -> Self {
        let Evaluation { accuracy, top5, loss, images } = *evaluation;
        Self { accuracy: Some(accuracy), top5: Some(top5), loss: Some(loss), images: Some(images), ..self }
    }
}

/// A finished stage of a recipe: its result, and the analysis of the crossbar layers after it.
#[non_exhaustive]
pub struct FinishedStage<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// Its ID.
    pub id: String,
    /// Its result.
    pub result: StageResult,
    /// The analysis of its crossbar layers.
    pub analysis: Analysis,
}

impl<'a> FinishedStage<'a> {
    /// Analyzes the layers after a stage, so that they need not be kept.
    pub fn new(
        stage: &'a Stage,
        id: String,
        result: StageResult,
        layers: &[Matrix],
        hardware: &HardwareConfig,
    ) -> Self {
        Self { stage, id, result, analysis: analyze(layers, hardware) }
    }

    pub(super) fn report(&self, before: Option<&Self>) -> StageReport {
        let Self { stage, id, analysis, .. } = self;
        let StageResult { evaluation, epochs, stats, seconds, .. } = &self.result;
        // Weights of a file have nothing to do with the stage before.
        let before = before.filter(|_| stage.weights.is_none());
        let before = before.map(|stage| stage.analysis.histogram.as_slice());
        let report = match &stage.config {
            StageConfig::Train(config) | StageConfig::Finetune(config) => {
                StageReport::from_training(stage.kind(), config, analysis, before)
            }
            StageConfig::Prune { fields, .. } => {
                StageReport::from_pruning(StagePruning::Recipe(fields.clone()), *stats, analysis, before)
            }
        };
        StageReport {
            name: Some(stage.name.clone()),
            id: Some(id.clone()),
            weights_file: stage.weights.clone(),
            teacher: stage.teacher.clone(),
            seconds: Some(*seconds),
            epochs: epochs.clone(),
            ..report.with_evaluation(evaluation)
        }
    }
}
