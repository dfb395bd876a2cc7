//! `crossdub train`: a run in a folder, which can be stopped at any moment and goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value};

use super::arguments::{ModelOptions, ReadingOptions, put, tile_shape};
use super::run_folder::{RunFolder, read_toml};
use super::{files, human, output};
use crate::data::imagenet::Reading;
use crate::device::Compute;
use crate::error::{Error, Result};
use crate::recipe::{self, Report};
use crate::spec::{HardwareSpec, RunSpec, apply};
use crate::train::evaluate::Evaluation;
use crate::train::progress::Progress;
use crate::train::session::Session;
use crate::weights::safetensors;

/// Fields of `config.toml` that are files, not part of the specification.
const DATA: &str = "data_path";
const WEIGHTS: &str = "weights_path";

/// Trains a network, with D.U.B. regularization or another
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub train --model vgg-small --data builtin --out run --epochs 3\n         \
    crossdub train --out run --resume"
)]
pub struct Options {
    #[command(flatten)]
    model: ModelOptions,
    /// builtin, a folder of CIFAR-10 binary files or their .tar.gz, or a folder of ImageNet's images
    #[arg(long, value_name = "PATH", required_unless_present_any = ["resume", "config"])]
    data: Option<PathBuf>,
    /// Folder for configuration, metrics, checkpoints and weights
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Goes on with the run in the folder, from its last checkpoint
    #[arg(long)]
    resume: bool,
    /// TOML file with fields of the run; options go before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Starts from these weights instead of random ones
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    reading: ReadingOptions,
    /// Also saves a checkpoint every N steps, not only after each epoch
    #[arg(long, value_name = "N", default_value_t = 0)]
    checkpoint_every: u64,
    /// Prints the run's report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Fields of the specification; those not given keep their defaults.
#[derive(Debug, Args)]
struct Fields {
    /// none, gated (default), ungated, mean-and-variance, mean-and-gated-variance, group-lasso-tile, -row or -column
    #[arg(long, value_name = "KIND")]
    regularizer: Option<String>,
    /// Weight of the regularizer [default: 1e-3]
    #[arg(long)]
    lambda: Option<f64>,
    /// Weight of the mean density, in the kinds that have it
    #[arg(long)]
    lambda_mean: Option<f64>,
    /// Weight decay [default: 5e-4]
    #[arg(long)]
    weight_decay: Option<f64>,
    /// Learning rate [default: 0.05]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Momentum [default: 0.9]
    #[arg(long)]
    momentum: Option<f64>,
    /// Dropout after each hidden fully connected layer [default: 0.5]
    #[arg(long)]
    dropout: Option<f64>,
    /// Images a step [default: 128]
    #[arg(long)]
    batch: Option<usize>,
    /// Passes over the training images [default: 20]
    #[arg(long)]
    epochs: Option<usize>,
    /// Epochs after which the learning rate falls to a tenth, separated by commas
    #[arg(long, value_delimiter = ',')]
    milestones: Option<Vec<usize>>,
    /// Whether training images are shifted and flipped [default: true]
    #[arg(long, value_name = "BOOL")]
    augment: Option<bool>,
    /// Keeps the last N training images for evaluation, instead of the test file
    #[arg(long, value_name = "N")]
    holdout: Option<usize>,
    /// Seed of everything random [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// auto, cpu or webgpu
    #[arg(long)]
    device: Option<String>,
    /// Rows of a crossbar, or rows and columns of cells (128x64) [default: 32]
    #[arg(long, value_name = "ROWS[xCOLUMNS]")]
    tile: Option<String>,
    /// Cells a weight takes [default: 1]
    #[arg(long)]
    weight_bits: Option<usize>,
    /// Weights of at most this magnitude count as almost zero [default: 1e-3]
    #[arg(long)]
    tol: Option<f64>,
}

impl Fields {
    fn put(&self, fields: &mut Map<String, Value>) -> Result<()> {
        put(fields, "regularizer", self.regularizer.clone());
        put(fields, "lambda", self.lambda);
        put(fields, "lambda_mean", self.lambda_mean);
        put(fields, "weight_decay", self.weight_decay);
        put(fields, "learning_rate", self.learning_rate);
        put(fields, "momentum", self.momentum);
        put(fields, "dropout", self.dropout);
        put(fields, "batch", self.batch);
        put(fields, "epochs", self.epochs);
        put(fields, "milestones", self.milestones.clone());
        put(fields, "augment", self.augment);
        put(fields, "holdout", self.holdout);
        put(fields, "seed", self.seed);
        put(fields, "device", self.device.clone());
        if let Some((tile, columns)) = self.tile.as_deref().map(tile_shape).transpose()? {
            put(fields, "tile", Some(tile));
            put(fields, "columns", Some(columns));
        }
        put(fields, "weight_bits", self.weight_bits);
        put(fields, "tol", self.tol);
        Ok(())
    }
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
}

/// Runs the command.
pub fn run(options: &Options) -> Result<()> {
    let mut folder = RunFolder::open(&options.out)?;
    let mut session = if options.resume { resume(options, &folder)? } else { begin(options, &folder)? };
    let stop = stop_flag()?;
    let report = pollster::block_on(advance(&mut session, &mut folder, options, &stop))?;
    output::report(options.json, &report, || describe(&report, options))
}

/// Starts a run.
fn begin(options: &Options, folder: &RunFolder) -> Result<Session> {
    if folder.config_path().exists() {
        let why = "there is a run already; --resume goes on with it";
        return Err(Error::file("starting a run", files::name(&options.out), why));
    }
    let mut fields = options.config.as_deref().map(read_toml).transpose()?.unwrap_or_default();
    options.model.fields(&mut fields);
    options.fields.put(&mut fields)?;
    put(&mut fields, DATA, options.data.as_deref().map(files::name));
    put(&mut fields, WEIGHTS, options.weights.as_deref().map(files::name));
    let session = open(&fields, options.reading.into())?;
    folder.write_config(&settled(&fields, session.spec(), session.hardware()))?;
    Ok(session)
}

/// Goes on with a run, or begins it again where it was stopped before its first checkpoint.
fn resume(options: &Options, folder: &RunFolder) -> Result<Session> {
    let fields = folder.read_config()?;
    let Some(checkpoint) = folder.newest_checkpoint()? else {
        folder.cut_metrics(0)?;
        return open(&fields, options.reading.into());
    };
    folder.cut_metrics(checkpoint.step())?;
    let path = options.data.clone().or_else(|| path_of(&fields, DATA)).unwrap_or_else(|| "builtin".into());
    let mut spec = checkpoint.spec().clone();
    let data = files::open_source(&path, &mut spec, options.reading.into())?;
    let compute = pollster::block_on(Compute::open(spec.device))?;
    checkpoint.resume(data, compute, files::available_memory())
}

/// A session from flat fields.
fn open(fields: &Map<String, Value>, reading: Reading) -> Result<Session> {
    let mut flat = fields.clone();
    let data = path_of(fields, DATA);
    let weights = path_of(fields, WEIGHTS);
    flat.remove(DATA);
    flat.remove(WEIGHTS);
    let (mut spec, hardware) = apply(&RunSpec::default(), &HardwareSpec::default(), &flat)?;
    let data = data.ok_or_else(|| Error::field("data", "", "name it with --data"))?;
    let data = files::open_source(&data, &mut spec, reading)?;
    let weights_bytes = weights.as_deref().map(files::read_weights).transpose()?;
    let compute = pollster::block_on(Compute::open(spec.device))?;
    let session =
        Session::new(spec, hardware, data, compute, files::available_memory(), weights_bytes.as_ref());
    session.map_err(|error| match (&error, weights) {
        (Error::File { .. }, Some(path)) => error.in_file(&files::name(&path)),
        _ => error,
    })
}

fn path_of(fields: &Map<String, Value>, name: &str) -> Option<PathBuf> {
    fields.get(name).and_then(Value::as_str).map(PathBuf::from)
}

/// All fields with the values they really have.
fn settled(fields: &Map<String, Value>, spec: &RunSpec, hardware: &HardwareSpec) -> Map<String, Value> {
    let mut all = Map::new();
    for whole in [serde_json::to_value(spec), serde_json::to_value(hardware)] {
        if let Ok(Value::Object(part)) = whole {
            all.extend(part);
        }
    }
    for name in [DATA, WEIGHTS] {
        put(&mut all, name, fields.get(name).cloned());
    }
    all
}

/// Set by Ctrl-C or a termination signal; the run then saves itself and leaves.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .map_err(|why| Error::file("listening for signals", "process", why))?;
    Ok(stop)
}

/// Trains to the end.
async fn advance(
    session: &mut Session,
    folder: &mut RunFolder,
    options: &Options,
    stop: &AtomicBool,
) -> Result<Report> {
    let bar = progress_bar(session);
    while !session.finished() {
        let progress = session.step().await?;
        folder.note(&progress);
        show(&bar, &progress);
        let step = session.step_number();
        let epoch_ends = step.is_multiple_of(progress.steps_per_epoch);
        if epoch_ends {
            let line = after_epoch(session, progress.epoch).await?;
            bar.suspend(|| output::say(&epoch_text(&line, session.spec().epochs, &progress)));
            folder.note(&line);
        }
        let stopped = stop.load(Ordering::Relaxed);
        let due = options.checkpoint_every > 0 && step.is_multiple_of(options.checkpoint_every);
        if epoch_ends || due || stopped {
            folder.save(step, &session.checkpoint().await?)?;
        }
        if stopped && !session.finished() {
            bar.finish_and_clear();
            let why = format!("interrupted after step {step}; --resume goes on from there");
            return Err(Error::file("training", files::name(&options.out), why));
        }
    }
    bar.finish_and_clear();
    finish(session, folder).await
}

/// Evaluates, and computes what the weights would save as they are.
async fn after_epoch(session: &mut Session, epoch: usize) -> Result<EpochLine> {
    let evaluation = session.evaluate(usize::MAX).await?;
    let layers = session.matrices().await?;
    let energy = recipe::report(session, &layers).analysis.energy;
    session.note_improvement(energy.paper.improvement, energy.lossless.improvement);
    Ok(EpochLine {
        step: session.step_number(),
        epoch,
        evaluation,
        improvement_paper: energy.paper.improvement,
        improvement_lossless: energy.lossless.improvement,
    })
}

/// Writes weights and report.
async fn finish(session: &Session, folder: &RunFolder) -> Result<Report> {
    let weights = session.weights().await?;
    let layers = weights.matrices(false)?;
    let report = recipe::report(session, &layers);
    folder.write("weights.safetensors", &safetensors::write(&weights)?)?;
    let text =
        serde_json::to_vec(&report).map_err(|why| Error::file("writing a result", "report.json", why))?;
    folder.write("report.json", &text)?;
    Ok(report)
}

fn progress_bar(session: &Session) -> ProgressBar {
    let bar = ProgressBar::new(session.total_steps()).with_position(session.step_number());
    let template = "{bar:28} {pos}/{len} steps  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_position(progress.step);
    bar.set_message(format!(
        "loss {:.3}  regularizer {:.3}  {:.0} images/s  {} left",
        progress.loss,
        progress.regularizer,
        progress.images_per_second.unwrap_or(0.0),
        time(progress.seconds_left.unwrap_or(0.0)),
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
        time(progress.seconds_left.unwrap_or(0.0)),
    )
}

/// Seconds as people say them.
fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

fn describe(report: &Report, options: &Options) -> String {
    let accuracy =
        report.training.accuracy.map_or_else(|| "not measured".to_owned(), |a| format!("{a:.2} %"));
    format!(
        "trained {} epochs on {}; accuracy {accuracy}; results in {}\n\n{}\n{}",
        report.training.epoch,
        report.training.adapter,
        files::name(&options.out),
        human::histogram(&report.analysis.histogram, Some(&report.analysis.almost_zero_histogram)),
        human::energies(&report.analysis.energy),
    )
}
