//! `crossdub bench`: how fast this machine trains, analyzes, prunes and simulates.
//!
//! Every time is the median of several runs after a warm-up. `cargo xtask bench` runs this beside the same work in other
//! tools.

mod evaluation;
mod images;
mod layers;
mod machine;
mod resnet;
mod scaling;
mod simulation;
mod training;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::format;
use crate::cli::measure::timing::median;
use crate::cli::measure::training_step::{PARTS, TrainingStep};
use crate::cli::output;
use crate::config::SCHEMA_VERSION;
use crate::error::Result;

/// Measure how fast this machine trains, analyzes, prunes and simulates
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub bench --only analysis")]
pub struct BenchArgs {
    /// Measure only this
    #[arg(long, value_enum, value_name = "NAME")]
    only: Option<Group>,
    /// Folder of image files to read as in training; may be repeated. Without it, reading is not measured
    #[arg(long, value_name = "DIR")]
    images: Vec<PathBuf>,
    /// Has no effect: `cargo xtask bench` measures PyTorch and aihwkit
    #[arg(long, value_name = "PYTHON", hide = true)]
    python: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// What the machine can do at most
    Machine,
    /// A training step, without and with the regularizer
    Training,
    /// A forward pass without gradients
    Evaluation,
    /// The crossbar analysis
    Analysis,
    /// Pruning to levels, by each rule
    Pruning,
    /// The regularizer's value and gradient
    Loss,
    /// Reading, decoding and transforming image files
    Images,
    /// The parts of a training step of ResNet18
    Resnet,
    /// Crossbars and converters of one layer and of VGG11
    Simulation,
    /// Training steps of growing batches, networks and images
    Scaling,
}

impl Group {
    fn measure(self, args: &BenchArgs) -> Result<Vec<BenchTime>> {
        match self {
            Self::Machine => Ok(machine::measure()),
            Self::Evaluation => evaluation::measure(),
            Self::Training => training::measure(),
            Self::Analysis => layers::analysis(),
            Self::Pruning => layers::pruning(),
            Self::Loss => layers::regularizer(),
            Self::Images => images::measure(&args.images),
            Self::Resnet => resnet::measure(),
            Self::Simulation => simulation::measure(),
            Self::Scaling => scaling::measure(),
        }
    }
}

#[derive(Serialize)]
struct BenchOutput {
    schema_version: u32,
    measurements: Vec<BenchTime>,
}

/// One measured time.
#[derive(Debug, Serialize)]
struct BenchTime {
    /// Stable name, for programs.
    id: String,
    /// Description, for people.
    what: String,
    ours_ms: f64,
    /// The number of runs that the time is the median of, or of images, steps or batches that it is the mean of.
    n: usize,
    note: Option<String>,
    /// Where it lies on a curve.
    point: Option<CurvePoint>,
}

/// A place on a curve of times.
#[derive(Debug, Serialize)]
struct CurvePoint {
    /// What grows: `batch`, `width` or `side`.
    curve: &'static str,
    /// How large it is.
    at: usize,
}

/// Steps whose parts are timed.
const PART_STEPS: usize = 9;

/// The parts of a step with the gated regularizer, a row each, and which share of the step they are.
///
/// # Errors
/// When the device fails.
fn step_parts(step: &mut TrainingStep, id: &str, what: &str) -> Result<Vec<BenchTime>> {
    let mut times: [Vec<f64>; PARTS.len()] = Default::default();
    for _ in 0..PART_STEPS {
        for (part, time) in times.iter_mut().zip(step.parts()?) {
            part.push(time);
        }
    }
    let medians = times.map(median);
    let whole: f64 = medians.iter().sum();
    let part = |(name, time): (&str, f64)| {
        BenchTime::new(format!("{id}-{name}"), format!("{what}: {name}"), time, PART_STEPS)
            .with_note(format!("{:.1} % of the step", 100.0 * time / whole))
    };
    Ok(PARTS.into_iter().zip(medians).map(part).collect())
}

impl BenchTime {
    fn new(id: impl Into<String>, what: impl Into<String>, ours_ms: f64, n: usize) -> Self {
        Self { id: id.into(), what: what.into(), ours_ms, n, note: None, point: None }
    }

    fn with_note(self, note: String) -> Self {
        Self { note: Some(note), ..self }
    }
}

/// Runs the command.
pub fn run(args: &BenchArgs) -> Result<()> {
    if args.python.is_some() {
        output::status("--python has no effect: run `cargo xtask bench` to measure PyTorch and aihwkit");
    }
    let groups = args.only.map_or_else(|| Group::value_variants().to_vec(), |group| vec![group]);
    let mut rows = Vec::new();
    for group in groups {
        output::status(&format!("measuring: {group:?}").to_lowercase());
        rows.extend(group.measure(args)?);
    }
    let output = BenchOutput { schema_version: SCHEMA_VERSION, measurements: rows };
    output::print_result(args.json, &output, || describe(&output.measurements))
}

fn describe(rows: &[BenchTime]) -> String {
    let head = ["measured", "time", "note"].map(str::to_owned).to_vec();
    let line = |row: &BenchTime| {
        vec![row.what.clone(), format!("{:.1} ms", row.ours_ms), row.note.clone().unwrap_or_default()]
    };
    format::table(&[vec![head], rows.iter().map(line).collect()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_lists_times_and_notes() {
        let text = describe(&[BenchTime::new("step", "a step", 100.0, 5).with_note("cheap".to_owned())]);
        assert!(text.contains("a step") && text.contains("100.0 ms") && text.contains("cheap"), "{text}");
    }
}
