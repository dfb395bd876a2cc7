//! `crossdub evaluate`: accuracy of weights on held-out images.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::account;
use crate::cli::commands::onnx::{check_computes_onnx, classify};
use crate::cli::files;
use crate::cli::options::checkpoint::NetworkChoice;
use crate::cli::options::data::DataOptions;
use crate::cli::options::network::NetworkOptions;
use crate::cli::options::onnx::OnnxOptions;
use crate::cli::output;
use crate::cli::runs::inputs::{load_network, open_model_and_data};
use crate::config::{DeviceChoice, SCHEMA_VERSION};
use crate::device::ComputeDevice;
use crate::error::Result;
use crate::train::evaluate::{Evaluation, evaluate};

/// Measure the accuracy of weights on held-out images
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub evaluate run/weights.safetensors --model vgg-small --data cifar-10-batches-bin"
)]
pub struct EvaluateArgs {
    /// Weights: a PyTorch or safetensors file, its folder, the index of its shards, or an ONNX model
    weights: PathBuf,
    #[command(flatten)]
    choice: NetworkChoice,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    data: DataOptions,
    /// Device: auto, cpu, or another one that crossdub devices lists
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    #[command(flatten)]
    onnx: OnnxOptions,
    /// Print one JSON object
    #[arg(long, help_heading = None::<&'static str>)]
    json: bool,
}

#[derive(Serialize)]
struct EvaluateOutput {
    schema_version: u32,
    #[serde(flatten)]
    evaluation: Evaluation,
}

/// Runs the command.
pub fn run(args: &EvaluateArgs) -> Result<()> {
    if let Some(network) = files::open_onnx(&args.weights, &args.onnx.shapes())? {
        files::check_unused_choices(&args.choice.read_options())?;
        check_computes_onnx(&args.device)?;
        return print(args.json, classify::evaluate(&network, &args.weights, &args.network, &args.data)?);
    }
    let weights = files::read_weights_with(&args.weights, &args.choice.read_options())?;
    account::print_choice(&weights);
    let (config, data) = open_model_and_data(&args.network, &args.data, &args.weights, &weights)?;
    let compute = pollster::block_on(ComputeDevice::open(&args.device))?;
    let test = data.test();
    let network = load_network(&config, test.classes().len(), &weights, &compute)
        .map_err(|error| error.with_path(&files::display_path(&args.weights)))?;
    let evaluation = pollster::block_on(evaluate(&network, test, 0..test.len(), &compute))?;
    print(args.json, evaluation)
}

fn print(json: bool, evaluation: Evaluation) -> Result<()> {
    let result = EvaluateOutput { schema_version: SCHEMA_VERSION, evaluation };
    output::print_result(json, &result, || {
        let Evaluation { accuracy, top5, loss, images } = evaluation;
        format!("accuracy {accuracy:.2} % (top-5 {top5:.2} %), loss {loss:.4}, on {images} images\n")
    })
}
