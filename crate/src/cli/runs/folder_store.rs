//! Keeps the stages of a recipe in folders: a complete stage is skipped, an interrupted one resumed.
//! Stages with equal inputs share a folder, also across processes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::MultiProgress;
use serde_json::Value;

use crate::checkpoint::{Checkpoint, safetensors};
use crate::cli::account;
use crate::cli::files;
use crate::cli::files::dataset_cache::CachedDataset;
use crate::cli::output;
use crate::cli::runs::inputs::input_metadata;
use crate::cli::runs::lease::{Lease, LeaseMonitors};
use crate::cli::runs::observer::FolderObserver;
use crate::cli::runs::run_folder::RunFolder;
use crate::cli::runs::stage_folder::{StageFolder, content_hash, stage_id};
use crate::cli::system;
use crate::config::Standardize;
use crate::data::loader::DataLoader;
use crate::data::standardization::InputMetadata;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::train::checkpoint::TrainingCheckpoint;
use crate::train::evaluate::Evaluation;
use crate::train::progress::Progress;
use crate::workflow::executor::{Found, StageSlot, StageStore, run_recipe};
use crate::workflow::observer::{EpochMetrics, TrainObserver};
use crate::workflow::recipe::Recipe;
use crate::workflow::report::RunReport;
use crate::workflow::stage::Stage;
use crate::workflow::stage_report::{Epoch, StageResult};

/// How often a stage that another process runs is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// A recipe with everything needed to run it.
pub struct StageRunner<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Its images.
    pub images: &'a CachedDataset,
    /// The device.
    pub compute: &'a ComputeDevice,
    /// Folder of the stages' folders.
    pub store: &'a Path,
    /// Set when the user asks to stop.
    pub stop: &'a AtomicBool,
    /// The progress bars.
    pub bars: &'a MultiProgress,
    /// Prefix of log lines.
    pub label: &'a str,
    /// Also save a checkpoint after this many steps.
    pub checkpoint_every: u64,
    /// Whether to wait for stages that another process runs, or to return.
    pub wait_for_others: bool,
    /// What is known of other processes; runs of a sweep share it.
    pub leases: &'a LeaseMonitors,
}

/// How a recipe's run ended.
pub enum RunOutcome {
    /// All stages are done: the report, and the final weights' file.
    Finished(Box<RunReport>, PathBuf),
    /// Another process runs one of its stages.
    Busy,
}

impl StageRunner<'_> {
    /// Runs the stages that are not complete yet.
    ///
    /// # Errors
    /// When a stage fails, or the user stops it.
    pub fn run(&self) -> Result<RunOutcome> {
        let description = &self.images.description;
        let result = pollster::block_on(run_recipe(self.recipe, description, self.compute, self))?;
        let Some(result) = result else { return Ok(RunOutcome::Busy) };
        let last = result.report.stages.last().and_then(|stage| stage.id.as_deref()).unwrap_or_default();
        let path = StageFolder::weights_path_in(self.store, last);
        Ok(RunOutcome::Finished(Box::new(result.report), path))
    }

    fn status(&self, text: &str) {
        self.bars.suspend(|| output::status(&format!("{}{text}", self.label)));
    }
}

impl<'a> StageStore for StageRunner<'a> {
    type Slot = Slot<'a>;

    fn data(&self) -> Result<DataLoader> {
        self.images.open()
    }

    fn memory(&self) -> u64 {
        system::available_memory()
    }

    fn weights(&self, name: &str) -> Result<(Checkpoint, String)> {
        let path = Path::new(name);
        // A single file is known by its bytes, a folder or an index of shards by what was read.
        let single = path.is_file().then(|| files::read("reading weights", path)).transpose()?;
        let single =
            single.and_then(|bytes| Some((Checkpoint::from_bytes(&bytes).ok()?, content_hash(&bytes))));
        let (weights, id) = match single {
            Some(read) => read,
            None => {
                let weights = files::read_weights(path)?;
                let bytes = safetensors::write(&weights).map_err(|error| error.with_path(name))?;
                (weights, content_hash(&bytes))
            }
        };
        account::print_choice(&weights);
        self.check_images_of(&weights, path)?;
        Ok((weights, id))
    }

    fn find(&self, stage: &Stage, inputs: &Value) -> Result<Found<Slot<'a>>> {
        let id = stage_id(inputs);
        let folder = StageFolder::open(self.store, &id, inputs)?;
        let mut waiting = false;
        loop {
            if let Some(result) = folder.result()? {
                let weights = folder.weights()?;
                return Ok(Found::Finished(id, Box::new(result), Box::new(weights)));
            }
            if let Some(lease) = self.leases.try_acquire(folder.path())? {
                // The previous holder may have completed it just now.
                if folder.result()?.is_some() {
                    continue;
                }
                return Ok(Found::Pending(self.slot(stage, id, folder, lease)));
            }
            if !self.wait_for_others {
                return Ok(Found::Busy);
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::operation("waiting", files::display_path(folder.path()), "interrupted"));
            }
            if !waiting {
                self.status(&format!("stage {}: another process works on it; waiting", stage.name));
                waiting = true;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

impl<'a> StageRunner<'a> {
    /// Checks that weights of a file were trained on images like the recipe's: single commands follow such a file, but
    /// a recipe has one kind of images for all its stages.
    fn check_images_of(&self, weights: &Checkpoint, path: &Path) -> Result<()> {
        let (trained, own) = (input_metadata(weights, path)?, &self.images.metadata);
        let name = files::display_path(path);
        let differs = trained.standardize != Standardize::Auto && trained.standardize != own.standardize;
        if differs && self.recipe.config.standardize == Standardize::Auto {
            let why = format!("{name} was trained with {}: say which in the recipe", trained.standardize);
            return Err(Error::field("standardize", own.standardize, why));
        }
        match (trained.side, own.side) {
            (Some(trained), Some(side)) if trained != side && self.recipe.config.side == 0 => {
                let why = format!("{name} was trained on images of {trained}: say which in the recipe");
                Err(Error::field("side", side, why))
            }
            _ => Ok(()),
        }
    }

    fn slot(&self, stage: &Stage, id: String, folder: StageFolder, lease: Lease) -> Slot<'a> {
        let stages = &self.recipe.stages;
        let at = stages.iter().position(|other| other.name == stage.name).map_or(0, |at| at + 1);
        self.status(&format!("stage {} ({at} of {}): {}", stage.name, stages.len(), stage.kind()));
        Slot {
            name: stage.name.clone(),
            id,
            folder,
            lease,
            stop: self.stop,
            bars: self.bars,
            label: self.label,
            checkpoint_every: self.checkpoint_every,
            observer: None,
            metadata: self.images.metadata.clone(),
        }
    }
}

/// A stage that this process runs, in its folder.
pub struct Slot<'a> {
    name: String,
    id: String,
    folder: StageFolder,
    lease: Lease,
    stop: &'a AtomicBool,
    bars: &'a MultiProgress,
    label: &'a str,
    checkpoint_every: u64,
    /// Present while it trains.
    observer: Option<FolderObserver<'a>>,
    /// What the weights say about the images.
    metadata: InputMetadata,
}

impl Slot<'_> {
    fn status(&self, text: &str) {
        self.bars.suspend(|| output::status(&format!("{}stage {}: {text}", self.label, self.name)));
    }
}

impl TrainObserver for Slot<'_> {
    fn on_step(&mut self, progress: &Progress) {
        if let Some(observer) = &mut self.observer {
            observer.on_step(progress);
        }
    }

    fn on_epoch(&mut self, metrics: &EpochMetrics, progress: &Progress) {
        if let Some(observer) = &mut self.observer {
            observer.on_epoch(metrics, progress);
        }
    }

    fn should_stop(&mut self) -> Result<bool> {
        if self.lease.is_held() {
            return Ok(self.stop.load(Ordering::Relaxed));
        }
        if let Some(observer) = &mut self.observer {
            // The folder is another's now.
            observer.folder.discard_metrics();
        }
        let why = "another process took it over, because this one was silent for too long";
        Err(Error::file("training", files::display_path(self.folder.path()), why))
    }

    fn wants_checkpoint(&mut self, step: u64, must: bool) -> bool {
        self.observer.as_mut().is_some_and(|observer| observer.wants_checkpoint(step, must))
    }

    fn save(&mut self, step: u64, checkpoint: &[u8], skipped: &[(String, String)]) -> Result<()> {
        self.observer.as_mut().map_or(Ok(()), |observer| observer.save(step, checkpoint, skipped))
    }

    fn interrupted(&self, step: u64) -> Error {
        let why = format!("interrupted after step {step}; --resume continues from there");
        Error::file("training", files::display_path(self.folder.path()), why)
    }
}

impl StageSlot for Slot<'_> {
    fn id(&self) -> &str {
        &self.id
    }

    fn resume(&mut self) -> Result<Option<TrainingCheckpoint>> {
        let mut run = RunFolder::open(self.folder.path())?;
        let checkpoint = run.newest_checkpoint()?;
        run.truncate_metrics(checkpoint.as_ref().map_or(0, TrainingCheckpoint::step))?;
        if let Some(checkpoint) = &checkpoint {
            self.status(&format!("resumes after step {}", checkpoint.step()));
        }
        let path = self.folder.path().to_owned();
        let screen = (self.bars, self.label);
        self.observer = Some(FolderObserver::new(run, path, screen, self.checkpoint_every, self.stop));
        Ok(checkpoint)
    }

    fn epochs(&mut self) -> Result<(Vec<Epoch>, Option<Evaluation>)> {
        self.folder.epochs()
    }

    fn seconds(&self) -> Option<f64> {
        self.observer.as_ref().map(|observer| observer.folder.seconds())
    }

    fn complete(&mut self, weights: Checkpoint, result: &StageResult) -> Result<Checkpoint> {
        self.observer = None;
        self.folder.complete(&weights, &self.metadata, result)?;
        let Evaluation { accuracy, loss, .. } = result.evaluation;
        self.status(&format!("accuracy {accuracy:.2} %, loss {loss:.4}"));
        self.folder.weights()
    }
}
