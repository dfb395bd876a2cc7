//! `crossdub analyze`: maps a checkpoint to crossbars and counts.

use std::path::PathBuf;

use clap::Args;

use super::arguments::HardwareOptions;
use super::{files, human, output};
use crate::adc::{Energy, Model};
use crate::error::Result;
use crate::report::{Analysis, analyze};

/// Maps weights to crossbars; counts sparsity, levels and ADC energy
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub analyze resnet18.pth --tile 64 --json")]
pub struct Options {
    /// Weights: .safetensors, or a PyTorch .pt or .pth state dict
    weights: PathBuf,
    #[command(flatten)]
    hardware: HardwareOptions,
    /// Model of the ADC whose improvement is named first: paper or lossless
    #[arg(long, default_value = "paper", value_name = "MODEL")]
    adc: String,
    /// Maps fully connected layers (2-D tensors) too
    #[arg(long)]
    linear: bool,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(options: &Options) -> Result<()> {
    let hardware = options.hardware.spec()?;
    let model = Model::from_id(&options.adc)?;
    let weights = files::read_weights(&options.weights)?;
    let layers =
        weights.matrices(options.linear).map_err(|error| error.in_file(&files::name(&options.weights)))?;
    let analysis = analyze(&layers, &hardware);
    output::report(options.json, &analysis, || describe(&analysis, model))
}

fn describe(analysis: &Analysis, model: Model) -> String {
    let head =
        ["layer", "outputs", "inputs", "tiles", "zeros", "least sparse tile"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    for layer in &analysis.layers {
        let least = layer.tile_sparsity.iter().copied().fold(f64::INFINITY, f64::min);
        rows.push(vec![
            layer.name.clone(),
            layer.outputs.to_string(),
            layer.inputs.to_string(),
            layer.tiles.to_string(),
            human::percent(layer.zeros, layer.weights),
            format!("{:.2} %", 100.0 * least),
        ]);
    }
    let energy: &Energy = match model {
        Model::Paper => &analysis.energy.paper,
        Model::Lossless => &analysis.energy.lossless,
    };
    format!(
        "{} weights in {} tiles of {} rows; {} exactly zero, {} of magnitude up to {}\n\
         ADC energy improvement ({}): {}\n\n{}\n{}\n{}",
        analysis.weights,
        analysis.tiles,
        analysis.tile,
        human::percent(analysis.zeros, analysis.weights),
        human::percent(analysis.almost_zeros, analysis.weights),
        analysis.tol,
        model.id(),
        human::ratio(energy.improvement),
        human::table(&rows),
        human::histogram(&analysis.histogram, Some(&analysis.almost_zero_histogram)),
        human::energies(&analysis.energy),
    )
}
