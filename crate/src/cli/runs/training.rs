//! Training in a folder, for every command that trains: it can be stopped at any moment and goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::checkpoint::{Checkpoint, safetensors};
use crate::cli::files;
use crate::cli::format;
use crate::cli::options::shared::{ReadingOptions, put};
use crate::cli::output;
use crate::cli::runs::dry_run;
use crate::cli::runs::run_folder::{DEFAULT_CHECKPOINTS_KEPT, RunFolder};
use crate::cli::system;
use crate::config::{HardwareConfig, TrainConfig, apply};
use crate::data::imagenet::LoaderConfig;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::train::evaluate::Evaluation;
use crate::train::progress::Progress;
use crate::train::trainer::Trainer;
use crate::workflow::{self, Report};

/// Fields of `config.toml` that are files, not part of the specification.
pub const DATA: &str = "data_path";
pub const WEIGHTS: &str = "weights_path";
pub const MASKS: &str = "masks_path";
/// The share of unreadable images that the run was allowed, in percent; kept, so that a resumed run is allowed the same.
const MAX_BAD: &str = "max_bad";
/// In the place of a file of masks: the zeros of the weights that the run starts from.
pub const FROM_ZEROS: &str = "from-zeros";

/// A checkpoint is saved at least this often: what a kill may cost.
const SAVE_AFTER: Duration = Duration::from_secs(60);

/// Where a run lies, and how it is followed.
#[derive(Debug, Args)]
pub struct RunFolderArgs {
    /// Folder for configuration, metrics, checkpoints and weights
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Goes on with the run in the folder, from its last checkpoint
    #[arg(long)]
    resume: bool,
    /// Also saves a checkpoint every N steps, not only after each epoch
    #[arg(long, value_name = "N", default_value_t = 0)]
    checkpoint_every: u64,
    /// Keeps the newest N checkpoints
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CHECKPOINTS_KEPT, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    /// Says what the run needs in memory, time (by measured steps) and disk, and does nothing else
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    #[command(flatten)]
    reading: ReadingOptions,
    /// Prints the run's report as one JSON object
    #[arg(long)]
    json: bool,
}

/// A line of `metrics.jsonl` after an epoch; after a step it is a [`Progress`].
#[derive(Serialize)]
struct EpochLine {
    step: u64,
    epoch: usize,
    #[serde(flatten)]
    evaluation: Evaluation,
    improvement_paper: Option<f64>,
    improvement_lossless: Option<f64>,
    /// Image files passed over so far.
    skipped_images: usize,
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
        let session = open(base, &fields()?, args)?;
        return dry_run::run(session, usize::from(args.keep), args.json);
    }
    let mut folder = RunFolder::open(&args.out)?.with_checkpoints_kept(usize::from(args.keep));
    let session = fields().and_then(|fields| match args.resume {
        true => resume(args, &mut folder, data, devices, &fields),
        false => begin(args, &folder, base, &fields),
    });
    let mut session = session.inspect_err(|_| folder.remove_if_empty())?;
    let stop = stop_flag()?;
    let how = TrainLoop {
        checkpoint_every: args.checkpoint_every,
        place: &args.out,
        label: "",
        bars: &MultiProgress::new(),
        halt: &|| Ok(stop.load(Ordering::Relaxed)),
    };
    pollster::block_on(train_to_end(&mut session, &mut folder, &how))?;
    let report = pollster::block_on(finish(&session, &folder))?;
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
        let why = "there is a run already; --resume goes on with it";
        return Err(Error::file("starting a run", files::display_path(&args.out), why));
    }
    let session = open(base, fields, args)?;
    let mut resolved_config = resolved_config(fields, session.spec(), session.hardware());
    put(&mut resolved_config, MAX_BAD, args.reading.max_bad);
    folder.write_config(&resolved_config)?;
    Ok(session)
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
    let (moved, _) = apply(checkpoint.spec(), &HardwareConfig::default(), devices)?;
    let checkpoint = checkpoint.moved(&moved);
    let mut spec = checkpoint.spec().clone();
    let data = files::open_dataset(&path, &mut spec, reading(args, &fields))?;
    let compute = pollster::block_on(ComputeDevice::from_config(&spec))?;
    checkpoint.resume(data, compute, system::available_memory())
}

/// A run goes on as it was begun, on whatever devices: a field that is asked for in vain is refused.
fn refuse_changes(
    begun: &Map<String, Value>,
    given: &Map<String, Value>,
    devices: &Map<String, Value>,
) -> Result<()> {
    let why = |old: &Value| format!("the run was begun with {old}, and --resume goes on with that");
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

/// A session from flat fields.
fn open(base: &TrainConfig, fields: &Map<String, Value>, args: &RunFolderArgs) -> Result<Trainer> {
    let (mut spec, hardware) = apply(base, &HardwareConfig::default(), &fields_alone(fields))?;
    let data = path_of(fields, DATA).ok_or_else(|| Error::field("data", "", "name it with --data"))?;
    let data = files::open_dataset(&data, &mut spec, reading(args, fields))?;
    let path = path_of(fields, WEIGHTS);
    let weights = path.as_deref().map(files::read_weights).transpose()?;
    let masks = read_masks(fields, weights.as_ref())?;
    let compute = pollster::block_on(ComputeDevice::from_config(&spec))?;
    let memory = system::available_memory();
    let session = Trainer::new(spec, hardware, data, compute, memory, weights.as_ref());
    let mut session = session.map_err(|error| match &path {
        Some(path) => error.with_path(&files::display_path(path)),
        None => error,
    })?;
    if let Some((masks, name)) = masks {
        pollster::block_on(session.set_masks(&masks)).map_err(|error| error.with_path(&name))?;
    }
    Ok(session)
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

/// How a session is followed to its end.
pub struct TrainLoop<'a> {
    /// Also saves a checkpoint every so many steps; 0 for after each epoch and minute alone.
    pub checkpoint_every: u64,
    /// Where the run lies, for messages.
    pub place: &'a Path,
    /// Goes before each line said.
    pub label: &'a str,
    /// The bars on the screen.
    pub bars: &'a MultiProgress,
    /// Asked after each step: whether to save and leave. An error leaves at once.
    pub halt: &'a dyn Fn() -> Result<bool>,
}

/// Trains to the end.
///
/// # Errors
/// When the run diverges, the disk is full, or it was told to leave.
pub async fn train_to_end(session: &mut Trainer, folder: &mut RunFolder, how: &TrainLoop<'_>) -> Result<()> {
    let result = run_steps(session, folder, how).await;
    if result.is_err() {
        // The steps that led there explain it; a resumed run cuts off what its checkpoint does not hold.
        folder.flush_metrics_after_error();
    }
    result
}

async fn run_steps(session: &mut Trainer, folder: &mut RunFolder, how: &TrainLoop<'_>) -> Result<()> {
    let bar = how.bars.add(progress_bar(session, how.label));
    let mut saved = Instant::now();
    while !session.finished() {
        let progress = session.step().await?;
        folder.log_metrics(&progress);
        show(&bar, &progress);
        let step = session.step_number();
        let epoch_ends = step.is_multiple_of(progress.steps_per_epoch);
        if epoch_ends {
            let line = after_epoch(session, progress.epoch).await?;
            let text = epoch_text(&line, session.spec().epochs, &progress);
            how.bars.suspend(|| output::status(&format!("{}{text}", how.label)));
            folder.log_metrics(&line);
        }
        let stopped = (how.halt)()?;
        let due = how.checkpoint_every > 0 && step.is_multiple_of(how.checkpoint_every);
        if epoch_ends || due || stopped || saved.elapsed() > SAVE_AFTER {
            folder.save(step, &session.checkpoint().await?)?;
            folder.write_skipped(&session.data().skipped())?;
            saved = Instant::now();
        }
        if stopped && !session.finished() {
            bar.finish_and_clear();
            let why = format!("interrupted after step {step}; --resume goes on from there");
            return Err(Error::file("training", files::display_path(how.place), why));
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Evaluates, and computes what the weights would save as they are.
async fn after_epoch(session: &mut Trainer, epoch: usize) -> Result<EpochLine> {
    let evaluation = session.evaluate(usize::MAX).await?;
    let layers = session.matrices().await?;
    let energy = workflow::report(session, &layers).analysis.energy;
    session.record_improvement(energy.paper.improvement, energy.lossless.improvement);
    Ok(EpochLine {
        step: session.step_number(),
        epoch,
        evaluation,
        improvement_paper: energy.paper.improvement,
        improvement_lossless: energy.lossless.improvement,
        skipped_images: session.data().skipped().len(),
    })
}

/// Writes weights and report.
async fn finish(session: &Trainer, folder: &RunFolder) -> Result<Report> {
    let weights = session.weights().await?;
    let layers = weights.matrices(false)?;
    let report = workflow::report(session, &layers);
    folder.write("weights.safetensors", &safetensors::write(&weights)?)?;
    let text = serde_json::to_vec(&report)
        .map_err(|why| Error::file("writing a result", "report.json", &why).with_source(why))?;
    folder.write("report.json", &text)?;
    Ok(report)
}

fn progress_bar(session: &Trainer, label: &str) -> ProgressBar {
    let bar = ProgressBar::new(session.total_steps()).with_position(session.step_number());
    let template = "{prefix}{bar:28} {pos}/{len} steps  {msg}";
    bar.set_prefix(label.to_owned());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_position(progress.step);
    bar.set_message(format!(
        "loss {:.3}  regularizer {:.3}  {:.0} images/s, {:.0} % of the time waited for them  {} left",
        progress.loss,
        progress.regularizer,
        progress.images_per_second.unwrap_or(0.0),
        progress.data_wait_percent.unwrap_or(0.0),
        format::duration(progress.seconds_left.unwrap_or(0.0)),
    ));
}

fn epoch_text(line: &EpochLine, epochs: usize, progress: &Progress) -> String {
    format!(
        "epoch {}/{epochs}: accuracy {:.2} %, loss {:.4} (training {:.4}, regularizer {:.4}), {} left",
        line.epoch + 1,
        line.evaluation.accuracy,
        line.evaluation.loss,
        progress.loss,
        progress.regularizer,
        format::duration(progress.seconds_left.unwrap_or(0.0)),
    )
}

fn describe(report: &Report, args: &RunFolderArgs) -> String {
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
