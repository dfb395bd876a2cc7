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
use crate::cli::runs::inputs::follow_images;
use crate::config::{HardwareConfig, SCHEMA_VERSION};
use crate::crossbar::quantize::QuantizedMatrix;
use crate::data::standardization::InputMetadata;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::network::NetworkSpec;
use crate::network::spec::infer_classes;
use crate::onnx::export;
use crate::report::IntegerWeights;

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

/// What is written.
#[derive(Clone, Copy)]
enum Format {
    /// A model, in which layers without integers of 8 bits are floats.
    Onnx,
    /// The integers of weights that were trained quantized.
    Integers,
}

/// Runs the command.
pub fn run(args: &ExportArgs) -> Result<()> {
    // The integers that are written have lost the floats that training goes on from.
    files::check_distinct_outputs(&[("weights", Some(&args.weights)), ("out", Some(&args.out))])?;
    let weights = files::read_weights_with(&args.weights, &args.choice.read_options())?;
    account::print_choice(&weights);
    let with_path = |error: Error| error.with_path(&files::display_path(&args.weights));
    let format = match args.out.extension().and_then(|ending| ending.to_str()) {
        Some("onnx") => Format::Onnx,
        Some("safetensors") => Format::Integers,
        _ => {
            let why = "must end in .onnx or .safetensors";
            return Err(Error::field("out", files::display_path(&args.out), why));
        }
    };
    let bytes = match format {
        Format::Onnx => export::model(&spec(args, &weights)?, &weights),
        Format::Integers => safetensors::write_integers(&weights, weights.metadata()),
    };
    let bytes = bytes.map_err(with_path)?;
    files::write("writing a network", &args.out, &bytes)?;
    // A safetensors file holds the integers of quantized training alone; a model also those of another tool's checkpoint.
    let layers = weights.matrices(true)?;
    let is_integer = |matrix: &&Matrix| match format {
        Format::Onnx => QuantizedMatrix::from_integers(matrix, &HardwareConfig::default()).is_some(),
        Format::Integers => weights.quantizers(&matrix.name).is_ok_and(|quantizers| quantizers.is_some()),
    };
    let count = |dimensions: usize| {
        let is_one = |matrix: &&Matrix| {
            weights.get(&matrix.name).is_some_and(|tensor| tensor.shape.len() == dimensions)
        };
        let layers = layers.iter().filter(is_one);
        (layers.clone().filter(is_integer).count(), layers.count())
    };
    let ((quantized, convolutions), (quantized_linear, linear)) = (count(4), count(2));
    print_notes(&layers, format);
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

/// Says what became of integers that int8 can't hold.
fn print_notes(layers: &[Matrix], format: Format) {
    let IntegerWeights { wide, least, .. } = IntegerWeights::new(layers, &HardwareConfig::default());
    if least > 0 {
        output::status(&format!("note: {least} weights are -128, written as -127"));
    }
    if let (1.., Format::Onnx) = (wide, format) {
        let layers = if wide == 1 { "layer" } else { "layers" };
        output::status(&format!(
            "note: the integers of {wide} {layers} take more than 8 bits: written as floats"
        ));
    }
}

/// The network that the options name, with as many classes as the weights have outputs.
fn spec(args: &ExportArgs, weights: &Checkpoint) -> Result<NetworkSpec> {
    let classes = infer_classes(weights).ok_or_else(|| {
        Error::file("exporting", files::display_path(&args.weights), "no layer gives class scores")
    })?;
    let mut config = args.network.config()?;
    follow_images(&mut config, &InputMetadata::images_from_map(weights.metadata()));
    config.validate()?;
    NetworkSpec::from_config(&config, classes)
}
