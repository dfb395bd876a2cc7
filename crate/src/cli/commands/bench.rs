//! `crossdub bench`: how fast this machine trains, analyses, prunes and simulates, beside PyTorch and
//! aihwkit on the same work.
//!
//! Every time is the median of several runs after a warm-up. Times of others are only ever
//! measured in the same run: where one is missing there is no ratio.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use burn::tensor::{Tensor, TensorData};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::checkpoint::Weights;
use crate::cli::commands::bench_images;
use crate::cli::commands::bench_resnet;
use crate::cli::commands::bench_simulation;
use crate::cli::format;
use crate::cli::output;
use crate::config::{DeviceChoice, HardwareConfig, RegularizerKind, SCHEMA_VERSION, TrainConfig};
use crate::crossbar::tiling::TileShape;
use crate::data::synthetic;
use crate::device::Compute;
use crate::error::{Error, Result};
use crate::loss::Regularizer;
use crate::matrix::Matrix;
use crate::network::Plan;
use crate::network::param_spec::initialize;
use crate::prune::{Rule, Threshold, prune};
use crate::report::analyze;
use crate::train::trainer::Trainer;

/// The same work in PyTorch; it prints `{name: milliseconds}`.
const PEERS: &str = include_str!("../../../../bench/peers.py");
const PYTORCH: &str = "PyTorch CPU";

/// Classes of both data sets.
const CLASSES: usize = 10;
/// Images of a training step.
const BATCH: usize = 64;
/// Almost all of a layer: every level occurs, as after training with a regularizer.
const PRUNED_PERCENT: f64 = 90.0;
/// About what that saves.
const PRUNED_IMPROVEMENT: f64 = 3.0;
/// What the regularizer may cost of a training step.
const ALLOWED_PERCENT: f64 = 10.0;

/// Runs after the warm-up: never fewer, never more, and no new one when the time is used up.
const LEAST_RUNS: usize = 5;
const MOST_RUNS: usize = 25;
/// A difference of a few percent needs more.
const MOST_PAIRS: usize = 50;
const LONGEST: Duration = Duration::from_secs(20);

/// Measures how fast this machine is, beside PyTorch where it is installed
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub bench --only analysis --python .venv/bin/python")]
pub struct Options {
    /// A Python with PyTorch, and aihwkit for the simulation, to measure the same work there
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    python: String,
    /// Measures only this
    #[arg(long, value_enum, value_name = "NAME")]
    only: Option<Part>,
    /// Folder of image files to read as for training, once for each; images are measured only with it
    #[arg(long, value_name = "DIR")]
    images: Vec<PathBuf>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A training step, without and with the regularizer
    Training,
    /// The crossbar analysis
    Analysis,
    /// Pruning to levels, by either rule
    Pruning,
    /// The regularizer's value and gradient
    Loss,
    /// Reading, decoding and transforming image files
    Images,
    /// The parts of a training step of ResNet18
    Resnet,
    /// Crossbars and converters of one layer and of VGG11
    Simulation,
}

impl Part {
    fn measure(self, options: &Options) -> Result<Vec<Row>> {
        match self {
            Self::Training => training(),
            Self::Analysis => analysis(),
            Self::Pruning => pruning(),
            Self::Loss => Ok(vec![loss("vgg11", 32, "loss")?, loss("resnet18", 64, "loss_resnet18")?]),
            Self::Images => bench_images::measure(&options.images),
            Self::Resnet => bench_resnet::measure(),
            Self::Simulation => bench_simulation::measure(),
        }
    }
}

#[derive(Serialize)]
struct Answer {
    schema_version: u32,
    measurements: Vec<Row>,
}

/// A time, and another's time for the same work.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    what: String,
    ours_ms: f64,
    other: Option<&'static str>,
    other_ms: Option<f64>,
    note: Option<String>,
    /// The peer's name in its script.
    #[serde(skip)]
    peer: Option<String>,
}

impl Row {
    pub(super) fn new(what: impl Into<String>, ours_ms: f64) -> Self {
        Self { what: what.into(), ours_ms, other: None, other_ms: None, note: None, peer: None }
    }

    /// Beside the same work in PyTorch, by its name in the script of peers.
    pub(super) fn beside(self, peer: impl Into<String>) -> Self {
        self.beside_other(PYTORCH, peer)
    }

    /// Beside the same work in another tool, by its name in the script of peers.
    pub(super) fn beside_other(self, other: &'static str, peer: impl Into<String>) -> Self {
        Self { other: Some(other), peer: Some(peer.into()), ..self }
    }

    pub(super) fn noted(self, note: String) -> Self {
        Self { note: Some(note), ..self }
    }
}

/// Runs the command.
pub fn run(options: &Options) -> Result<()> {
    let parts: Vec<Part> = match options.only {
        Some(part) => vec![part],
        None => Part::value_variants().to_vec(),
    };
    let mut rows = Vec::new();
    for part in &parts {
        output::status(&format!("measuring: {part:?}").to_lowercase());
        rows.extend(part.measure(options)?);
    }
    let names: Vec<&str> = rows.iter().filter_map(|row| row.peer.as_deref()).collect();
    if !names.is_empty() {
        output::status("measuring: the others");
        let times = peers(&options.python, &names)?;
        for row in &mut rows {
            row.other_ms = row.peer.as_deref().and_then(|name| times.get(name)).and_then(Value::as_f64);
        }
    }
    let answer = Answer { schema_version: SCHEMA_VERSION, measurements: rows };
    output::print_result(options.json, &answer, || describe(&answer.measurements))
}

/// A step without the regularizer and one with it by turns, so that both see the same machine.
fn training() -> Result<Vec<Row>> {
    let mut plain = session(RegularizerKind::None)?;
    let mut gated = session(RegularizerKind::Gated)?;
    for _ in 0..2 {
        step(&mut plain)?;
        step(&mut gated)?;
    }
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let started = Instant::now();
    while go_on(without.len(), MOST_PAIRS, started) {
        // The second of a pair may find the caches warm: each is second half of the time.
        if without.len().is_multiple_of(2) {
            without.push(step(&mut plain)?);
            with.push(step(&mut gated)?);
        } else {
            with.push(step(&mut gated)?);
            without.push(step(&mut plain)?);
        }
    }
    // Each pair ran within a moment: its ratio does not feel what else the machine does.
    let ratios = without.iter().zip(&with).map(|(without, with)| with / without).collect();
    let overhead = 100.0 * (median(ratios) - 1.0);
    let what = format!("training step, vgg-small, batch {BATCH}");
    let with = Row {
        note: Some(format!("the regularizer costs {overhead:+.1} %; {ALLOWED_PERCENT} % are allowed")),
        ..Row::new(format!("{what}, gated regularizer"), median(with))
    };
    Ok(vec![Row::new(what, median(without)).beside("training"), with])
}

/// A session on built-in images, without what PyTorch's peer does not do: dropout and augmentation.
fn session(regularizer: RegularizerKind) -> Result<Trainer> {
    let spec = TrainConfig {
        device: DeviceChoice::Cpu,
        regularizer,
        batch: BATCH,
        learning_rate: 0.01,
        dropout: 0.0,
        augment: false,
        epochs: 1000,
        ..TrainConfig::default()
    };
    let data = synthetic::generate(spec.seed, 16 * BATCH, BATCH);
    let compute = pollster::block_on(Compute::of(&spec))?;
    Trainer::new(spec, HardwareConfig::default(), data, compute, u64::MAX, None)
}

fn step(session: &mut Trainer) -> Result<f64> {
    let (done, time) = timed(|| pollster::block_on(session.step()));
    done.map(|_| time)
}

fn analysis() -> Result<Vec<Row>> {
    let layers = weights("vgg11")?.matrices(false)?;
    let hardware = HardwareConfig::default();
    let time = median_time(|| Ok(timed(|| analyze(&layers, &hardware)).1))?;
    let what = format!("analysis, VGG11, tile {}", hardware.tile);
    Ok(vec![Row::new(what, time).beside("analysis")])
}

fn pruning() -> Result<Vec<Row>> {
    let layers = weights("vgg11")?.matrices(false)?;
    let hardware = HardwareConfig::default();
    let shape = TileShape::from(&hardware);
    let ratios = Threshold::uniform(PRUNED_PERCENT, layers.len());
    let rules = [
        (Rule::Exact, ratios.clone()),
        (Rule::Paper, ratios),
        (Rule::Budget, Threshold::Target(PRUNED_IMPROVEMENT)),
    ];
    let measure = |(rule, threshold): (Rule, Threshold)| {
        let time = median_time(|| {
            // The copy is the measurement's, not the pruning's.
            let mut copy: Vec<Matrix> = layers.clone();
            let (pruned, time) = timed(|| prune(&mut copy, shape, rule, &threshold));
            pruned.map(|_| time)
        })?;
        let what = format!("level pruning, VGG11, tile {}, {} rule", hardware.tile, rule.id());
        Ok(Row::new(what, time))
    };
    rules.into_iter().map(measure).collect()
}

/// The gated regularizer on a network's convolutions.
fn loss(model: &str, tile: usize, peer: &str) -> Result<Row> {
    let compute = pollster::block_on(Compute::open(&DeviceChoice::Cpu))?;
    let hardware = HardwareConfig { tile, ..HardwareConfig::default() };
    let spec = TrainConfig { regularizer: RegularizerKind::Gated, ..TrainConfig::default() };
    let regularizer = Regularizer::of(&spec, TileShape::from(&hardware));
    let regularizer = regularizer.ok_or_else(|| Error::field("lambda", spec.lambda, "is off"))?;
    let weights = weights(model)?.tensors.into_iter().filter(|tensor| tensor.shape.len() == 4);
    let layers: Vec<Tensor<4>> = weights
        .map(|tensor| Tensor::from_data(TensorData::new(tensor.data, tensor.shape), &compute.device))
        .collect();
    let time = median_time(|| {
        let evaluate = || {
            let terms = layers.iter().filter_map(|layer| regularizer.evaluate(layer.clone()));
            terms.map(|term| (term.loss.into_data(), term.gradient)).collect::<Vec<_>>()
        };
        Ok(timed(evaluate).1)
    })?;
    Ok(Row::new(format!("D.U.B. loss and gradient, {model}, tile {tile}"), time).beside(peer))
}

/// A network as it is before training.
fn weights(model: &str) -> Result<Weights> {
    let mut spec = TrainConfig::default();
    spec.set_model(model)?;
    Ok(initialize(&Plan::of(&spec, CLASSES)?, 0))
}

/// What the work gives, and how many milliseconds it took; the result is dropped later, outside.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let started = Instant::now();
    let done = work();
    (done, 1000.0 * started.elapsed().as_secs_f64())
}

/// Median of the milliseconds that `work` says it took.
pub(super) fn median_time(mut work: impl FnMut() -> Result<f64>) -> Result<f64> {
    work()?;
    let mut times = Vec::new();
    let started = Instant::now();
    while go_on(times.len(), MOST_RUNS, started) {
        times.push(work()?);
    }
    Ok(median(times))
}

fn go_on(runs: usize, most: usize, started: Instant) -> bool {
    runs < LEAST_RUNS || (runs < most && started.elapsed() < LONGEST)
}

/// The middle value, or the mean of the two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}

/// Times of the same work in PyTorch; empty where that Python or its PyTorch is missing.
fn peers(python: &str, names: &[&str]) -> Result<Map<String, Value>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // The script comes through a pipe: a command line may be too short for it.
    let child = Command::new(python)
        .arg("-")
        .arg(threads.to_string())
        .args(names)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        output::status(&format!("{python} can't be run: PyTorch is not measured"));
        return Ok(Map::new());
    };
    let failed = |why: String| Error::file("measuring PyTorch", python, why);
    if let Some(mut pipe) = child.stdin.take() {
        // A Python that stops early says why on stderr.
        drop(pipe.write_all(PEERS.as_bytes()));
    }
    let ended = child.wait_with_output().map_err(|why| failed(why.to_string()))?;
    let complaint = String::from_utf8_lossy(&ended.stderr);
    if complaint.contains("No module named 'torch'") {
        output::status(&format!("{python} has no PyTorch: it is not measured"));
        return Ok(Map::new());
    }
    if !ended.status.success() {
        return Err(failed(complaint.lines().last().unwrap_or("it stopped without a word").to_owned()));
    }
    serde_json::from_slice(&ended.stdout).map_err(|why| failed(why.to_string()))
}

fn describe(rows: &[Row]) -> String {
    let head = ["measured", "ours", "other", "ratio"].map(str::to_owned).to_vec();
    let line = |row: &Row| {
        let (other, ratio) = match (row.other, row.other_ms) {
            (Some(name), Some(time)) => {
                (format!("{name} {time:.1} ms"), format!("{:.2}", time / row.ours_ms))
            }
            (Some(name), None) => (format!("{name} not installed"), String::new()),
            (None, _) => (String::new(), String::new()),
        };
        vec![row.what.clone(), format!("{:.1} ms", row.ours_ms), other, ratio]
    };
    let mut text = format::table(&[vec![head], rows.iter().map(line).collect()].concat());
    for row in rows {
        if let Some(note) = &row.note {
            text.push_str(&format!("{}: {note}\n", row.what));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_missing_python_leaves_the_peers_out() {
        let none = peers("no-such-python", &["loss"]).expect("not an error");
        assert!(none.is_empty());
    }

    #[test]
    fn notes_and_ratios_are_told() {
        let mut row = Row::new("a step", 100.0).beside("training");
        assert!(describe(std::slice::from_ref(&row)).contains("not installed"));
        row.other_ms = Some(50.0);
        row.note = Some("cheap".to_owned());
        let text = describe(&[row]);
        assert!(text.contains("0.50") && text.contains("a step: cheap"), "{text}");
    }
}
