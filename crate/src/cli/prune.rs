//! `crossdub prune`: cuts weights to discrete levels.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::arguments::HardwareOptions;
use super::converter_options::ConversionOptions;
use super::{files, human, output};
use crate::crossbar::prune::{Outcome, Rule, Threshold, prune};
use crate::crossbar::tiling::TileShape;
use crate::error::Result;
use crate::report::{Analysis, Energies, analyze};
use crate::spec::SCHEMA_VERSION;
use crate::weights::safetensors;

/// Cuts every tile to a discrete level of sparsity
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub prune run/weights.safetensors --out pruned.safetensors --tile 32 --ratios 20,80,95"
)]
pub struct Options {
    /// Weights: .safetensors, or a PyTorch .pt or .pth state dict
    weights: PathBuf,
    /// Writes the pruned weights, all tensors under their names
    #[arg(long, value_name = "P.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    hardware: HardwareOptions,
    /// How a column is brought to its tile's level
    #[arg(long, value_enum, default_value_t = RuleName::Exact)]
    rule: RuleName,
    /// One prune ratio a layer, in percent: what counts as almost zero, instead of --tol
    #[arg(long, value_delimiter = ',', value_name = "PERCENT,...")]
    ratios: Option<Vec<f64>>,
    /// Also writes the masks: 1 where a weight stays
    #[arg(long, value_name = "M.safetensors")]
    masks: Option<PathBuf>,
    /// Also writes what each tile's converters need, one line a tile: .csv or .json
    #[arg(long, value_name = "FILE")]
    adc_plan: Option<PathBuf>,
    #[command(flatten)]
    conversions: ConversionOptions,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// A pruning rule's name.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RuleName {
    /// Each column keeps exactly its share of largest weights
    Exact,
    /// The authors' percentile of each column
    Paper,
}

#[derive(Serialize)]
struct Answer {
    schema_version: u32,
    rule: Rule,
    weights: usize,
    zeros: usize,
    #[serde(flatten)]
    outcome: Outcome,
    histogram_before: Vec<u64>,
    histogram: Vec<u64>,
    energy: Energies,
}

/// Runs the command.
pub fn run(options: &Options) -> Result<()> {
    let hardware = options.conversions.apply(&options.hardware.spec()?)?;
    let rule = match options.rule {
        RuleName::Exact => Rule::Exact,
        RuleName::Paper => Rule::Paper,
    };
    let threshold = options.ratios.clone().map_or(Threshold::Tolerance(hardware.tol), Threshold::Ratios);
    let weights = files::read_weights(&options.weights)?;
    let mut layers =
        weights.matrices(false).map_err(|error| error.in_file(&files::name(&options.weights)))?;
    let before = analyze(&layers, &hardware);
    let outcome = prune(&mut layers, TileShape::from(&hardware), rule, &threshold)?;
    let after = analyze(&layers, &hardware);
    let pruned = weights.with_layers(layers);
    if let Some(path) = &options.masks {
        files::write("writing masks", path, &safetensors::write(&pruned.masks())?)?;
    }
    if let Some(path) = &options.adc_plan {
        files::write_adc_plan(path, &pruned.matrices(false)?, &hardware)?;
    }
    files::write("writing pruned weights", &options.out, &safetensors::write(&pruned)?)?;
    let answer = answer(rule, outcome, before, after);
    output::report(options.json, &answer, || describe(&answer))
}

fn answer(rule: Rule, outcome: Outcome, before: Analysis, after: Analysis) -> Answer {
    Answer {
        schema_version: SCHEMA_VERSION,
        rule,
        weights: after.weights,
        zeros: after.zeros,
        outcome,
        histogram_before: before.histogram,
        histogram: after.histogram,
        energy: after.energy,
    }
}

fn describe(answer: &Answer) -> String {
    format!(
        "{} of {} weights are zero; {} tiles forced to the next level, {} kept at theirs, {} set to zero\n\n{}\n{}",
        human::percent(answer.zeros, answer.weights),
        answer.weights,
        answer.outcome.forced,
        answer.outcome.loosened,
        answer.outcome.zeroed_tiles,
        human::histogram(&answer.histogram, None),
        human::energies(&answer.energy),
    )
}
