//! `crossdub export`: a network as an ONNX model, or its integers.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::checkpoint::{Checkpoint, safetensors};
use crate::cli::account;
use crate::cli::files;
use crate::cli::options::checkpoint::NetworkChoice;
use crate::cli::options::network::NetworkOptions;
use crate::cli::output;
use crate::config::SCHEMA_VERSION;
use crate::error::{Error, Result};
use crate::network::NetworkSpec;
use crate::network::spec::infer_classes;
use crate::onnx::export;

/// Write a network as an ONNX model, or its integers as safetensors
///
/// In ONNX, batch normalizations are folded into the convolutions. Layers that were trained quantized keep their
/// integers (int8 weights with scales, inputs between QuantizeLinear and DequantizeLinear). In safetensors their weights
/// are int8, with a weight_scale beside each; all else stays float32.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub export run/weights.safetensors --model vgg-small --out network.onnx\n         \
    crossdub export run/weights.safetensors --out integers.safetensors"
)]
pub struct ExportArgs {
    /// Weights: a PyTorch or safetensors file, its folder, or the index of its shards
    weights: PathBuf,
    #[command(flatten)]
    choice: NetworkChoice,
    #[command(flatten)]
    network: NetworkOptions,
    /// The file to write: its ending, .onnx or .safetensors, says the format
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long, help_heading = None::<&'static str>)]
    json: bool,
}

#[derive(Serialize)]
struct ExportOutput {
    schema_version: u32,
    /// The file that was written.
    file: String,
    bytes: usize,
    /// Convolutions of the network.
    convolutions: usize,
    /// Those of them that were written as integers.
    quantized: usize,
    /// Fully connected layers.
    linear: usize,
    /// Those of them that were written as integers.
    quantized_linear: usize,
}

/// Runs the command.
pub fn run(args: &ExportArgs) -> Result<()> {
    let weights = files::read_weights_with(&args.weights, &args.choice.read_options())?;
    account::print_choice(&weights);
    let with_path = |error: Error| error.with_path(&files::display_path(&args.weights));
    let bytes = match args.out.extension().and_then(|ending| ending.to_str()) {
        Some("onnx") => export::model(&spec(args, &weights)?, &weights).map_err(with_path)?,
        Some("safetensors") => {
            safetensors::write_integers(&weights, weights.metadata()).map_err(with_path)?
        }
        _ => {
            let why = "must end in .onnx or .safetensors";
            return Err(Error::field("out", files::display_path(&args.out), why));
        }
    };
    files::write("writing a network", &args.out, &bytes)?;
    let is_quantized = |name: &str| weights.quantizers(name).is_ok_and(|quantizers| quantizers.is_some());
    let count = |dimensions: usize| {
        let layers = weights.tensors.iter().filter(|tensor| tensor.shape.len() == dimensions);
        (layers.clone().filter(|tensor| is_quantized(&tensor.name)).count(), layers.count())
    };
    let ((quantized, convolutions), (quantized_linear, linear)) = (count(4), count(2));
    let result = ExportOutput {
        schema_version: SCHEMA_VERSION,
        file: files::display_path(&args.out),
        bytes: bytes.len(),
        convolutions,
        quantized,
        linear,
        quantized_linear,
    };
    output::print_result(args.json, &result, || {
        let ExportOutput { file, bytes, convolutions, .. } = &result;
        let mut text = format!("{file}: {bytes} bytes, {quantized} of {convolutions} convolutions");
        if quantized_linear > 0 {
            text += &format!(" and {quantized_linear} of {linear} fully connected layers");
        }
        text + " as integers\n"
    })
}

/// The network that the options name, with as many classes as the weights have outputs.
fn spec(args: &ExportArgs, weights: &Checkpoint) -> Result<NetworkSpec> {
    let classes = infer_classes(weights).ok_or_else(|| {
        Error::file("exporting", files::display_path(&args.weights), "no layer gives class scores")
    })?;
    NetworkSpec::from_config(&args.network.config()?, classes)
}
