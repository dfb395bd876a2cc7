//! What came out of a run: the one report object of a single training, a recipe and the page's run,
//! with one [`StageReport`] a stage. It is written to `report.json` and read back by the HTML report.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::interactive::preview::PruneSettings;
use super::recipe::Recipe;
use super::stage::{Stage, StageKind};
use crate::compress::pruning::PruneSpec;
use crate::config::{HardwareConfig, Resolution, SCHEMA_VERSION, TrainConfig};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::network::NetworkSpec;
use crate::prune::PruneStats;
use crate::report::{AdcEnergies, Analysis, InferenceConfig, LayerMap, analyze, inference, view};
use crate::train::evaluate::Evaluation;
use crate::train::progress::HistoryEntry;
use crate::train::trainer::Trainer;

/// An epoch of a training stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Epoch {
    /// The epoch in its stage, from 1.
    pub epoch: usize,
    /// Steps of the stage up to its end.
    pub step: u64,
    /// Mean cross-entropy of its batches.
    pub training_loss: f64,
    /// Mean value of the regularizer.
    pub regularizer: f64,
    /// Accuracy on held-out images after it, in percent.
    pub accuracy: f64,
    /// Mean cross-entropy on held-out images after it.
    pub loss: f64,
}

/// What a recipe's stage measured; kept beside its weights, so that the stage need not run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct StageResult {
    /// Version of this object's fields.
    pub schema_version: u32,
    /// Version of Crossdub.
    pub version: String,
    /// `cpu` or `webgpu`.
    pub device: String,
    /// The processor's or adapter's name.
    pub adapter: String,
    /// The final weights on held-out images.
    pub evaluation: Evaluation,
    /// Its epochs; empty for pruning.
    pub epochs: Vec<Epoch>,
    /// What pruning did to the tiles.
    #[serde(rename = "outcome")]
    pub stats: Option<PruneStats>,
    /// Seconds of work, interruptions left out.
    pub seconds: f64,
}

/// The data a recipe ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct DataDescription {
    /// `builtin` or `cifar10`.
    pub name: String,
    /// Number of training images.
    pub train_images: usize,
    /// Number of held-out images.
    pub test_images: usize,
    /// Number of classes.
    pub classes: usize,
    /// SHA-256 of images, labels and class names; for image files, of their names and sizes.
    pub sha256: String,
}

/// How a stage pruned: a recipe sets each layer's ratio, the page one strength for all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(untagged)]
pub enum StagePruning {
    /// A recipe's fields.
    Recipe(PruneSpec),
    /// The page's settings.
    Interactive(PruneSettings),
}

/// One stage of a [`RunReport`]. Fields that only a recipe or only the page knows are absent
/// elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct StageReport {
    /// The stage's name; a recipe's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the stage did.
    pub kind: StageKind,
    /// Identity of a recipe's stage: equal inputs have equal ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Training steps, where the page ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Accuracy on held-out images after it, in percent, once measured.
    pub accuracy: Option<f64>,
    /// Share of images whose label is among the five highest scores, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
    /// Mean cross-entropy on held-out images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Number of images evaluated on.
    #[serde(default)]
    pub images: Option<usize>,
    /// Weights of all crossbar layers.
    pub weights: usize,
    /// Exact zeros among them.
    pub zeros: usize,
    /// Tiles by level after it.
    pub histogram: Vec<u64>,
    /// Tiles by level before it; `None` for the first stage.
    #[serde(default)]
    pub histogram_before: Option<Vec<u64>>,
    /// ADC energy after it.
    pub energy: AdcEnergies,
    /// Seconds of work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The training run's configuration; `None` for pruning.
    #[serde(default)]
    pub spec: Option<TrainConfig>,
    /// How it pruned; `None` for training.
    #[serde(default)]
    pub pruning: Option<StagePruning>,
    /// What pruning did to the tiles.
    #[serde(flatten)]
    // ts-rs can't flatten an option: web/types/types.d.ts adds these fields.
    #[cfg_attr(feature = "ts", ts(skip))]
    pub stats: Option<PruneStats>,
    /// Its epochs.
    #[serde(default)]
    pub epochs: Vec<Epoch>,
}

impl StageReport {
    /// A stage that left layers with this analysis; everything else is absent.
    pub fn new(kind: StageKind, analysis: &Analysis) -> Self {
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
            histogram_before: None,
            energy: analysis.energy.clone(),
            seconds: None,
            spec: None,
            pruning: None,
            stats: None,
            epochs: Vec::new(),
        }
    }

    /// The same with what an evaluation measured.
    #[must_use]
    pub fn with_evaluation(self, evaluation: &Evaluation) -> Self {
        let Evaluation { accuracy, top5, loss, images } = *evaluation;
        Self { accuracy: Some(accuracy), top5: Some(top5), loss: Some(loss), images: Some(images), ..self }
    }
}

/// How training went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TrainingSummary {
    /// `cpu` or `webgpu`.
    pub device: String,
    /// The processor's or adapter's name.
    pub adapter: String,
    /// Steps taken.
    #[serde(default)]
    pub step: u64,
    /// Whole epochs done.
    #[serde(default)]
    pub epoch: usize,
    /// Cross-entropy of the last batch.
    pub loss: Option<f64>,
    /// Last measured accuracy on held-out images, in percent.
    pub accuracy: Option<f64>,
    /// Images a second over the last steps.
    #[serde(default)]
    pub images_per_second: Option<f64>,
    /// One entry a step; of a recipe, one an epoch.
    #[serde(default)]
    pub history: Vec<HistoryEntry>,
}

/// A run's report: what was asked for, how it went, and what it saves.
///
/// `training` covers all stages; `analysis` and `maps` are of the final weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RunReport {
    /// The recipe's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the recipe is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A recipe's seed of everything random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// A recipe's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataDescription>,
    /// `cpu` or `webgpu`; of a recipe's last stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The stages in order; empty for a single training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageReport>,
    /// Seconds of work of a recipe's stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Each layer's tiles: density, balance, level, bits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<LayerMap>,
    /// Version of this object's fields.
    pub schema_version: u32,
    /// Version of Crossdub.
    pub version: String,
    /// The run's configuration.
    pub spec: TrainConfig,
    /// The hardware it is mapped to.
    pub hardware: HardwareConfig,
    /// How training went.
    pub training: TrainingSummary,
    /// The crossbars and their ADC energy.
    pub analysis: Analysis,
}

impl RunReport {
    /// Reports a trainer's run; `layers` are its crossbar layers when they were last read.
    pub fn from_trainer(trainer: &Trainer, layers: &[Matrix]) -> Self {
        let history = trainer.history();
        let compute = trainer.compute();
        let training = TrainingSummary {
            device: compute.kind.to_owned(),
            adapter: compute.adapter.clone(),
            step: trainer.step_number(),
            epoch: trainer.epochs_done(),
            loss: history.last().map(|entry| entry.loss),
            accuracy: history.iter().rev().find_map(|entry| entry.accuracy),
            images_per_second: trainer.images_per_second(),
            history: history.to_vec(),
        };
        let hardware = trainer.hardware();
        Self::new(trainer.config().clone(), hardware.clone(), training, analyze(layers, hardware))
    }

    /// A report without stages.
    fn new(
        spec: TrainConfig,
        hardware: HardwareConfig,
        training: TrainingSummary,
        analysis: Analysis,
    ) -> Self {
        Self {
            name: None,
            description: None,
            seed: None,
            data: None,
            device: None,
            stages: Vec::new(),
            seconds: None,
            maps: Vec::new(),
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            spec,
            hardware,
            training,
            analysis,
        }
    }

    /// Puts a recipe's report together from its finished stages and the final weights' layers.
    ///
    /// # Errors
    /// When there is no stage, or the hardware's energy can't be computed.
    pub fn from_recipe(
        recipe: &Recipe,
        data: DataDescription,
        finished: &[FinishedStage<'_>],
        layers: &[Matrix],
    ) -> Result<Self> {
        let none = || Error::field("stage", "", "the recipe has no stage");
        let last = finished.last().ok_or_else(none)?;
        let before = |at: usize| at.checked_sub(1).and_then(|at| finished.get(at));
        let mut stages: Vec<StageReport> =
            finished.iter().enumerate().map(|(at, stage)| stage.report(before(at))).collect();
        // The recipe names a path; which data set lies there is known since it was opened.
        let source = serde_json::from_value(Value::from(&*data.name)).unwrap_or_default();
        let spec = TrainConfig { data: source, ..recipe.spec.clone() };
        stages.iter_mut().filter_map(|stage| stage.spec.as_mut()).for_each(|spec| spec.data = source);
        let positions = NetworkSpec::from_config(&spec, data.classes)?.output_positions(layers).ok();
        let config = InferenceConfig::all(positions)?;
        let inference = inference(layers, &recipe.hardware, &config)?;
        // Bits at every resolution, whatever the recipe's is: the page switches between them.
        let mapped = HardwareConfig { resolution: Resolution::LosslessSliced, ..recipe.hardware.clone() };
        let analysis = Analysis { inference: Some(inference), ..last.analysis.clone() };
        Ok(Self {
            name: Some(recipe.name.clone()),
            description: Some(recipe.description.clone()),
            seed: Some(spec.seed),
            data: Some(data),
            device: Some(last.result.device.clone()),
            stages,
            seconds: Some(finished.iter().map(|stage| stage.result.seconds).sum()),
            maps: view(layers, layers, &mapped).maps,
            ..Self::new(spec, recipe.hardware.clone(), summarize(finished, last), analysis)
        })
    }
}

/// A recipe's stage after it ran: its result, and the analysis of the layers it left.
pub struct FinishedStage<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// Its identity.
    pub id: String,
    /// What it measured.
    pub result: StageResult,
    /// Its crossbar layers.
    pub analysis: Analysis,
}

impl<'a> FinishedStage<'a> {
    /// Analyzes the layers that a stage left, so that they need not be kept.
    pub fn new(
        stage: &'a Stage,
        id: String,
        result: StageResult,
        layers: &[Matrix],
        hardware: &HardwareConfig,
    ) -> Self {
        Self { stage, id, result, analysis: analyze(layers, hardware) }
    }

    fn report(&self, before: Option<&Self>) -> StageReport {
        let StageResult { evaluation, epochs, stats, seconds, .. } = &self.result;
        StageReport {
            name: Some(self.stage.name.clone()),
            id: Some(self.id.clone()),
            histogram_before: before.map(|stage| stage.analysis.histogram.clone()),
            seconds: Some(*seconds),
            spec: self.stage.spec().cloned(),
            pruning: self.stage.pruning().cloned().map(StagePruning::Recipe),
            stats: *stats,
            epochs: epochs.clone(),
            ..StageReport::new(self.stage.kind(), &self.analysis).with_evaluation(evaluation)
        }
    }
}

/// All stages as one training: what a chart of a single run draws.
fn summarize(finished: &[FinishedStage<'_>], last: &FinishedStage<'_>) -> TrainingSummary {
    let mut history = Vec::new();
    let (mut step, mut epoch) = (0, 0);
    for stage in finished {
        let energy = &stage.analysis.energy;
        let epochs = &stage.result.epochs;
        for (at, each) in epochs.iter().enumerate() {
            let is_last = at + 1 == epochs.len();
            history.push(HistoryEntry {
                step: step + each.step,
                loss: each.training_loss,
                regularizer: each.regularizer,
                accuracy: Some(each.accuracy),
                improvement_paper: energy.paper.improvement.filter(|_| is_last),
                improvement_lossless: energy.lossless.improvement.filter(|_| is_last),
            });
        }
        step += epochs.last().map_or(0, |each| each.step);
        epoch += epochs.len();
    }
    TrainingSummary {
        device: last.result.device.clone(),
        adapter: last.result.adapter.clone(),
        step,
        epoch,
        loss: history.last().map(|entry| entry.loss),
        accuracy: Some(last.result.evaluation.accuracy),
        images_per_second: None,
        history,
    }
}
