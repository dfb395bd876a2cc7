//! One gradient of a whole network and two steps against the CPU's, and the golden case of the regularizers against the
//! authors' code.

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use serde_json::Value;

use super::{DONE, StepOutcome, failed};
use crate::checkpoint::{Checkpoint, safetensors};
use crate::cli::commands::prove::context::Context;
use crate::cli::commands::prove::record::Recorder;
use crate::cli::files;
use crate::config::{DeviceChoice, RegularizerKind};
use crate::crossbar::tiling::TileShape;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::loss::{Lambdas, Regularizer};
use crate::train::self_test::{self, ALLOWED, exceeds, nan_max, relative_error};

/// The golden case.
const CASE: &str = "small_t16_ratio";
const KINDS: [(RegularizerKind, &str); 4] = [
    (RegularizerKind::Gated, "gated"),
    (RegularizerKind::Ungated, "ungated"),
    (RegularizerKind::MeanAndVariance, "mean_and_variance"),
    (RegularizerKind::GroupLassoTile, "group_lasso_tile"),
];

/// Compares both.
pub fn compare(context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    let compute = context.open_device()?;
    let cpu = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu))?;
    let expected = pollster::block_on(self_test::run(&cpu))?;
    let got = pollster::block_on(self_test::run(&compute))?;
    let error = relative_error(&got, &expected);
    let what = "a small network's gradient and two steps: largest difference from the CPU's, relative to the largest value";
    record.figure("gradient", what, error, "relative", got.len())?;
    let mut wrong = Vec::new();
    if exceeds(error, ALLOWED) {
        wrong.push(format!("gradient or steps differ by {error:.1e}, and {ALLOWED:.0e} is allowed"));
    }
    golden(context, &compute, record, &mut wrong)?;
    if wrong.is_empty() { Ok(DONE) } else { Ok(failed(wrong.join("; "))) }
}

/// Value and gradient of the regularizers on the golden weights.
fn golden(
    context: &Context,
    compute: &ComputeDevice,
    record: &mut Recorder,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let folder = context.bundle.join("golden");
    let (cases, weights) = (folder.join("cases.json"), folder.join(format!("{CASE}.weights.safetensors")));
    if !cases.is_file() || !weights.is_file() {
        let why = format!("{} has no golden case", folder.display());
        return record.missing("golden", "golden case of the regularizers", "relative", why);
    }
    let cases: Value = serde_json::from_slice(&files::read("reading the golden case", &cases)?)
        .map_err(|why| Error::file("reading the golden case", files::display_path(&cases), why))?;
    let case = cases.as_array().and_then(|cases| cases.iter().find(|case| case["name"] == CASE));
    let case = case.ok_or_else(|| Error::file("reading the golden case", CASE, "is not in cases.json"))?;
    let number = |key: &str| case[key].as_f64().unwrap_or(f64::NAN);
    let side = case["tile"].as_u64().unwrap_or(0) as usize;
    // As they are: to a reader of checkpoints the gradients of several regularizers look like several networks.
    let read = |file: &Path| safetensors::read(&files::read("reading the golden case", file)?);
    let weights = read(&weights)?;
    let expected = read(&folder.join(format!("{CASE}.expected.safetensors")))?;
    for (kind, name) in KINDS {
        let lambdas = Lambdas { main: number("lambda_variance"), mean: number("lambda_mean") };
        let tile = TileShape { rows: side, columns: side };
        let Some(regularizer) = Regularizer::new(kind, lambdas, tile) else { continue };
        let (loss, gradient, error) = evaluate(&regularizer, &weights, &expected, name, compute)?;
        let golden = number(&format!("loss_{name}"));
        let loss = ((loss - golden) / golden).abs();
        let title = name.replace('_', " ");
        let what = format!("golden case, {title}: value, relative difference from the authors'");
        record.figure(&format!("golden-{name}-value"), &what, loss, "relative", 1)?;
        let what =
            format!("golden case, {title}: gradient, largest difference relative to its largest value");
        record.figure(&format!("golden-{name}-gradient"), &what, error, "relative", gradient)?;
        if exceeds(loss, ALLOWED) || exceeds(error, ALLOWED) {
            wrong.push(format!("golden case, {title}: value off by {loss:.1e}, gradient by {error:.1e}"));
        }
    }
    Ok(())
}

/// The value, the number of the gradient's values, and the largest difference of a gradient.
fn evaluate(
    regularizer: &Regularizer,
    weights: &Checkpoint,
    expected: &Checkpoint,
    name: &str,
    compute: &ComputeDevice,
) -> Result<(f64, usize, f64)> {
    let fail = |why: String| Error::device(&*compute.adapter, why);
    let (mut loss, mut values, mut worst) = (0.0, 0, 0.0_f64);
    for tensor in &weights.tensors {
        let shape: [usize; 4] = tensor.shape.clone().try_into().unwrap_or([0; 4]);
        let weight = Tensor::<4>::from_data(TensorData::new(tensor.data.clone(), shape), &compute.device);
        let penalty = regularizer.evaluate(weight);
        // In one transfer.
        let both = Tensor::cat(vec![penalty.loss.reshape([1]), penalty.gradient.flatten(0, 3)], 0);
        let both = both.try_into_data().map_err(|why| fail(format!("{why:?}")))?;
        let both = both.as_slice::<f32>().map_err(|why| fail(format!("{why:?}")))?;
        let Some((value, gradient)) = both.split_first() else {
            return Err(fail("an empty result".to_owned()));
        };
        loss += f64::from(*value);
        let key = format!("grad_{name}.{}", tensor.name);
        let golden =
            expected.get(&key).ok_or_else(|| Error::file("reading the golden case", &key, "is missing"))?;
        values += gradient.len();
        worst = nan_max(worst, relative_error(gradient, &golden.data));
    }
    Ok((loss, values, worst))
}
