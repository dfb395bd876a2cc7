//! Training in a folder, for every command that trains: it can be stopped at any moment and goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use indicatif::MultiProgress;
use serde_json::{Map, Value};

use crate::checkpoint::{Checkpoint, safetensors};
use crate::cli::files;
use crate::cli::format;
use crate::cli::options::shared::{ReadingOptions, put};
use crate::cli::output;
use crate::cli::runs::dry_run;
use crate::cli::runs::observer::FolderObserver;
use crate::cli::runs::run_folder::{DEFAULT_CHECKPOINTS_KEPT, RunFolder};
use crate::cli::system;
use crate::config::{HardwareConfig, TrainConfig, apply};
use crate::data::imagenet::LoaderConfig;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::train::trainer::Trainer;
use crate::workflow::report::RunReport;
use crate::workflow::stage::StageKind;
use crate::workflow::train_stage::TrainStage;

/// Fields of `config.toml` that are files, not part of the specification.
pub const DATA: &str = "data_path";
pub const WEIGHTS: &str = "weights_path";
pub const MASKS: &str = "masks_path";
/// The share of unreadable images that the run was allowed, in percent; kept, so that a resumed run is allowed the same.
const MAX_BAD: &str = "max_bad";
/// In the place of a file of masks: the zeros of the weights that the run starts from.
pub const FROM_ZEROS: &str = "from-zeros";

/// Where a run lies, and how it is followed.
#[derive(Debug, Args)]
pub struct RunFolderArgs {
    /// Folder for configuration, metrics, checkpoints and weights
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Resume the run in the folder from its last checkpoint
    #[arg(long)]
    resume: bool,
    /// Also save a checkpoint every N steps, not only after each epoch
    #[arg(long, value_name = "N", default_value_t = 0)]
    checkpoint_every: u64,
    /// Keep the newest N checkpoints
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CHECKPOINTS_KEPT, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    /// Only estimate the memory, time (from a few measured steps) and disk space of the run
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    #[command(flatten)]
    reading: ReadingOptions,
    /// Print the run's report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Starts the run of these flat fields, or goes on with the one in the folder; `data` is where its
/// images lie now, should they have moved, and `devices` the fields that say where it goes on.
pub fn run(
    args: &RunFolderArgs,
    base: &TrainConfig,
    data: Option<&Path>,
    devices: &Map<String, Value>,
    fields: impl FnOnce() -> Result<Map<String, Value>>,
) -> Result<()> {
    if args.dry_run {
        let trainer = open(base, &fields()?, args)?;
        return dry_run::run(trainer, usize::from(args.keep), args.json);
    }
    let mut folder = RunFolder::open(&args.out)?.with_checkpoints_kept(usize::from(args.keep));
    let trainer = fields().and_then(|fields| match args.resume {
        true => resume(args, &mut folder, data, devices, &fields),
        false => begin(args, &folder, base, &fields),
    });
    let trainer = trainer.inspect_err(|_| folder.remove_if_empty())?;
    let stop = stop_flag()?;
    let bars = MultiProgress::new();
    let screen = (&bars, "");
    let mut observer = FolderObserver::new(folder, args.out.clone(), screen, args.checkpoint_every, &stop);
    let mut stage = TrainStage::new(StageKind::Train, trainer);
    pollster::block_on(stage.run(&mut observer))?;
    let report = pollster::block_on(finish(stage.trainer(), &observer.folder))?;
    drop(observer);
    output::print_result(args.json, &report, || describe(&report, args))
}

/// Starts a run.
fn begin(
    args: &RunFolderArgs,
    folder: &RunFolder,
    base: &TrainConfig,
    fields: &Map<String, Value>,
) -> Result<Trainer> {
    if folder.config_path().exists() {
        let why = "there is a run already; use --resume to continue it";
        return Err(Error::file("starting a run", files::display_path(&args.out), why));
    }
    let trainer = open(base, fields, args)?;
    let mut resolved_config = resolved_config(fields, trainer.config(), trainer.hardware());
    put(&mut resolved_config, MAX_BAD, args.reading.max_bad);
    folder.write_config(&resolved_config)?;
    Ok(trainer)
}

/// Goes on with a run, or begins it again where it was stopped before its first checkpoint.
fn resume(
    args: &RunFolderArgs,
    folder: &mut RunFolder,
    data: Option<&Path>,
    devices: &Map<String, Value>,
    given: &Map<String, Value>,
) -> Result<Trainer> {
    let mut fields = folder.read_config()?;
    refuse_changes(&fields, given, devices)?;
    fields.extend(devices.clone());
    let Some(checkpoint) = folder.newest_checkpoint()? else {
        folder.truncate_metrics(0)?;
        return open(&TrainConfig::default(), &fields, args);
    };
    folder.truncate_metrics(checkpoint.step())?;
    let path =
        data.map(Path::to_owned).or_else(|| path_of(&fields, DATA)).unwrap_or_else(|| "builtin".into());
    let (moved, _) = apply(checkpoint.config(), &HardwareConfig::default(), devices)?;
    let checkpoint = checkpoint.with_devices_of(&moved);
    let mut spec = checkpoint.config().clone();
    let data = files::open_dataset(&path, &mut spec, reading(args, &fields))?;
    let compute = pollster::block_on(ComputeDevice::from_config(&spec))?;
    checkpoint.resume(data, compute, system::available_memory())
}

/// A run resumes with the settings it was started with, on any devices: other changed fields are rejected.
fn refuse_changes(
    begun: &Map<String, Value>,
    given: &Map<String, Value>,
    devices: &Map<String, Value>,
) -> Result<()> {
    let why = |old: &Value| format!("the run was started with {old}; --resume keeps that");
    let none = Value::from("none");
    for name in [WEIGHTS, MASKS] {
        let old = begun.get(name).unwrap_or(&none);
        match given.get(name) {
            Some(new) if new != FROM_ZEROS && new != old => return Err(Error::field(name, new, why(old))),
            _ => {}
        }
    }
    let (spec, hardware) = apply(&TrainConfig::default(), &HardwareConfig::default(), &fields_alone(begun))?;
    let mut asked = fields_alone(given);
    asked.retain(|name, _| !devices.contains_key(name));
    let (new_spec, new_hardware) = apply(&spec, &hardware, &asked)?;
    let before = resolved_config(&Map::new(), &spec, &hardware);
    let after = resolved_config(&Map::new(), &new_spec, &new_hardware);
    match after.iter().find(|(name, value)| before.get(*name) != Some(value)) {
        Some((name, new)) => Err(Error::field(name, new, why(before.get(name).unwrap_or(&none)))),
        None => Ok(()),
    }
}

/// The fields of the specification among those of `config.toml`.
fn fields_alone(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut flat = fields.clone();
    for name in [DATA, WEIGHTS, MASKS, MAX_BAD] {
        flat.remove(name);
    }
    flat
}

/// How the run's images are read: as this command says, or as the run was begun.
fn reading(args: &RunFolderArgs, fields: &Map<String, Value>) -> LoaderConfig {
    let kept = fields.get(MAX_BAD).and_then(Value::as_f64);
    ReadingOptions { max_bad: args.reading.max_bad.or(kept), ..args.reading }.into()
}

/// A trainer from flat fields.
fn open(base: &TrainConfig, fields: &Map<String, Value>, args: &RunFolderArgs) -> Result<Trainer> {
    let (mut spec, hardware) = apply(base, &HardwareConfig::default(), &fields_alone(fields))?;
    let data = path_of(fields, DATA).ok_or_else(|| Error::field("data", "", "name it with --data"))?;
    let data = files::open_dataset(&data, &mut spec, reading(args, fields))?;
    let path = path_of(fields, WEIGHTS);
    let weights = path.as_deref().map(files::read_weights).transpose()?;
    let masks = read_masks(fields, weights.as_ref())?;
    let compute = pollster::block_on(ComputeDevice::from_config(&spec))?;
    let memory = system::available_memory();
    let trainer = Trainer::new(spec, hardware, data, compute, memory, weights.as_ref());
    let mut trainer = trainer.map_err(|error| match &path {
        Some(path) => error.with_path(&files::display_path(path)),
        None => error,
    })?;
    if let Some((masks, name)) = masks {
        pollster::block_on(trainer.set_masks(&masks)).map_err(|error| error.with_path(&name))?;
    }
    Ok(trainer)
}

/// The masks that flat fields name, and where they came from.
fn read_masks(
    fields: &Map<String, Value>,
    weights: Option<&Checkpoint>,
) -> Result<Option<(Checkpoint, String)>> {
    let Some(path) = path_of(fields, MASKS) else { return Ok(None) };
    let name = files::display_path(&path);
    if name == FROM_ZEROS {
        let why = "takes the zeros of the weights that the run starts from; name them with --weights";
        let weights = weights.ok_or_else(|| Error::field("masks", FROM_ZEROS, why))?;
        return Ok(Some((weights.masks(), name)));
    }
    Ok(Some((files::read_weights(&path)?, name)))
}

fn path_of(fields: &Map<String, Value>, name: &str) -> Option<PathBuf> {
    fields.get(name).and_then(Value::as_str).map(PathBuf::from)
}

/// All fields with the values they really have.
fn resolved_config(
    fields: &Map<String, Value>,
    spec: &TrainConfig,
    hardware: &HardwareConfig,
) -> Map<String, Value> {
    let mut all = Map::new();
    for whole in [serde_json::to_value(spec), serde_json::to_value(hardware)] {
        if let Ok(Value::Object(part)) = whole {
            all.extend(part);
        }
    }
    for name in [DATA, WEIGHTS, MASKS, MAX_BAD] {
        put(&mut all, name, fields.get(name).cloned());
    }
    all
}

/// Set by Ctrl-C or a termination signal; the run then saves itself and leaves.
pub fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .map_err(|why| Error::operation("listening for signals", "process", why))?;
    Ok(stop)
}

/// Writes weights and report.
async fn finish(trainer: &Trainer, folder: &RunFolder) -> Result<RunReport> {
    let weights = trainer.weights().await?;
    let layers = weights.matrices(false)?;
    let report = RunReport::from_trainer(trainer, &layers);
    folder.write("weights.safetensors", &safetensors::write(&weights)?)?;
    let text = serde_json::to_vec(&report)
        .map_err(|why| Error::file("writing a result", "report.json", &why).with_source(why))?;
    folder.write("report.json", &text)?;
    Ok(report)
}

fn describe(report: &RunReport, args: &RunFolderArgs) -> String {
    let accuracy =
        report.training.accuracy.map_or_else(|| "not measured".to_owned(), |a| format!("{a:.2} %"));
    format!(
        "trained {} epochs on {}; accuracy {accuracy}; results in {}\n\n{}\n{}",
        report.training.epoch,
        report.training.adapter,
        files::display_path(&args.out),
        format::level_table(&report.analysis.histogram, Some(&report.analysis.almost_zero_histogram)),
        format::energy_table(&report.analysis.energy),
    )
}
