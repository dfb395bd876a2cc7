//! Runs the stages of a recipe: each in a folder of its own, skipped when it is complete, gone on with
//! when it was stopped. Stages with the same inputs are the same folder, also for other processes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::MultiProgress;
use serde_json::{Value, json};

use crate::checkpoint::Checkpoint;
use crate::cli::files;
use crate::cli::files::dataset_cache::CachedDataset;
use crate::cli::output;
use crate::cli::runs::inputs::load_network;
use crate::cli::runs::lease::{Lease, LeaseMonitor};
use crate::cli::runs::run_folder::RunFolder;
use crate::cli::runs::stage_folder::{StageFolder, content_hash, stage_id};
use crate::cli::runs::training::{TrainLoop, train_to_end};
use crate::cli::system;
use crate::compress::calibration::ActivationStats;
use crate::compress::pruning::{PruneContext, PruneSpec};
use crate::config::{SCHEMA_VERSION, TrainConfig};
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::NetworkSpec;
use crate::train::evaluate::Evaluation;
use crate::train::trainer::Trainer;
use crate::workflow::recipe::Recipe;
use crate::workflow::report::{FinishedStage, RecipeReport, StageResult};
use crate::workflow::stage::{Stage, StageConfig};

/// How often a stage that another process works on is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// A recipe with all it takes to run.
pub struct StageRunner<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Its images.
    pub images: &'a CachedDataset,
    /// The device.
    pub compute: &'a ComputeDevice,
    /// Folder of the stages' folders.
    pub store: &'a Path,
    /// Set when the user wants to leave.
    pub stop: &'a AtomicBool,
    /// The bars on the screen.
    pub bars: &'a MultiProgress,
    /// Goes before each line said.
    pub label: &'a str,
    /// Also saves a checkpoint every so many steps.
    pub checkpoint_every: u64,
    /// Whether to wait for stages that another process works on, or to give the run back.
    pub wait_for_others: bool,
}

/// How far a run came.
pub enum RunOutcome {
    /// All stages are done: the report, and the final weights' file.
    Finished(Box<RecipeReport>, PathBuf),
    /// Another process works on one of its stages.
    Busy,
}

/// The weights that a stage starts with, and their identity.
struct Start {
    id: Value,
    weights: Option<Checkpoint>,
}

impl StageRunner<'_> {
    /// Runs what is not yet done.
    ///
    /// # Errors
    /// When a stage fails, or the user wants to leave.
    pub fn run(&self) -> Result<RunOutcome> {
        let mut start = Start { id: Value::Null, weights: None };
        let mut done = Vec::new();
        let mut path = PathBuf::new();
        for stage in &self.recipe.stages {
            if let Some(file) = &stage.weights {
                start = read_start(file)?;
            }
            let inputs = self.inputs(stage, &start);
            let id = stage_id(&inputs);
            let folder = StageFolder::open(self.store, &id, &inputs)?;
            let Some(result) = self.complete_stage(stage, &folder, start.weights.as_ref())? else {
                return Ok(RunOutcome::Busy);
            };
            path = folder.weights_path();
            let weights = files::read_weights(&path)?;
            let layers =
                weights.matrices(false).map_err(|error| error.with_path(&files::display_path(&path)))?;
            done.push(FinishedStage::new(stage, id.clone(), result, &layers, &self.recipe.hardware));
            start = Start { id: Value::from(id), weights: Some(weights) };
        }
        let layers =
            start.weights.as_ref().map_or_else(|| Ok(Vec::new()), |weights| weights.matrices(false))?;
        let report = RecipeReport::new(self.recipe, self.images.description.clone(), &done, &layers)?;
        Ok(RunOutcome::Finished(Box::new(report), path))
    }

    /// Everything a stage's result depends on.
    fn inputs(&self, stage: &Stage, start: &Start) -> Value {
        json!({
            "stage": stage.inputs(&self.recipe.hardware),
            "data": self.images.description.sha256,
            "device": self.compute.kind,
            "start": start.id,
        })
    }

    /// The stage's result: as it lies there, or after the work is done. None when another process does
    /// it and there is no patience.
    fn complete_stage(
        &self,
        stage: &Stage,
        folder: &StageFolder,
        start: Option<&Checkpoint>,
    ) -> Result<Option<StageResult>> {
        let mut monitor = LeaseMonitor::default();
        let mut said = false;
        loop {
            if let Some(result) = folder.result()? {
                return Ok(Some(result));
            }
            if let Some(lease) = monitor.try_acquire(folder.path())? {
                // The one before may have completed it just now.
                return match folder.result()? {
                    Some(result) => Ok(Some(result)),
                    None => self.execute(stage, folder, start, &lease).map(Some),
                };
            }
            if !self.wait_for_others {
                return Ok(None);
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::operation("waiting", files::display_path(folder.path()), "interrupted"));
            }
            if !said {
                self.say(&format!("stage {}: another process works on it; waiting", stage.name));
                said = true;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    fn execute(
        &self,
        stage: &Stage,
        folder: &StageFolder,
        start: Option<&Checkpoint>,
        lease: &Lease,
    ) -> Result<StageResult> {
        let at = self.recipe.stages.iter().position(|other| other.name == stage.name).map_or(0, |at| at + 1);
        self.say(&format!("stage {} ({at} of {}): {}", stage.name, self.recipe.stages.len(), stage.kind()));
        let done = match (&stage.config, start) {
            (StageConfig::Train(spec) | StageConfig::Finetune(spec), start) => {
                self.train(stage, spec, folder, start, lease)
            }
            (StageConfig::Prune(spec), Some(start)) => self.prune(spec, start),
            (StageConfig::Prune(_), None) => {
                Err(Error::field("weights", "", "there is nothing to prune yet"))
            }
        };
        let (weights, result) = done.map_err(|error| error.with_stage(&stage.name))?;
        folder.complete(&weights, &result)?;
        let Evaluation { accuracy, loss, .. } = result.evaluation;
        self.say(&format!("stage {}: accuracy {accuracy:.2} %, loss {loss:.4}", stage.name));
        Ok(result)
    }

    fn train(
        &self,
        stage: &Stage,
        spec: &TrainConfig,
        folder: &StageFolder,
        start: Option<&Checkpoint>,
        lease: &Lease,
    ) -> Result<(Checkpoint, StageResult)> {
        let mut run = RunFolder::open(folder.path())?;
        let mut session = self.session(stage, spec, &mut run, start)?;
        let halt = || {
            if lease.is_held() {
                return Ok(self.stop.load(Ordering::Relaxed));
            }
            let why = "another process took it over, because this one was silent for too long";
            Err(Error::file("training", files::display_path(folder.path()), why))
        };
        let how = TrainLoop {
            checkpoint_every: self.checkpoint_every,
            place: folder.path(),
            label: self.label,
            bars: self.bars,
            halt: &halt,
        };
        pollster::block_on(train_to_end(&mut session, &mut run, &how))?;
        let weights = pollster::block_on(session.weights())?;
        let (epochs, evaluation) = folder.epochs()?;
        let evaluation = match evaluation {
            Some(evaluation) => evaluation,
            None => pollster::block_on(session.evaluate(usize::MAX))?,
        };
        Ok((weights, StageResult { epochs, ..self.result(evaluation, run.seconds()) }))
    }

    /// The session of a stage, from its last checkpoint if it has one.
    fn session(
        &self,
        stage: &Stage,
        spec: &TrainConfig,
        run: &mut RunFolder,
        start: Option<&Checkpoint>,
    ) -> Result<Trainer> {
        let (data, compute, memory) = (self.images.open()?, self.compute.clone(), system::available_memory());
        if let Some(checkpoint) = run.newest_checkpoint()? {
            run.truncate_metrics(checkpoint.step())?;
            self.say(&format!("stage {}: goes on after step {}", stage.name, checkpoint.step()));
            return checkpoint.moved(spec).resume(data, compute, memory);
        }
        run.truncate_metrics(0)?;
        let hardware = self.recipe.hardware.clone();
        let mut session = Trainer::new(spec.clone(), hardware, data, compute, memory, start)?;
        if let Some(start) = start.filter(|_| stage.masked) {
            pollster::block_on(session.set_masks(&start.masks()))?;
        }
        Ok(session)
    }

    fn prune(&self, spec: &PruneSpec, start: &Checkpoint) -> Result<(Checkpoint, StageResult)> {
        let began = Instant::now();
        let hardware = &self.recipe.hardware;
        let mut source = self.images.open()?;
        let classes = source.classes().len();
        let plan = NetworkSpec::from_config(&self.recipe.spec, classes)?;
        let positions = plan.output_positions(&start.matrices(false)?)?;
        let inputs = match spec.calibration() {
            Some(asked) => {
                let network = load_network(&self.recipe.spec, classes, start, self.compute)?;
                let gathered = ActivationStats::collect(&network, &plan, &mut source, asked, self.compute);
                Some(pollster::block_on(gathered)?)
            }
            None => None,
        };
        let known = PruneContext { positions: Some(&positions), inputs: inputs.as_ref() };
        let pruned = spec.prune(start, hardware, known, Some(self.compute));
        let (pruned, outcome) = pollster::block_on(pruned)?;
        let test = source.test();
        let network = load_network(&self.recipe.spec, test.classes().len(), &pruned, self.compute)?;
        let all = 0..test.len();
        let evaluation =
            pollster::block_on(crate::train::evaluate::evaluate(&network, test, all, self.compute))?;
        let result = self.result(evaluation, began.elapsed().as_secs_f64());
        Ok((pruned, StageResult { outcome: Some(outcome), ..result }))
    }

    fn result(&self, evaluation: Evaluation, seconds: f64) -> StageResult {
        StageResult {
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: self.compute.kind.to_owned(),
            adapter: self.compute.adapter.clone(),
            evaluation,
            epochs: Vec::new(),
            outcome: None,
            seconds,
        }
    }

    fn say(&self, text: &str) {
        self.bars.suspend(|| output::status(&format!("{}{text}", self.label)));
    }
}

/// Weights that a recipe names.
fn read_start(file: &str) -> Result<Start> {
    let bytes = files::read("reading weights", Path::new(file))?;
    let weights = Checkpoint::from_bytes(&bytes).map_err(|error| error.with_path(file))?;
    Ok(Start { id: Value::from(content_hash(&bytes)), weights: Some(weights) })
}
