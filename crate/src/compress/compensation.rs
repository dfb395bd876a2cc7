//! Compensation: the weights that pruning leaves take over from those that went.
//!
//! An output with weights `w`, of which `x` is left, errs by `(x - w)^T C (x - w)` in the mean square, `C`
//! being the second moments of its inputs ([`crate::compress::calibration`]). With the zeros fixed that is a least
//! squares problem in the others: Optimal Brain Surgeon's answer (Hassibi and Stork 1993) for all
//! weights of an output at once. All outputs of a layer are solved together by conjugate gradients
//! with the diagonal as preconditioner, a matrix product an iteration, on any device. A small ridge
//! keeps inputs that never differ from making weights large.

use burn::tensor::{Tensor, TensorData};

use crate::checkpoint::{Checkpoint, NamedTensor};
use crate::compress::calibration::{ActivationStats, LayerStats};
use crate::device::ComputeDevice;
use crate::error::{Error, Result};

/// Added to the diagonal, as a share of its mean.
const RIDGE: f64 = 1e-3;
/// The most iterations; the error falls with every one.
const MOST: usize = 200;
/// How often the residual is looked at.
const EVERY: usize = 10;
/// Enough: the preconditioned residual's squared norm, as a share of what it began with.
const ENOUGH: f32 = 1e-7;

/// The pruned checkpoint with its crossbar layers compensated; zeros stay zero.
///
/// # Errors
/// When the inputs are another network's, or the device fails.
pub async fn compensate(
    dense: &Checkpoint,
    mut pruned: Checkpoint,
    inputs: &ActivationStats,
    compute: &ComputeDevice,
) -> Result<Checkpoint> {
    for tensor in pruned.tensors.iter_mut().filter(|tensor| tensor.shape.len() == 4) {
        let (Some(before), Some(inputs)) = (dense.get(&tensor.name), inputs.get(&tensor.name)) else {
            let why = "its inputs are not known";
            return Err(Error::layer("compensating what was pruned", &*tensor.name, why));
        };
        tensor.data = layer(before, tensor, inputs, compute).await?;
    }
    Ok(pruned)
}

/// One layer's weights, by conjugate gradients on `mask * ((x - w) A) = 0`, a system for each output.
async fn layer(
    dense: &NamedTensor,
    pruned: &NamedTensor,
    inputs: &LayerStats,
    compute: &ComputeDevice,
) -> Result<Vec<f32>> {
    let fail = |why: String| Error::device(&*compute.adapter, why);
    let outputs = pruned.shape[0];
    let rows = inputs.mean_square.len();
    if pruned.data.len() != outputs * rows || dense.data.len() != pruned.data.len() {
        let why = format!("{} weights and {rows} inputs of {outputs} outputs", pruned.data.len());
        return Err(Error::layer("compensating what was pruned", &*pruned.name, why));
    }
    let Some(moments) = inputs.moments.as_ref() else {
        return Err(Error::layer("compensating what was pruned", &*pruned.name, "moments were not gathered"));
    };
    let mean = inputs.mean_square.iter().map(|&v| f64::from(v)).sum::<f64>() / rows as f64;
    // Where nothing arrives, or nothing was pruned, there is nothing to make up for.
    if mean <= 0.0 || dense.data == pruned.data {
        return Ok(pruned.data.clone());
    }
    let matrix =
        |data: Vec<f32>| Tensor::<2>::from_data(TensorData::new(data, [outputs, rows]), &compute.device);
    let mask = matrix(pruned.data.iter().map(|&weight| f32::from(u8::from(weight != 0.0))).collect());
    let ridge = mean * RIDGE;
    let times = |x: &Tensor<2>| x.clone().matmul(moments.clone()) + x.clone().mul_scalar(ridge);
    let diagonal: Vec<f32> = inputs.mean_square.iter().map(|&v| 1.0 / (v + ridge as f32)).collect();
    let inverse = Tensor::<2>::from_data(TensorData::new(diagonal, [1, rows]), &compute.device);

    let start = matrix(pruned.data.clone());
    let mut residual = times(&(matrix(dense.data.clone()) - start.clone())) * mask.clone();
    let mut solution = start;
    let mut direction = residual.clone() * inverse.clone();
    let mut slope = (residual.clone() * direction.clone()).sum_dim(1);
    let mut first = None;
    for iteration in 0..MOST {
        if iteration.is_multiple_of(EVERY) {
            let read = slope.clone().sum().into_data_async().await.map_err(|why| fail(format!("{why:?}")))?;
            let left = read.as_slice::<f32>().map_err(|why| fail(format!("{why:?}")))?[0];
            if left <= ENOUGH * *first.get_or_insert(left) {
                break;
            }
        }
        let along = times(&direction) * mask.clone();
        // An output that is solved already has 0 over 0.
        let tiny = f64::from(f32::MIN_POSITIVE);
        let curvature = (direction.clone() * along.clone()).sum_dim(1).clamp_min(tiny);
        let step = slope.clone() / curvature;
        solution = solution + direction.clone() * step.clone();
        residual = residual - along * step;
        let scaled = residual.clone() * inverse.clone();
        let next = (residual.clone() * scaled.clone()).sum_dim(1);
        direction = scaled + direction * (next.clone() / slope.clamp_min(tiny));
        slope = next;
    }
    let read = (solution * mask).into_data_async().await.map_err(|why| fail(format!("{why:?}")))?;
    let solved = read.as_slice::<f32>().map_err(|why| fail(format!("{why:?}")))?;
    if solved.iter().any(|weight| !weight.is_finite()) {
        return Err(fail(format!("compensating {} came to no finite weights", pruned.name)));
    }
    Ok(solved.iter().zip(&pruned.data).map(|(&x, &old)| if old == 0.0 { 0.0 } else { x }).collect())
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::config::DeviceChoice;

    /// Two inputs that correlate by 0.5: the first makes up for half of what the second gave.
    #[test]
    fn an_input_takes_over_what_it_shares_with_another() {
        let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
        let moments = TensorData::new(vec![1.0_f32, 0.5, 0.5, 1.0], [2, 2]);
        let inputs = LayerStats {
            name: "w".to_owned(),
            mean_square: vec![1.0, 1.0],
            moments: Some(Tensor::from_data(moments, &compute.device)),
        };
        let weights = |data: &[f32]| {
            let tensor = NamedTensor { name: "w".to_owned(), shape: vec![3, 2, 1, 1], data: data.to_vec() };
            Checkpoint::new(vec![tensor])
        };
        // The second output lost nothing, the third everything.
        let dense = weights(&[1.0, 2.0, 3.0, -1.0, 1.0, 1.0]);
        let pruned = weights(&[1.0, 0.0, 3.0, -1.0, 0.0, 0.0]);
        let inputs = ActivationStats { layers: vec![inputs] };
        let answer = pollster::block_on(compensate(&dense, pruned, &inputs, &compute)).expect("solves");
        let got = &answer.tensors[0].data;
        assert!((got[0] - 2.0).abs() < 5e-3, "{got:?}");
        assert!((got[2] - 3.0).abs() < 1e-4 && (got[3] + 1.0).abs() < 1e-4, "{got:?}");
        assert!(got[1] == 0.0 && got[4] == 0.0 && got[5] == 0.0, "{got:?}");

        let other = ActivationStats { layers: Vec::new() };
        assert!(pollster::block_on(compensate(&dense, dense.clone(), &other, &compute)).is_err());
    }
}
