//! The page's run: train, preview, prune, fine-tune and undo, one call at a time. Its stages are those of a recipe, a
//! [`TrainStage`] and a [`PruneStage`].

mod completed_stages;
pub mod incremental_simulation;
pub mod preview;
pub mod settings;
mod simulation;

use serde::Serialize;
use serde_json::{Map, Value};

pub use self::completed_stages::CompletedStages;
use self::incremental_simulation::IncrementalSimulation;
use self::preview::{LayerCache, PruneSettings};
use super::prune_stage::PruneStage;
use super::report::RunReport;
use super::stage::{StageKind, finetune_config};
use super::stage_report::{StagePruning, StageReport};
use super::train_stage::{RunSetup, TrainStage};
use crate::checkpoint::Checkpoint;
use crate::config::{HardwareConfig, TrainConfig};
#[cfg(target_arch = "wasm32")]
use crate::distributed::shared_batch::BatchShare;
use crate::error::{Error, Result};
use crate::report::{AdcPlan, TileDetail, View, adc_plan, analyze};
use crate::train::checkpoint::TrainingCheckpoint;
use crate::train::evaluate::Evaluation;
use crate::train::progress::{HistoryEntry, Progress};
use crate::train::trainer::Trainer;

/// A run that its caller advances.
///
/// ```
/// # #[cfg(feature = "cpu")] pollster::block_on(async {
/// use crossdub::config::{ClassifierWidths, DeviceChoice, HardwareConfig, TrainConfig};
/// use crossdub::data::synthetic;
/// use crossdub::device::ComputeDevice;
/// use crossdub::prune::PruneRule;
/// use crossdub::workflow::interactive::InteractiveRun;
/// use crossdub::workflow::interactive::preview::PruneSettings;
/// use crossdub::workflow::train_stage::RunSetup;
///
/// let config = TrainConfig { plan: "4 M".parse()?, classifier: ClassifierWidths::default(), batch: 8, ..TrainConfig::default() };
/// let setup = RunSetup {
///     hardware: HardwareConfig { tile: 8, ..HardwareConfig::default() },
///     data: synthetic::generate(0, 16, 10).into(),
///     compute: ComputeDevice::open(&DeviceChoice::Cpu).await?,
///     memory: 1 << 30,
/// };
/// let mut run = InteractiveRun::start(config, setup).await?;
/// run.step().await?;
/// run.sync_weights().await?;
///
/// let settings = PruneSettings::new(PruneRule::Exact, 60.0, 2.0);
/// let preview = run.view(settings)?.preview;
/// run.prune(settings, 10).await?;
/// assert_eq!(run.stages()[1].zeros, preview.zeros);
///
/// run.undo().await?;
/// assert_eq!(run.stages().len(), 1);
/// # Ok::<(), crossdub::Error>(())
/// # }).unwrap();
/// ```
pub struct InteractiveRun {
    /// The current stage.
    stage: TrainStage,
    layers: LayerCache,
    /// The stages before the current one; `None` until the network is pruned.
    completed: Option<CompletedStages>,
    /// The network on simulated crossbars, as it was when the simulation started.
    simulation: Option<IncrementalSimulation>,
}

/// The progress of a step, and the number of steps of the stages before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct InteractiveProgress {
    /// Progress of the current stage.
    #[serde(flatten)]
    pub progress: Progress,
    /// Steps of the stages before.
    pub before: u64,
}

/// The progress of the current stage, also before its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct StageProgress {
    /// Steps of the stages before.
    pub before: u64,
    /// Steps of the current stage so far.
    pub step: u64,
    /// Steps per epoch.
    pub steps_per_epoch: u64,
    /// Steps of the whole current stage.
    pub total_steps: u64,
    /// Whether the current stage is finished.
    pub finished: bool,
}

impl InteractiveRun {
    /// Starts a run, with weights drawn by the seed.
    ///
    /// # Errors
    /// When a field is out of range, the network does not fit the data or the memory, or the device fails.
    pub async fn start(config: TrainConfig, setup: RunSetup) -> Result<Self> {
        let stage = TrainStage::start(StageKind::Train, config, setup, None, false).await?;
        Self::new(stage, None).await
    }

    /// Resumes a run from the checkpoint of its current stage and the stages completed before.
    ///
    /// # Errors
    /// When data and configuration do not fit the weights, a field of the hardware is out of range, or the device
    /// fails.
    pub async fn resume(
        checkpoint: TrainingCheckpoint,
        completed: Option<CompletedStages>,
        setup: RunSetup,
    ) -> Result<Self> {
        let kind = if completed.is_some() { StageKind::Finetune } else { StageKind::Train };
        Self::new(TrainStage::resume(kind, checkpoint, setup)?, completed).await
    }

    async fn new(stage: TrainStage, completed: Option<CompletedStages>) -> Result<Self> {
        let layers = LayerCache::new(stage.trainer().matrices().await?);
        Ok(Self { stage, layers, completed, simulation: None })
    }

    /// The trainer of the current stage.
    pub fn trainer(&self) -> &Trainer {
        self.stage.trainer()
    }

    /// The stages before the current one; `None` until the network is pruned.
    pub fn completed_stages(&self) -> Option<&CompletedStages> {
        self.completed.as_ref()
    }

    /// Maps to other hardware: levels and energy are computed again, masks stay.
    ///
    /// # Errors
    /// When a field is out of range.
    pub fn set_hardware(&mut self, hardware: HardwareConfig) -> Result<()> {
        self.stage.trainer_mut().set_hardware(hardware)
    }

    /// From here on this is one of several replicas that share each batch; `None` ends that.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn share_batches(&mut self, share: Option<BatchShare>) {
        self.stage.trainer_mut().group.share = share;
    }

    /// One step of the current stage.
    ///
    /// # Errors
    /// When training has diverged, or the device fails.
    pub async fn step(&mut self) -> Result<InteractiveProgress> {
        let progress = self.stage.step().await?;
        Ok(InteractiveProgress { progress, before: self.steps_before() })
    }

    /// The progress of the current stage.
    pub fn progress(&self) -> StageProgress {
        let trainer = self.trainer();
        StageProgress {
            before: self.steps_before(),
            step: trainer.step_number(),
            steps_per_epoch: trainer.steps_per_epoch(),
            total_steps: trainer.total_steps(),
            finished: trainer.finished(),
        }
    }

    fn steps_before(&self) -> u64 {
        self.completed.as_ref().and_then(|completed| completed.history.last()).map_or(0, |entry| entry.step)
    }

    /// Accuracy on at most `images` held-out images, recorded in the history.
    ///
    /// # Errors
    /// When training has diverged back to chance, or the device fails.
    pub async fn evaluate(&mut self, images: usize) -> Result<Evaluation> {
        self.stage.evaluate(images).await
    }

    /// Loads the current weights from the device, for views, tiles and reports.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn sync_weights(&mut self) -> Result<()> {
        self.layers.replace(self.stage.trainer().matrices().await?);
        Ok(())
    }

    /// The settings to preview; `None` once the network is pruned.
    fn preview_settings(&self, settings: PruneSettings) -> Option<PruneSettings> {
        self.completed.is_none().then_some(settings)
    }

    /// Analysis, preview and maps. Records the previewed improvements in the history.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn view(&mut self, settings: PruneSettings) -> Result<View> {
        let previewed = self.preview_settings(settings);
        let view = self.layers.view(self.stage.trainer().hardware(), previewed)?;
        self.stage.record_energy(&view.preview.energy);
        Ok(view)
    }

    /// The cells of a tile.
    ///
    /// # Errors
    /// When the settings are out of range, or there is no such tile.
    pub fn tile(&mut self, at: (usize, usize), settings: PruneSettings) -> Result<TileDetail> {
        let previewed = self.preview_settings(settings);
        self.layers.tile(self.stage.trainer().hardware(), at, previewed)
    }

    /// The ADC bits that each tile needs, with the previewed pruning until the network is pruned.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn adc_plan(&mut self, settings: PruneSettings) -> Result<AdcPlan> {
        let previewed = self.preview_settings(settings);
        let hardware = self.stage.trainer().hardware();
        Ok(adc_plan(self.layers.pruned_or_current(hardware, previewed)?, hardware))
    }

    /// Masks of the same layers: 0 where a weight is zero, otherwise 1.
    ///
    /// # Errors
    /// When the settings are out of range, or the device fails.
    pub async fn masks(&mut self, settings: PruneSettings) -> Result<Checkpoint> {
        let previewed = self.preview_settings(settings);
        let pruned = self.layers.pruned_or_current(self.stage.trainer().hardware(), previewed)?.to_vec();
        Ok(self.trainer().weights().await?.with_layers(pruned).masks())
    }

    /// The prune stage of the current network, on this hardware.
    fn prune_stage<'a>(&'a mut self, hardware: &'a HardwareConfig) -> PruneStage<'a> {
        let trainer = self.stage.trainer_mut();
        PruneStage {
            network: &trainer.network_spec,
            hardware,
            data: &mut trainer.data,
            compute: &trainer.compute,
        }
    }

    /// Accuracy on at most `images` held-out images if the network were pruned with these settings.
    ///
    /// # Errors
    /// When the settings are out of range, or the device fails.
    pub async fn evaluate_pruned(&mut self, settings: PruneSettings, images: usize) -> Result<Evaluation> {
        self.sync_weights().await?;
        let hardware = self.trainer().hardware().clone();
        let dense = self.trainer().weights().await?;
        let weights = self.layers.pruned_checkpoint(&dense, &hardware, settings)?;
        self.prune_stage(&hardware).evaluate(&weights, images).await
    }

    /// Prunes, and evaluates before and after on at most `images` held-out images. From here on zeros stay zero, or with
    /// the rule `bit-planes` integers keep to their caps, and training continues as fine-tuning.
    ///
    /// # Errors
    /// When the network is pruned already, the settings are out of range, or the device fails. The run is then
    /// unchanged.
    pub async fn prune(&mut self, settings: PruneSettings, images: usize) -> Result<()> {
        if self.completed.is_some() {
            return Err(Error::invalid_state("pruning", "the network is pruned already: undo that first"));
        }
        self.sync_weights().await?;
        let hardware = self.trainer().hardware().clone();
        let (config, hardware) = settings.resolve(&hardware, self.layers.current().len())?;
        let dense = self.trainer().weights().await?;
        let stage = self.prune_stage(&hardware);
        let pruned = stage.run_on_weights(&config, &dense, images).await?;
        let evaluation = stage.evaluate(&dense, images).await?;
        let trained = self.current_stage().with_evaluation(&evaluation);
        let analysis = analyze(&pruned.weights.matrices(false)?, self.trainer().hardware());
        let pruning = StagePruning::Interactive(settings);
        let before = Some(trained.histogram.as_slice());
        let stage = StageReport {
            steps: Some(0),
            ..StageReport::from_pruning(pruning, Some(pruned.stats), &analysis, before)
                .with_evaluation(&pruned.evaluation)
        };
        let trainer = self.trainer();
        let completed = CompletedStages {
            stages: [trained, stage].map(|stage| self.on_hardware_of_now(stage)).into(),
            config: trainer.config().clone(),
            history: trainer.history().to_vec(),
            epochs: trainer.epochs_done(),
            trained: trainer.checkpoint().await?,
        };
        let (config, masked) = completed.finetuning();
        self.stage.start_finetuning(config.for_finetuning(), &pruned.weights, masked).await?;
        self.completed = Some(completed);
        self.sync_weights().await
    }

    /// Starts fine-tuning with the authors' settings, changed by these fields. An earlier fine-tuning becomes a
    /// completed stage.
    ///
    /// # Errors
    /// When the network is not pruned, a field is invalid, or the device fails.
    pub async fn finetune(&mut self, fields: &Map<String, Value>) -> Result<()> {
        let Some(completed) = &self.completed else {
            return Err(Error::invalid_state("fine-tuning", "the network is not pruned yet"));
        };
        let (config, masked) = completed.finetuning();
        let config = finetune_config(fields, &config, self.trainer().hardware())?;
        let weights = self.trainer().weights().await?;
        let finished =
            (self.trainer().step_number() > 0).then(|| self.on_hardware_of_now(self.current_stage()));
        let (history, epochs) = (self.history(), self.trainer().epochs_done());
        self.stage.start_finetuning(config, &weights, masked).await?;
        if let (Some(completed), Some(stage)) = (&mut self.completed, finished) {
            completed.stages.push(stage);
            completed.history = history;
            completed.epochs += epochs;
        }
        Ok(())
    }

    /// Returns to the trained weights, with their momentum and their step.
    ///
    /// # Errors
    /// When the network is not pruned.
    pub async fn undo(&mut self) -> Result<()> {
        let Some(completed) = &self.completed else {
            return Err(Error::invalid_state("undoing", "nothing is pruned"));
        };
        self.stage.restore(StageKind::Train, TrainingCheckpoint::read(&completed.trained)?)?;
        self.completed = None;
        self.sync_weights().await
    }

    /// One entry per step of all stages.
    fn history(&self) -> Vec<HistoryEntry> {
        let before = self.steps_before();
        let mut history =
            self.completed.as_ref().map_or_else(Vec::new, |completed| completed.history.clone());
        let current = self.trainer().history().iter();
        history.extend(current.map(|entry| HistoryEntry { step: before + entry.step, ..entry.clone() }));
        history
    }

    /// The current stage.
    fn current_stage(&self) -> StageReport {
        let before = self.completed.as_ref().and_then(|completed| completed.stages.last());
        let analysis = analyze(self.layers.current(), self.trainer().hardware());
        self.stage.report(&analysis, before.map(|stage| stage.histogram.as_slice()))
    }

    /// A stage that ends now.
    fn on_hardware_of_now(&self, stage: StageReport) -> StageReport {
        StageReport { hardware: Some(self.trainer().hardware().clone()), ..stage }
    }

    /// The completed stages, and the current one unless it is a fine-tuning without steps. Those that ended on other
    /// crossbars than those of now say on which.
    pub fn stages(&self) -> Vec<StageReport> {
        let mut stages = self.completed.as_ref().map_or_else(Vec::new, |completed| completed.stages.clone());
        let now = self.trainer().hardware();
        for stage in &mut stages {
            stage.hardware.take_if(|own| own.has_crossbars_of(now));
        }
        if self.completed.is_none() || self.trainer().step_number() > 0 {
            stages.push(self.current_stage());
        }
        stages
    }

    /// The report of the run, with the configuration that it was started with and the history of all stages.
    pub fn report(&self) -> RunReport {
        let stages = self.stages();
        let mut report = RunReport::from_trainer(self.trainer(), self.layers.current());
        if let Some(completed) = &self.completed {
            report.config = completed.config.clone();
            report.training.step += self.steps_before();
            report.training.epoch += completed.epochs;
            report.training.history = self.history();
            report.training.loss = report.training.history.last().map(|entry| entry.loss);
            report.training.accuracy = stages.iter().rev().find_map(|stage| stage.accuracy);
        }
        RunReport { stages, ..report }
    }
}
