//! `crossdub regularize`: evaluates a regularizer and its gradient once.

use std::collections::HashSet;
use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData};
use clap::Args;
use serde::Serialize;

use crate::checkpoint::{Checkpoint, safetensors};
use crate::cli::account;
use crate::cli::files;
use crate::cli::options::checkpoint::CheckpointOptions;
use crate::cli::options::crossbar::CrossbarOptions;
use crate::cli::output;
use crate::config::{ConversionFields, DeviceChoice, RegularizerKind, SCHEMA_VERSION};
use crate::crossbar::tiling::{TileShape, Tiling};
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::loss::{Lambdas, Regularizer};
use crate::matrix::Matrix;

/// Evaluate a regularizer and its gradient on weights, once
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub regularize vgg.safetensors --kind gated --lambda 1e-3 --grad gradient.safetensors"
)]
pub struct RegularizeArgs {
    /// Weights: a PyTorch or safetensors file, its folder, or the index of its shards
    weights: PathBuf,
    #[command(flatten)]
    checkpoint: CheckpointOptions,
    #[command(flatten)]
    crossbar: CrossbarOptions,
    /// Regularizer: gated, ungated, mean-and-variance, mean-and-gated-variance, group-lasso-tile, group-lasso-row or group-lasso-column
    #[arg(long)]
    kind: String,
    /// Weight of the variance or of the group norms
    #[arg(long)]
    lambda: f64,
    /// Weight of the mean, for the kinds that have it
    #[arg(long, default_value_t = 0.0)]
    lambda_mean: f64,
    /// Write the gradients to a file, under the weights' names
    #[arg(long, value_name = "OUT.safetensors")]
    grad: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct RegularizeOutput {
    schema_version: u32,
    kind: RegularizerKind,
    loss: f64,
    tiles: usize,
}

/// Runs the command.
pub fn run(args: &RegularizeArgs) -> Result<()> {
    files::check_distinct_outputs(&[("weights", Some(&args.weights)), ("grad", args.grad.as_deref())])?;
    let hardware = args.crossbar.hardware(ConversionFields::default())?;
    let (kind, tile) = (parse_kind(&args.kind)?, TileShape::from(&hardware));
    let main = non_negative("lambda", args.lambda)?;
    let lambdas = Lambdas { main, mean: non_negative("lambda_mean", args.lambda_mean)? };
    let regularizer = Regularizer::new(kind, lambdas, tile).ok_or_else(|| unknown_kind(&args.kind))?;
    let weights = files::read_weights_with(&args.weights, &args.checkpoint.read_options()?)?;
    account::print_choice(&weights);
    let matrices =
        weights.matrices(false).map_err(|error| error.with_path(&files::display_path(&args.weights)))?;
    let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu))?;
    let (mut loss, mut tiles, mut gradients) = (0.0, 0, Vec::new());
    for matrix in &matrices {
        let (value, gradient) = evaluate(&regularizer, matrix, &compute)?;
        if !value.is_finite() || gradient.data.iter().any(|part| !part.is_finite()) {
            let place = format!("{}, {}", files::display_path(&args.weights), matrix.name);
            let why =
                "its value or gradient is not finite: the weights or lambda are too large for 32-bit floats";
            return Err(Error::file("computing the regularizer", place, why));
        }
        loss += value;
        tiles += Tiling::new(matrix, tile).len();
        gradients.push(gradient);
    }
    if let Some(path) = &args.grad {
        // In the file's own layout, and the layers alone.
        let names: HashSet<&str> = matrices.iter().map(|matrix| &*matrix.name).collect();
        let all = weights.with_layers(gradients).tensors;
        let layers = all.into_iter().filter(|tensor| names.contains(&*tensor.name)).collect();
        let bytes = safetensors::write(&Checkpoint::new(layers))?;
        files::write("writing gradients", path, &bytes)?;
    }
    let result = RegularizeOutput { schema_version: SCHEMA_VERSION, kind, loss, tiles };
    output::print_result(args.json, &result, || format!("{}: {loss} over {tiles} tiles\n", args.kind))
}

fn parse_kind(name: &str) -> Result<RegularizerKind> {
    serde_json::from_value(serde_json::Value::from(name)).map_err(|_| unknown_kind(name))
}

fn unknown_kind(name: &str) -> Error {
    let known =
        "gated, ungated, mean-and-variance, mean-and-gated-variance or group-lasso-tile, -row, -column";
    Error::field("kind", name, format!("must be one of {known}"))
}

fn non_negative(field: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(Error::field(field, value, "must be 0 or more"))
    }
}

/// The loss and gradient of one layer. Its groups are crossbars of their own.
fn evaluate(regularizer: &Regularizer, matrix: &Matrix, compute: &ComputeDevice) -> Result<(f64, Matrix)> {
    let rows = matrix.rows / matrix.groups.max(1);
    let fail = |why: String| Error::device(&*compute.adapter, why);
    let (mut sum, mut gradient) = (0.0, Vec::with_capacity(matrix.data.len()));
    for group in matrix.data.chunks((rows * matrix.cols).max(1)) {
        let data = TensorData::new(group.to_vec(), [rows, matrix.cols, 1, 1]);
        let penalty = regularizer.evaluate(Tensor::from_data(data, &compute.device));
        let read =
            pollster::block_on(penalty.gradient.into_data_async()).map_err(|why| fail(format!("{why:?}")))?;
        gradient.extend_from_slice(read.as_slice::<f32>().map_err(|why| fail(format!("{why:?}")))?);
        let loss =
            pollster::block_on(penalty.loss.into_data_async()).map_err(|why| fail(format!("{why:?}")))?;
        let loss = loss.as_slice::<f32>().map_err(|why| fail(format!("{why:?}")))?;
        sum += f64::from(loss.first().copied().unwrap_or_default());
    }
    Ok((sum, Matrix { data: gradient, ..matrix.clone() }))
}
