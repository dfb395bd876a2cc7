//! `crossdub analyze`: maps a checkpoint to crossbars and measures sparsity and ADC energy.

mod inference;

use std::path::PathBuf;

use clap::Args;

use crate::cli::commands::onnx::layers::MappedLayers;
use crate::cli::files::{self, AdcPlanFile};
use crate::cli::options::checkpoint::CheckpointOptions;
use crate::cli::options::crossbar::CrossbarOptions;
use crate::cli::options::inference::InferenceOptions;
use crate::cli::options::onnx::OnnxOptions;
use crate::cli::output;
use crate::cli::{account, format};
use crate::config::{ConversionFields, HardwareConfig};
use crate::error::Result;
use crate::onnx::OnnxNetwork;
use crate::report::{self, Analysis, analyze};

/// Map weights to crossbars; report sparsity, levels and ADC energy
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub analyze resnet18.pth --tile 64 --json\n         \
                        crossdub analyze small.pth --model vgg-small --per-inference --adc all\n         \
                        crossdub analyze vit.onnx --linear --per-inference")]
pub struct AnalyzeArgs {
    /// Weights: a PyTorch or safetensors file, its folder, the index of its shards, or an ONNX model
    weights: PathBuf,
    #[command(flatten)]
    checkpoint: CheckpointOptions,
    #[command(flatten)]
    crossbar: CrossbarOptions,
    /// ADC model: one that crossdub adc lists, a TOML file with your own, or all
    #[arg(long, value_name = "MODEL")]
    adc: Option<String>,
    /// Also write the bits that each tile's converters need, one row per tile (.csv or .json)
    #[arg(long, value_name = "FILE")]
    adc_plan: Option<PathBuf>,
    #[command(flatten)]
    conversions: ConversionFields,
    #[command(flatten)]
    inference: InferenceOptions,
    /// Also map fully connected layers (2-D tensors)
    #[arg(long, help_heading = None::<&'static str>)]
    linear: bool,
    #[command(flatten)]
    onnx: OnnxOptions,
    /// Print one JSON object
    #[arg(long, help_heading = None::<&'static str>)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &AnalyzeArgs) -> Result<()> {
    let adc_plan = args.adc_plan.as_deref().map(AdcPlanFile::new).transpose()?;
    let conversions = ConversionFields { per: args.inference.granularity()?, ..args.conversions.clone() };
    let hardware = args.crossbar.hardware(conversions)?;
    let options = args.checkpoint.read_options()?;
    if let Some(network) = files::open_onnx(&args.weights, &args.onnx.shapes())? {
        files::check_unused_choices(&options)?;
        return run_onnx(args, &hardware, &network, adc_plan.as_ref());
    }
    let weights = files::read_weights_with(&args.weights, &options)?;
    let (mut checkpoint, linear) = (weights.account(args.linear), weights.linear_names());
    let metadata = weights.metadata().clone();
    let layers = weights
        .into_matrices(args.linear)
        .map_err(|error| error.with_path(&files::display_path(&args.weights)))?;
    let positions = || {
        let positions = args.inference.positions(&linear, &layers, &metadata);
        positions.map_err(|error| error.with_path(&files::display_path(&args.weights)))
    };
    let inference = args.inference.config(args.adc.as_deref(), positions)?;
    let mut analysis = analyze(&layers, &hardware);
    checkpoint.notes.extend(report::integer_weights_note(&layers, &hardware));
    analysis.checkpoint = Some(checkpoint);
    if let Some(inference) = inference {
        analysis.inference = Some(report::inference(&layers, &hardware, &inference)?);
    }
    if let Some(file) = adc_plan {
        file.write(&layers, &hardware)?;
    }
    if let Some(checkpoint) = &analysis.checkpoint {
        account::print(checkpoint, analysis.weights, true);
    }
    output::print_result(args.json, &analysis, || describe(&analysis, args.adc.as_deref()))
}

/// Analyzes a model, whose graph says how often each layer is used.
fn run_onnx(
    args: &AnalyzeArgs,
    hardware: &HardwareConfig,
    network: &OnnxNetwork,
    adc_plan: Option<&AdcPlanFile<'_>>,
) -> Result<()> {
    let mut mapped = MappedLayers::new(network, &args.weights, args.linear)?;
    let positions = || mapped.positions(&args.weights).map(Some);
    let inference = args.inference.config(args.adc.as_deref(), positions)?;
    let layers = &mapped.matrices;
    let mut analysis = analyze(layers, hardware);
    mapped.account.notes.extend(report::integer_weights_note(layers, hardware));
    account::print(&mapped.account, analysis.weights, true);
    analysis.checkpoint = Some(mapped.account);
    if let Some(inference) = inference {
        analysis.inference = Some(report::inference(layers, hardware, &inference)?);
    }
    if let Some(file) = adc_plan {
        file.write(layers, hardware)?;
    }
    output::print_result(args.json, &analysis, || describe(&analysis, args.adc.as_deref()))
}

fn describe(analysis: &Analysis, adc: Option<&str>) -> String {
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
            format::percentage(layer.zeros, layer.weights),
            format!("{:.2} %", 100.0 * least),
        ]);
    }
    let (model, energy) = match adc {
        Some("lossless") => ("lossless", &analysis.energy.lossless),
        _ => ("paper", &analysis.energy.paper),
    };
    let inference =
        analysis.inference.as_ref().map(|inference| inference::describe(inference, analysis.weight_bits));
    format!(
        "{} weights in {} {} of {} rows; {} are exactly zero, {} are at most {} in magnitude\n\
         ADC energy improvement ({}): {}\n\n{}\n{}\n{}{}",
        format::grouped(analysis.weights),
        format::grouped(analysis.tiles),
        if analysis.tiles == 1 { "tile" } else { "tiles" },
        analysis.tile,
        format::percentage(analysis.zeros, analysis.weights),
        format::percentage(analysis.almost_zeros, analysis.weights),
        analysis.tol,
        model,
        format::improvement(energy.improvement),
        format::table(&rows),
        format::level_table(&analysis.histogram, Some(&analysis.almost_zero_histogram)),
        format::energy_table(&analysis.energy),
        inference.unwrap_or_default(),
    )
}
