//! Runs the stages of a recipe.
//!
//! [`run_recipe`] runs a recipe from its first stage to its report; a [`StageStore`] decides where stages and
//! checkpoints are stored. A stage is a [`TrainStage`] or a [`PruneStage`], the same as in the page's
//! [interactive run](super::interactive).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use web_time::Instant;

use super::observer::TrainObserver;
use super::prune_stage::{PruneStage, PrunedNetwork};
use super::recipe::Recipe;
use super::report::{DataDescription, RunReport};
use super::stage::{Stage, StageConfig, integer_inputs};
use super::stage_report::{Epoch, FinishedStage, StageResult};
use super::train_stage::{RunSetup, TrainStage};
use crate::checkpoint::Checkpoint;
use crate::compress::pruning::PruneConfig;
use crate::config::{Standardize, TrainConfig};
use crate::data::loader::DataLoader;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::NetworkSpec;
use crate::train::checkpoint::TrainingCheckpoint;
use crate::train::evaluate::Evaluation;

/// Stores a recipe's stages, and opens what they read.
pub trait StageStore {
    /// A stage in this store.
    type Slot: StageSlot;

    /// The recipe's images, opened for one stage.
    ///
    /// # Errors
    /// When they can't be opened.
    fn data(&self) -> Result<DataLoader>;

    /// Bytes of memory that a stage may take.
    fn memory(&self) -> u64;

    /// The weights of this name, which a stage starts from or learns from, and their ID.
    ///
    /// # Errors
    /// When they can't be read.
    fn weights(&self, name: &str) -> Result<(Checkpoint, String)>;

    /// Looks up a stage by everything that its result depends on.
    ///
    /// # Errors
    /// When the store can't be read.
    fn find(&self, stage: &Stage, inputs: &Value) -> Result<Found<Self::Slot>>;
}

/// The state of a stage in a store.
#[non_exhaustive]
pub enum Found<S> {
    /// It is finished: its ID, result and weights.
    Finished(String, Box<StageResult>, Box<Checkpoint>),
    /// It has to run, and this process may run it.
    Pending(S),
    /// Another process runs it.
    Busy,
}

/// A stage that this process runs.
pub trait StageSlot: TrainObserver {
    /// The stage's ID.
    fn id(&self) -> &str;

    /// The checkpoint to resume from; called when a training stage starts.
    ///
    /// # Errors
    /// When it can't be read.
    fn resume(&mut self) -> Result<Option<TrainingCheckpoint>>;

    /// The epochs of a finished training stage, and the last evaluation.
    ///
    /// # Errors
    /// When they can't be read.
    fn epochs(&mut self) -> Result<(Vec<Epoch>, Option<Evaluation>)>;

    /// Seconds of work of a training stage, summed over all processes that ran it; `None` if only this one did.
    fn seconds(&self) -> Option<f64> {
        None
    }

    /// Stores a finished stage. Returns its weights as they are read back.
    ///
    /// # Errors
    /// When it can't be stored.
    fn complete(&mut self, weights: Checkpoint, result: &StageResult) -> Result<Checkpoint>;
}

/// A recipe's report and its final weights.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecipeResult {
    /// The report.
    pub report: RunReport,
    /// The weights after the last stage.
    pub weights: Checkpoint,
}

/// Runs the stages of a recipe that have not run yet. Returns `None` if another process is running one of them.
///
/// ```
/// # #[cfg(feature = "cpu")] pollster::block_on(async {
/// use crossdub::config::DeviceChoice;
/// use crossdub::data::synthetic;
/// use crossdub::device::ComputeDevice;
/// use crossdub::workflow::executor::run_recipe;
/// use crossdub::workflow::memory_store::MemoryStore;
/// use crossdub::workflow::recipe::Recipe;
///
/// let text = r#"
///     data = "builtin"
///     plan = "4 M"
///     classifier = ""
///     batch = 8
///     tile = 8
///     [[stage]]
///     name = "train"
///     kind = "train"
///     epochs = 1
///     [[stage]]
///     name = "prune"
///     kind = "prune"
///     ratios = [60]
/// "#;
/// let recipe = Recipe::read(text, &[])?;
/// let store = MemoryStore::new(synthetic::generate(0, 16, 10), 1 << 30);
/// let device = ComputeDevice::open(&DeviceChoice::Cpu).await?;
/// let result = run_recipe(&recipe, &store.description("builtin"), &device, &store).await?;
///
/// let report = result.expect("no other process runs it").report;
/// let zeros: Vec<usize> = report.stages.iter().map(|stage| stage.zeros).collect();
/// assert!(zeros[0] == 0 && zeros[1] > 0);
/// # Ok::<(), crossdub::Error>(())
/// # }).unwrap();
/// ```
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
    // Weights and IDs of the stages that later ones learn from.
    let mut teachers: BTreeMap<&str, (Checkpoint, String)> = BTreeMap::new();
    let mut finished = Vec::new();
    for stage in &recipe.stages {
        if let Some(name) = &stage.weights {
            start = Some(store.weights(name)?);
        }
        let mut inputs = json!({
            "stage": stage.inputs(&recipe.hardware),
            "data": data.sha256,
            "device": compute.kind,
            "start": start.as_ref().map(|(_, id)| id),
        });
        // Without it, stages keep the identities that they had before there was a choice.
        if recipe.config.standardize != Standardize::Auto {
            inputs["standardize"] = json!(recipe.config.standardize);
        }
        if let (Some(_), Some((weights, _))) = (&stage.weights, &start) {
            // What else the stage, and those after it, make of a file: training names its network itself.
            if weights.is_quantized() {
                inputs["integers"] = integer_inputs(&recipe.hardware);
            }
            if stage.train_config().is_none() {
                let TrainConfig { plan, classifier, batch_norm, side, .. } = &recipe.config;
                inputs["network"] = json!([plan, classifier, batch_norm, side]);
            }
        }
        let teacher = match &stage.teacher {
            Some(name) => Some(match teachers.get(&**name) {
                Some(stage) => stage.clone(),
                None => store.weights(name)?,
            }),
            None => None,
        };
        if let Some((_, id)) = &teacher {
            inputs["teacher"] = json!(id);
        }
        let (id, result, weights) = match store.find(stage, &inputs)? {
            Found::Finished(id, result, weights) => (id, *result, *weights),
            Found::Busy => return Ok(None),
            Found::Pending(mut slot) => {
                let executor = Executor { recipe, compute, store };
                let start = StageStart {
                    weights: start.as_ref().map(|(weights, _)| weights),
                    teacher: teacher.as_ref().map(|(weights, _)| weights),
                };
                let result = executor.run(stage, start, &mut slot).await;
                let (weights, result) = result.map_err(|error| error.with_stage(&stage.name))?;
                let weights = slot.complete(weights, &result)?;
                (slot.id().to_owned(), result, weights)
            }
        };
        let layers = weights.matrices(false)?;
        finished.push(FinishedStage::new(stage, id.clone(), result, &layers, &recipe.hardware));
        if recipe.stages.iter().any(|other| other.teacher.as_ref() == Some(&stage.name)) {
            teachers.insert(&stage.name, (weights.clone(), id.clone()));
        }
        start = Some((weights, id));
    }
    let weights = start.map(|(weights, _)| weights).unwrap_or_default();
    let report = RunReport::from_recipe(recipe, data.clone(), &finished, &weights.matrices(false)?)?;
    Ok(Some(RecipeResult { report, weights }))
}

/// The networks that a stage needs.
#[derive(Clone, Copy)]
struct StageStart<'a> {
    /// That it starts from.
    weights: Option<&'a Checkpoint>,
    /// That it learns from.
    teacher: Option<&'a Checkpoint>,
}

/// Runs single stages.
struct Executor<'a, S> {
    recipe: &'a Recipe,
    compute: &'a ComputeDevice,
    store: &'a S,
}

impl<S: StageStore> Executor<'_, S> {
    async fn run(
        &self,
        stage: &Stage,
        start: StageStart<'_>,
        slot: &mut S::Slot,
    ) -> Result<(Checkpoint, StageResult)> {
        let began = Instant::now();
        match (&stage.config, start.weights) {
            (StageConfig::Train(config) | StageConfig::Finetune(config), _) => {
                let mut training = self.training(stage, config, start, slot).await?;
                training.run(slot).await?;
                let weights = training.trainer().weights().await?;
                let (epochs, evaluation) = slot.epochs()?;
                let evaluation = match evaluation {
                    Some(evaluation) => evaluation,
                    None => training.evaluate(usize::MAX).await?,
                };
                let seconds = slot.seconds().unwrap_or_else(|| began.elapsed().as_secs_f64());
                Ok((weights, StageResult { epochs, ..StageResult::new(evaluation, self.compute, seconds) }))
            }
            (StageConfig::Prune { config, .. }, Some(start)) => {
                let PrunedNetwork { weights, stats, evaluation } = self.prune(config, start).await?;
                let seconds = began.elapsed().as_secs_f64();
                let result = StageResult::new(evaluation, self.compute, seconds);
                Ok((weights, StageResult { stats: Some(stats), ..result }))
            }
            (StageConfig::Prune { .. }, None) => {
                Err(Error::field("weights", "", "there are no weights to prune yet"))
            }
        }
    }

    /// A training stage at its start, or at its last checkpoint if it has one.
    async fn training(
        &self,
        stage: &Stage,
        config: &TrainConfig,
        start: StageStart<'_>,
        slot: &mut S::Slot,
    ) -> Result<TrainStage> {
        let checkpoint = slot.resume()?;
        let setup = RunSetup {
            hardware: self.recipe.hardware.clone(),
            data: self.store.data()?,
            compute: self.compute.clone(),
            memory: self.store.memory(),
        };
        match checkpoint {
            Some(checkpoint) => TrainStage::resume(stage.kind(), checkpoint.with_devices_of(config), setup),
            None => {
                let (kind, config) = (stage.kind(), config.clone());
                let masked = start.weights.is_some_and(|weights| stage.keeps_zeros_of(weights));
                let mut started = TrainStage::start(kind, config, setup, start.weights, masked).await?;
                if let (Some(teacher), Some(name)) = (start.teacher, &stage.teacher) {
                    started.learn_from(teacher).map_err(|error| error.with_path(name))?;
                }
                Ok(started)
            }
        }
    }

    async fn prune(&self, config: &PruneConfig, start: &Checkpoint) -> Result<PrunedNetwork> {
        let mut data = self.store.data()?;
        let network = NetworkSpec::from_config(&self.recipe.config, data.classes().len())?;
        network.check_memory(1, self.store.memory())?;
        let (hardware, compute) = (&self.recipe.hardware, self.compute);
        let mut stage = PruneStage { network: &network, hardware, data: &mut data, compute };
        stage.run(config, start, usize::MAX).await
    }
}
