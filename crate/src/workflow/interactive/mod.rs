//! An interactive run: train, preview, prune, fine-tune, undo, one call at a time. The page steps it; a
//! recipe runs the same stages in one go.

pub mod incremental_simulation;
pub mod preview;
pub mod settings;
mod simulation;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::preview::{LayerCache, PruneSettings};
use crate::checkpoint::Checkpoint;
use crate::config::{HardwareConfig, TrainConfig};
use crate::error::{Error, Result};
use crate::report::{AdcPlan, TileDetail, View, adc_plan, analyze};
use crate::train::checkpoint::TrainingCheckpoint;
use crate::train::evaluate::Evaluation;
use crate::train::progress::{HistoryEntry, Progress};
use crate::train::trainer::Trainer;
use crate::workflow::interactive::incremental_simulation::IncrementalSimulation;
use crate::workflow::report::{RunReport, StagePruning, StageReport};
use crate::workflow::stage::{StageKind, finetune_config};

/// A run that is advanced by hand.
pub struct InteractiveRun {
    trainer: Trainer,
    layers: LayerCache,
    /// The stages before the current one; `None` until the network is pruned.
    completed: Option<CompletedStages>,
    /// The network on simulated crossbars, as it was when the simulation started.
    simulation: Option<IncrementalSimulation>,
}

/// The stages before the current one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CompletedStages {
    /// The stages done: trained, pruned, perhaps fine-tuned.
    pub stages: Vec<StageReport>,
    /// The run as it was set up.
    pub spec: TrainConfig,
    /// One entry a step of these stages.
    pub history: Vec<HistoryEntry>,
    /// Epochs of these stages.
    pub epochs: usize,
    /// The checkpoint of the trained network, to go back to.
    #[serde(skip)]
    pub trained: Vec<u8>,
}

/// A step's progress, and the steps of the stages before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct InteractiveProgress {
    /// Of the current stage.
    #[serde(flatten)]
    pub progress: Progress,
    /// Steps of the stages before.
    pub before: u64,
}

/// How far the current stage is, known before its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct StageProgress {
    /// Steps of the stages before.
    pub before: u64,
    /// Steps done of the current stage.
    pub step: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Steps of the current stage.
    pub total_steps: u64,
    /// Whether the current stage has ended.
    pub finished: bool,
}

impl InteractiveRun {
    /// Continues a trainer, with the stages that were completed before.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn new(trainer: Trainer, completed: Option<CompletedStages>) -> Result<Self> {
        let layers = LayerCache::new(trainer.matrices().await?);
        Ok(Self { trainer, layers, completed, simulation: None })
    }

    /// The trainer of the current stage.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// The stages before the current one; `None` until the network is pruned.
    pub fn completed_stages(&self) -> Option<&CompletedStages> {
        self.completed.as_ref()
    }

    /// Maps to other hardware. The masks stay; levels and energy are counted anew.
    ///
    /// # Errors
    /// When a field is out of range.
    pub fn set_hardware(&mut self, hardware: HardwareConfig) -> Result<()> {
        self.trainer.set_hardware(hardware)
    }

    /// One step of the current stage.
    ///
    /// # Errors
    /// When the run has diverged, or the device fails.
    pub async fn step(&mut self) -> Result<InteractiveProgress> {
        let progress = self.trainer.step().await?;
        Ok(InteractiveProgress { progress, before: self.steps_before() })
    }

    /// How far the current stage is.
    pub fn progress(&self) -> StageProgress {
        StageProgress {
            before: self.steps_before(),
            step: self.trainer.step_number(),
            steps_per_epoch: self.trainer.steps_per_epoch(),
            total_steps: self.trainer.total_steps(),
            finished: self.trainer.finished(),
        }
    }

    fn steps_before(&self) -> u64 {
        self.completed.as_ref().and_then(|completed| completed.history.last()).map_or(0, |entry| entry.step)
    }

    /// Accuracy of the current weights, noted in the history.
    ///
    /// # Errors
    /// When the run has diverged back to chance, or the device fails.
    pub async fn evaluate(&mut self, images: usize) -> Result<Evaluation> {
        self.trainer.evaluate(images).await
    }

    /// Reads the current weights, which views, tiles and reports then show.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn sync_weights(&mut self) -> Result<()> {
        self.layers = LayerCache::new(self.trainer.matrices().await?);
        Ok(())
    }

    /// The settings to preview; `None` once the network is pruned.
    fn preview_settings(&self, settings: PruneSettings) -> Option<PruneSettings> {
        self.completed.is_none().then_some(settings)
    }

    /// Analysis, preview and maps, the previewed improvements noted in the history.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn view(&mut self, settings: PruneSettings) -> Result<View> {
        let previewed = self.preview_settings(settings);
        let view = self.layers.view(self.trainer.hardware(), previewed)?;
        let energy = &view.preview.energy;
        self.trainer.record_improvement(energy.paper.improvement, energy.lossless.improvement);
        Ok(view)
    }

    /// One tile's cells.
    ///
    /// # Errors
    /// When the settings are out of range, or there is no such tile.
    pub fn tile(&mut self, at: (usize, usize), settings: PruneSettings) -> Result<TileDetail> {
        let previewed = self.preview_settings(settings);
        self.layers.tile(self.trainer.hardware(), at, previewed)
    }

    /// What each tile's converters need: of the layers pruned as previewed, or as they are once they
    /// are pruned.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn adc_plan(&mut self, settings: PruneSettings) -> Result<AdcPlan> {
        let previewed = self.preview_settings(settings);
        let hardware = self.trainer.hardware();
        Ok(adc_plan(self.layers.pruned_or_current(hardware, previewed)?, hardware))
    }

    /// Masks of the same layers: 0 where a weight is zero, 1 where it stays.
    ///
    /// # Errors
    /// When the settings are out of range, or the device fails.
    pub async fn masks(&mut self, settings: PruneSettings) -> Result<Checkpoint> {
        let previewed = self.preview_settings(settings);
        let pruned = self.layers.pruned_or_current(self.trainer.hardware(), previewed)?.to_vec();
        Ok(self.trainer.weights().await?.with_layers(pruned).masks())
    }

    /// Accuracy on at most `images` held-out images if pruned so, without doing it.
    ///
    /// # Errors
    /// When the settings are out of range, or the device fails.
    pub async fn evaluate_pruned(&mut self, settings: PruneSettings, images: usize) -> Result<Evaluation> {
        self.sync_weights().await?;
        let (pruned, _) = self.layers.pruned(self.trainer.hardware(), settings)?;
        let weights = self.trainer.weights().await?.with_layers(pruned.to_vec());
        self.trainer.evaluate_with(&weights, images).await
    }

    /// Prunes: measures before and after on at most `images` held-out images, and from here on
    /// keeps what is zero at zero. Training goes on as fine-tuning.
    ///
    /// # Errors
    /// When it is pruned already, the settings are out of range, or the device fails. The run is then
    /// as it was.
    pub async fn prune(&mut self, settings: PruneSettings, images: usize) -> Result<()> {
        if self.completed.is_some() {
            return Err(Error::invalid_state("pruning", "the network is pruned already: undo that first"));
        }
        self.sync_weights().await?;
        let hardware = self.trainer.hardware().clone();
        let before = self.trainer.weights().await?;
        let (pruned, stats) = self.layers.pruned(&hardware, settings)?;
        let pruned = pruned.to_vec();
        let weights = before.clone().with_layers(pruned.clone());
        let trained = self.trainer.evaluate_with(&before, images).await?;
        let after = self.trainer.evaluate_with(&weights, images).await?;
        let trained = StageReport {
            steps: Some(self.trainer.step_number()),
            spec: Some(self.trainer.config().clone()),
            ..StageReport::new(StageKind::Train, &analyze(self.layers.current(), &hardware))
                .with_evaluation(&trained)
        };
        let stage = StageReport {
            steps: Some(0),
            histogram_before: Some(trained.histogram.clone()),
            pruning: Some(StagePruning::Interactive(settings)),
            stats: Some(stats),
            ..StageReport::new(StageKind::Prune, &analyze(&pruned, &hardware)).with_evaluation(&after)
        };
        let completed = CompletedStages {
            stages: vec![trained, stage],
            spec: self.trainer.config().clone(),
            history: self.trainer.history().to_vec(),
            epochs: self.trainer.epochs_done(),
            trained: self.trainer.checkpoint().await?,
        };
        self.trainer.start_stage(completed.spec.for_finetuning(), &weights)?;
        self.trainer.set_masks(&weights.masks()).await?;
        self.completed = Some(completed);
        self.sync_weights().await
    }

    /// Begins fine-tuning, with the authors' settings but for these fields; steps then follow. What
    /// was fine-tuned before stays, as a completed stage.
    ///
    /// # Errors
    /// When the network is not pruned, a field is invalid, or the device fails.
    pub async fn finetune(&mut self, fields: &Map<String, Value>) -> Result<()> {
        let Some(completed) = &self.completed else {
            return Err(Error::invalid_state("fine-tuning", "the network is not pruned yet"));
        };
        let spec = finetune_config(fields, &completed.spec, self.trainer.hardware())?;
        let weights = self.trainer.weights().await?;
        let done = (self.trainer.step_number() > 0).then(|| self.current_stage());
        let (history, epochs) = (self.history(), self.trainer.epochs_done());
        self.trainer.start_stage(spec, &weights)?;
        self.trainer.set_masks(&weights.masks()).await?;
        if let (Some(completed), Some(stage)) = (&mut self.completed, done) {
            completed.stages.push(stage);
            completed.history = history;
            completed.epochs += epochs;
        }
        Ok(())
    }

    /// Back to the trained weights, their momentum and their place in the run.
    ///
    /// # Errors
    /// When nothing is pruned.
    pub async fn undo(&mut self) -> Result<()> {
        let Some(completed) = &self.completed else {
            return Err(Error::invalid_state("undoing", "nothing is pruned"));
        };
        TrainingCheckpoint::read(&completed.trained)?.restore(&mut self.trainer)?;
        self.completed = None;
        self.sync_weights().await
    }

    /// One entry a step over all stages.
    fn history(&self) -> Vec<HistoryEntry> {
        let before = self.steps_before();
        let mut history =
            self.completed.as_ref().map_or_else(Vec::new, |completed| completed.history.clone());
        let own = self.trainer.history().iter();
        history.extend(own.map(|entry| HistoryEntry { step: before + entry.step, ..entry.clone() }));
        history
    }

    /// The current stage.
    fn current_stage(&self) -> StageReport {
        let kind = if self.completed.is_some() { StageKind::Finetune } else { StageKind::Train };
        let measured = self.trainer.history().iter().rev().find_map(|entry| entry.accuracy);
        let stages = self.completed.as_ref().map_or(&[][..], |completed| &completed.stages);
        StageReport {
            steps: Some(self.trainer.step_number()),
            accuracy: measured,
            histogram_before: stages.last().map(|stage| stage.histogram.clone()),
            spec: Some(self.trainer.config().clone()),
            ..StageReport::new(kind, &analyze(self.layers.current(), self.trainer.hardware()))
        }
    }

    /// The completed stages, and the current one once it has taken a step.
    pub fn stages(&self) -> Vec<StageReport> {
        let mut stages = self.completed.as_ref().map_or_else(Vec::new, |completed| completed.stages.clone());
        if self.completed.is_none() || self.trainer.step_number() > 0 {
            stages.push(self.current_stage());
        }
        stages
    }

    /// The run's report: the configuration it was set up with, and the history of all stages.
    pub fn report(&self) -> RunReport {
        let stages = self.stages();
        let mut report = RunReport::from_trainer(&self.trainer, self.layers.current());
        if let Some(completed) = &self.completed {
            report.spec = completed.spec.clone();
            report.training.step += self.steps_before();
            report.training.epoch += completed.epochs;
            report.training.history = self.history();
            report.training.loss = report.training.history.last().map(|entry| entry.loss);
            report.training.accuracy = stages.iter().rev().find_map(|stage| stage.accuracy);
        }
        RunReport { stages, ..report }
    }
}
