//! Runs stages: trains, prunes, fine-tunes.
//!
//! [`run_recipe`] takes a recipe from its first stage to its report; where stages and checkpoints are
//! kept is up to a [`StageStore`]. The page's [interactive run](super::interactive) takes the same
//! steps by hand.

use serde::Serialize;
use serde_json::{Value, json};
use web_time::Instant;

use super::recipe::Recipe;
use super::report::{DataDescription, Epoch, FinishedStage, RunReport, StageResult};
use super::stage::{Stage, StageConfig};
use crate::checkpoint::Checkpoint;
use crate::compress::calibration::ActivationStats;
use crate::compress::pruning::{PruneContext, PruneSpec};
use crate::config::{SCHEMA_VERSION, TrainConfig};
use crate::data::loader::DataLoader;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::parameters::import;
use crate::network::{Network, NetworkSpec};
use crate::prune::PruneStats;
use crate::train::checkpoint::TrainingCheckpoint;
use crate::train::evaluate::{Evaluation, evaluate};
use crate::train::progress::Progress;
use crate::train::trainer::Trainer;

/// What an epoch led to: a line of `metrics.jsonl`, where [`Progress`] is the line of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpochMetrics {
    /// Steps of the stage done.
    pub step: u64,
    /// The epoch, from 0.
    pub epoch: usize,
    /// All held-out images.
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// Improvement of ADC energy by the weights as they are, the paper's count.
    pub improvement_paper: Option<f64>,
    /// The same, lossless.
    pub improvement_lossless: Option<f64>,
    /// Image files skipped so far.
    pub skipped_images: usize,
}

/// Follows a training stage. The defaults do nothing.
pub trait TrainObserver {
    /// Called after every step.
    fn on_step(&mut self, _progress: &Progress) {}

    /// Called after the last step of every epoch.
    fn on_epoch(&mut self, _metrics: &EpochMetrics, _progress: &Progress) {}

    /// Whether to stop after this step; a checkpoint is saved first.
    ///
    /// # Errors
    /// To stop at once.
    fn should_stop(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// Whether a checkpoint is due; `must` at the end of an epoch and before stopping.
    fn wants_checkpoint(&mut self, _step: u64, _must: bool) -> bool {
        false
    }

    /// Keeps a checkpoint, and the list of image files skipped so far with the reasons.
    ///
    /// # Errors
    /// When it can't be kept.
    fn save(&mut self, _step: u64, _checkpoint: &[u8], _skipped: &[(String, String)]) -> Result<()> {
        Ok(())
    }

    /// The error that ends a run stopped before its last step.
    fn interrupted(&self, step: u64) -> Error {
        Error::operation("training", "", format!("interrupted after step {step}"))
    }
}

/// Trains to the last step.
///
/// # Errors
/// When training diverges, the device fails, or the observer stops it.
pub async fn train(trainer: &mut Trainer, observer: &mut dyn TrainObserver) -> Result<()> {
    while !trainer.finished() {
        let progress = trainer.step().await?;
        observer.on_step(&progress);
        let step = trainer.step_number();
        let epoch_ends = step.is_multiple_of(progress.steps_per_epoch);
        if epoch_ends {
            let metrics = end_epoch(trainer, progress.epoch).await?;
            observer.on_epoch(&metrics, &progress);
        }
        let stop = observer.should_stop()?;
        if observer.wants_checkpoint(step, epoch_ends || stop) {
            observer.save(step, &trainer.checkpoint().await?, &trainer.data().skipped())?;
        }
        if stop && !trainer.finished() {
            return Err(observer.interrupted(step));
        }
    }
    Ok(())
}

/// Evaluates, and computes what the weights would save as they are.
async fn end_epoch(trainer: &mut Trainer, epoch: usize) -> Result<EpochMetrics> {
    let evaluation = trainer.evaluate(usize::MAX).await?;
    let layers = trainer.matrices().await?;
    let energy = crate::report::analyze(&layers, trainer.hardware()).energy;
    trainer.record_improvement(energy.paper.improvement, energy.lossless.improvement);
    Ok(EpochMetrics {
        step: trainer.step_number(),
        epoch,
        evaluation,
        improvement_paper: energy.paper.improvement,
        improvement_lossless: energy.lossless.improvement,
        skipped_images: trainer.data().skipped().len(),
    })
}

/// Epochs put together from the metrics of their steps.
#[derive(Debug, Clone, Default)]
pub struct EpochCurve {
    epochs: Vec<Epoch>,
    last: Option<Evaluation>,
    steps: u64,
    loss: f64,
    regularizer: f64,
}

impl EpochCurve {
    /// Adds a step's cross-entropy and regularizer.
    pub fn add_step(&mut self, loss: f64, regularizer: f64) {
        self.steps += 1;
        self.loss += loss;
        self.regularizer += regularizer;
    }

    /// Ends epoch number `epoch` (from 0) after step number `step`.
    pub fn end_epoch(&mut self, epoch: usize, step: u64, evaluation: Evaluation) {
        let steps = self.steps.max(1) as f64;
        let (training_loss, regularizer) = (self.loss / steps, self.regularizer / steps);
        let Evaluation { accuracy, loss, .. } = evaluation;
        self.epochs.push(Epoch { epoch: epoch + 1, step, training_loss, regularizer, accuracy, loss });
        (self.steps, self.loss, self.regularizer) = (0, 0.0, 0.0);
        self.last = Some(evaluation);
    }

    /// The epochs so far, and the last evaluation.
    pub fn finish(self) -> (Vec<Epoch>, Option<Evaluation>) {
        (self.epochs, self.last)
    }
}

/// Where a recipe's stages are kept, and what they read.
pub trait StageStore {
    /// A stage in this store.
    type Slot: StageSlot;

    /// The recipe's images, opened for one stage.
    ///
    /// # Errors
    /// When they can't be opened any more.
    fn data(&self) -> Result<DataLoader>;

    /// Bytes of memory a stage may plan with.
    fn memory(&self) -> u64;

    /// The weights that a stage starts from by name, and their identity.
    ///
    /// # Errors
    /// When they can't be read.
    fn weights(&self, name: &str) -> Result<(Checkpoint, String)>;

    /// Looks a stage up by everything that its result depends on.
    ///
    /// # Errors
    /// When the store can't be read.
    fn find(&self, stage: &Stage, inputs: &Value) -> Result<Found<Self::Slot>>;
}

/// What a store knows of a stage.
pub enum Found<S> {
    /// It ran already: identity, result, weights.
    Finished(String, Box<StageResult>, Checkpoint),
    /// It has to run, and this process may run it.
    Pending(S),
    /// Another process runs it.
    Busy,
}

/// A stage that this process runs.
pub trait StageSlot: TrainObserver {
    /// The stage's identity.
    fn id(&self) -> &str;

    /// The checkpoint to go on from, when a training stage starts.
    ///
    /// # Errors
    /// When it can't be read.
    fn resume(&mut self) -> Result<Option<TrainingCheckpoint>>;

    /// The epochs of a training stage that has ended, and the last evaluation.
    ///
    /// # Errors
    /// When they can't be read.
    fn epochs(&mut self) -> Result<(Vec<Epoch>, Option<Evaluation>)>;

    /// Seconds of work of a training stage over all its processes; `None` if it ran in one go.
    fn seconds(&self) -> Option<f64> {
        None
    }

    /// Keeps a finished stage; its weights as they are read back.
    ///
    /// # Errors
    /// When it can't be kept.
    fn complete(&mut self, weights: Checkpoint, result: &StageResult) -> Result<Checkpoint>;
}

/// A recipe's report and its final weights.
#[derive(Debug, Clone)]
pub struct RecipeResult {
    /// The report.
    pub report: RunReport,
    /// The weights after the last stage.
    pub weights: Checkpoint,
}

/// Runs the stages of a recipe that have not run yet; `None` when another process runs one of them.
///
/// # Errors
/// When a stage fails, or the store stops it.
pub async fn run_recipe<S: StageStore>(
    recipe: &Recipe,
    data: &DataDescription,
    compute: &ComputeDevice,
    store: &S,
) -> Result<Option<RecipeResult>> {
    let mut start: Option<(Checkpoint, String)> = None;
    let mut finished = Vec::new();
    for stage in &recipe.stages {
        if let Some(name) = &stage.weights {
            start = Some(store.weights(name)?);
        }
        let inputs = json!({
            "stage": stage.inputs(&recipe.hardware),
            "data": data.sha256,
            "device": compute.kind,
            "start": start.as_ref().map(|(_, id)| id),
        });
        let (id, result, weights) = match store.find(stage, &inputs)? {
            Found::Finished(id, result, weights) => (id, *result, weights),
            Found::Busy => return Ok(None),
            Found::Pending(mut slot) => {
                let executor = Executor { recipe, compute, store };
                let start = start.as_ref().map(|(weights, _)| weights);
                let done = executor.run(stage, start, &mut slot).await;
                let (weights, result) = done.map_err(|error| error.with_stage(&stage.name))?;
                let weights = slot.complete(weights, &result)?;
                (slot.id().to_owned(), result, weights)
            }
        };
        let layers = weights.matrices(false)?;
        finished.push(FinishedStage::new(stage, id.clone(), result, &layers, &recipe.hardware));
        start = Some((weights, id));
    }
    let weights = start.map(|(weights, _)| weights).unwrap_or_default();
    let report = RunReport::from_recipe(recipe, data.clone(), &finished, &weights.matrices(false)?)?;
    Ok(Some(RecipeResult { report, weights }))
}

/// Runs one stage.
struct Executor<'a, S> {
    recipe: &'a Recipe,
    compute: &'a ComputeDevice,
    store: &'a S,
}

impl<S: StageStore> Executor<'_, S> {
    async fn run(
        &self,
        stage: &Stage,
        start: Option<&Checkpoint>,
        slot: &mut S::Slot,
    ) -> Result<(Checkpoint, StageResult)> {
        let began = Instant::now();
        match (&stage.config, start) {
            (StageConfig::Train(config) | StageConfig::Finetune(config), start) => {
                let mut trainer = self.trainer(stage, config, start, slot).await?;
                train(&mut trainer, slot).await?;
                let weights = trainer.weights().await?;
                let (epochs, evaluation) = slot.epochs()?;
                let evaluation = match evaluation {
                    Some(evaluation) => evaluation,
                    None => trainer.evaluate(usize::MAX).await?,
                };
                let seconds = slot.seconds().unwrap_or_else(|| began.elapsed().as_secs_f64());
                Ok((weights, StageResult { epochs, ..self.result(evaluation, seconds) }))
            }
            (StageConfig::Prune(config), Some(start)) => {
                let (weights, stats, evaluation) = self.prune(config, start).await?;
                let result = self.result(evaluation, began.elapsed().as_secs_f64());
                Ok((weights, StageResult { stats: Some(stats), ..result }))
            }
            (StageConfig::Prune(_), None) => {
                Err(Error::field("weights", "", "there is nothing to prune yet"))
            }
        }
    }

    /// The trainer of a stage, at its last checkpoint if it has one.
    async fn trainer(
        &self,
        stage: &Stage,
        config: &TrainConfig,
        start: Option<&Checkpoint>,
        slot: &mut S::Slot,
    ) -> Result<Trainer> {
        let checkpoint = slot.resume()?;
        let (data, compute, memory) = (self.store.data()?, self.compute.clone(), self.store.memory());
        if let Some(checkpoint) = checkpoint {
            return checkpoint.with_devices_of(config).resume(data, compute, memory);
        }
        let hardware = self.recipe.hardware.clone();
        let mut trainer = Trainer::new(config.clone(), hardware, data, compute, memory, start)?;
        if let Some(start) = start.filter(|_| stage.masked) {
            trainer.set_masks(&start.masks()).await?;
        }
        Ok(trainer)
    }

    async fn prune(
        &self,
        config: &PruneSpec,
        start: &Checkpoint,
    ) -> Result<(Checkpoint, PruneStats, Evaluation)> {
        let mut data = self.store.data()?;
        let plan = NetworkSpec::from_config(&self.recipe.spec, data.classes().len())?;
        let positions = plan.output_positions(&start.matrices(false)?)?;
        let inputs = match config.calibration() {
            Some(asked) => {
                let network = self.network(&plan, start)?;
                Some(ActivationStats::collect(&network, &plan, &mut data, asked, self.compute).await?)
            }
            None => None,
        };
        let known = PruneContext { positions: Some(&positions), inputs: inputs.as_ref() };
        let hardware = &self.recipe.hardware;
        let (pruned, stats) = config.prune(start, hardware, known, Some(self.compute)).await?;
        let network = self.network(&plan, &pruned)?;
        let all = 0..data.test().len();
        let evaluation = evaluate(&network, data.test(), all, self.compute).await?;
        Ok((pruned, stats, evaluation))
    }

    /// The recipe's network with these weights, for inference.
    fn network(&self, plan: &NetworkSpec, weights: &Checkpoint) -> Result<Network> {
        plan.check_memory(1, self.store.memory())?;
        import(Network::new(plan, &self.compute.device), plan, weights)
    }

    fn result(&self, evaluation: Evaluation, seconds: f64) -> StageResult {
        StageResult {
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: self.compute.kind.to_owned(),
            adapter: self.compute.adapter.clone(),
            evaluation,
            epochs: Vec::new(),
            stats: None,
            seconds,
        }
    }
}
