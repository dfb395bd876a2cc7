//! What came out of a recipe: each stage's figures, and the one report object of the whole.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::recipe::Recipe;
use super::stage::{Stage, StageKind};
use super::training::{Report, Training};
use crate::compress::pruning::PruneSpec;
use crate::config::{HardwareConfig, Resolution, SCHEMA_VERSION, TrainConfig};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::network::NetworkSpec;
use crate::prune::PruneStats;
use crate::report::{AdcEnergies, Analysis, InferenceConfig, LayerMap, analyze, inference, view};
use crate::train::evaluate::Evaluation;
use crate::train::progress::HistoryEntry;

/// An epoch of a stage that trains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Epoch {
    /// The epoch in its stage, from 1.
    pub epoch: usize,
    /// Steps of the stage done.
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

/// What a stage measured, kept with its weights, so that it need not be done again.
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
    /// The weights it ended with, on held-out images.
    pub evaluation: Evaluation,
    /// Its epochs, where it trains.
    pub epochs: Vec<Epoch>,
    /// What pruning did to the tiles.
    pub outcome: Option<PruneStats>,
    /// Seconds of work, over all interruptions.
    pub seconds: f64,
}

/// The data a recipe ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct DataDescription {
    /// `builtin` or `cifar10`.
    pub name: String,
    /// Images trained on.
    pub train_images: usize,
    /// Images evaluated on, never trained on.
    pub test_images: usize,
    /// Number of classes.
    pub classes: usize,
    /// SHA-256 of images, labels and class names; of image files their names and sizes instead.
    pub sha256: String,
}

/// One stage of a [`RecipeReport`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct StageReport {
    /// The stage's name.
    pub name: String,
    /// What the stage does.
    pub kind: StageKind,
    /// Identity of its inputs: stages with the same one are the same work.
    pub id: String,
    /// Accuracy on held-out images after it, in percent.
    pub accuracy: f64,
    /// Share of images whose label is among the five highest scores, in percent.
    pub top5: f64,
    /// Mean cross-entropy on held-out images.
    pub loss: f64,
    /// Images evaluated on.
    pub images: usize,
    /// Weights of all crossbar layers.
    pub weights: usize,
    /// Exact zeros among them.
    pub zeros: usize,
    /// Tiles by level after it.
    pub histogram: Vec<u64>,
    /// Tiles by level before it; none for the first stage.
    pub histogram_before: Option<Vec<u64>>,
    /// ADC energy after it.
    pub energy: AdcEnergies,
    /// Seconds of work.
    pub seconds: f64,
    /// The run, where it trains.
    pub spec: Option<TrainConfig>,
    /// The pruning, where it prunes.
    pub pruning: Option<PruneSpec>,
    /// What pruning did to the tiles.
    #[serde(flatten)]
    pub outcome: Option<PruneStats>,
    /// Its epochs, where it trains.
    pub epochs: Vec<Epoch>,
}

/// What `crossdub run --json` prints: a run's report with its stages. `training` is the whole
/// recipe's, its history one entry an epoch; `analysis` and `maps` are of the final weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RecipeReport {
    /// The recipe's name.
    pub name: String,
    /// What the recipe is for.
    pub description: String,
    /// The seed of everything random.
    pub seed: u64,
    /// The data.
    pub data: DataDescription,
    /// `cpu` or `webgpu`.
    pub device: String,
    /// Each stage, in order.
    pub stages: Vec<StageReport>,
    /// Seconds of work of all stages.
    pub seconds: f64,
    /// Each layer's tiles: density, balance, level, bits.
    pub maps: Vec<LayerMap>,
    /// The same object as of a single run.
    #[serde(flatten)]
    pub whole: Report,
}

/// A stage that is done, as it is read back: its result and the crossbar layers it left.
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
    /// Analyses the layers that a stage left, so that they need not be kept.
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
        let StageResult { evaluation, epochs, outcome, seconds, .. } = &self.result;
        StageReport {
            name: self.stage.name.clone(),
            kind: self.stage.kind(),
            id: self.id.clone(),
            accuracy: evaluation.accuracy,
            top5: evaluation.top5,
            loss: evaluation.loss,
            images: evaluation.images,
            weights: self.analysis.weights,
            zeros: self.analysis.zeros,
            histogram: self.analysis.histogram.clone(),
            histogram_before: before.map(|done| done.analysis.histogram.clone()),
            energy: self.analysis.energy.clone(),
            seconds: *seconds,
            spec: self.stage.spec().cloned(),
            pruning: self.stage.pruning().cloned(),
            outcome: *outcome,
            epochs: epochs.clone(),
        }
    }
}

impl RecipeReport {
    /// Puts the report together from the stages done and the final weights.
    ///
    /// # Errors
    /// When there was no stage, or the hardware can't be costed.
    pub fn new(
        recipe: &Recipe,
        data: DataDescription,
        done: &[FinishedStage<'_>],
        layers: &[Matrix],
    ) -> Result<Self> {
        let none = || Error::field("stage", "", "the recipe has no stage");
        let last = done.last().ok_or_else(none)?;
        let before = |at: usize| at.checked_sub(1).and_then(|at| done.get(at));
        let mut stages: Vec<StageReport> =
            done.iter().enumerate().map(|(at, one)| one.report(before(at))).collect();
        // A recipe names a path; what lies there is known since it was opened.
        let source = serde_json::from_value(Value::from(&*data.name)).unwrap_or_default();
        let spec = TrainConfig { data: source, ..recipe.spec.clone() };
        stages.iter_mut().filter_map(|stage| stage.spec.as_mut()).for_each(|spec| spec.data = source);
        let question = InferenceConfig::all(
            NetworkSpec::from_config(&spec, data.classes)?.output_positions(layers).ok(),
        )?;
        let inference = inference(layers, &recipe.hardware, &question)?;
        // Bits by every resolution, whatever the recipe's: the page switches between them.
        let mapped = HardwareConfig { resolution: Resolution::LosslessSliced, ..recipe.hardware.clone() };
        Ok(Self {
            name: recipe.name.clone(),
            description: recipe.description.clone(),
            seed: spec.seed,
            data,
            device: last.result.device.clone(),
            stages,
            seconds: done.iter().map(|one| one.result.seconds).sum(),
            maps: view(layers, layers, &mapped).maps,
            whole: Report {
                schema_version: SCHEMA_VERSION,
                version: env!("CARGO_PKG_VERSION"),
                spec,
                hardware: recipe.hardware.clone(),
                training: training(done, last),
                analysis: Analysis { inference: Some(inference), ..last.analysis.clone() },
            },
        })
    }
}

/// All stages as one training, for those who draw a single run.
fn training(done: &[FinishedStage<'_>], last: &FinishedStage<'_>) -> Training {
    let mut history = Vec::new();
    let (mut step, mut epoch) = (0, 0);
    for one in done {
        let energy = &one.analysis.energy;
        for (at, each) in one.result.epochs.iter().enumerate() {
            let is_last = at + 1 == one.result.epochs.len();
            history.push(HistoryEntry {
                step: step + each.step,
                loss: each.training_loss,
                regularizer: each.regularizer,
                accuracy: Some(each.accuracy),
                improvement_paper: energy.paper.improvement.filter(|_| is_last),
                improvement_lossless: energy.lossless.improvement.filter(|_| is_last),
            });
        }
        step += one.result.epochs.last().map_or(0, |each| each.step);
        epoch += one.result.epochs.len();
    }
    Training {
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
