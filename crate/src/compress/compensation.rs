//! Compensation: the surviving weights are updated to make up for the pruned ones.
//!
//! If `w` are the weights of an output and `x` those after pruning, the mean square error of the output is
//! `(x - w)^T C (x - w)`, where `C` are the second moments of its inputs ([`crate::compress::calibration`]). With the
//! zeros fixed, minimizing it is a least squares problem in the remaining weights: Optimal Brain Surgeon (Hassibi and
//! Stork 1993) for all weights of an output at once. All outputs of a layer are solved together by conjugate gradients
//! with a diagonal preconditioner, one matrix product per iteration, on any device. A small ridge keeps weights bounded
//! where inputs always coincide.

use burn::tensor::{Tensor, TensorData};

use crate::checkpoint::{Checkpoint, NamedTensor};
use crate::compress::calibration::{ActivationStats, LayerStats};
use crate::device::ComputeDevice;
use crate::error::{Error, Result};

/// The action in error messages.
const ACTION: &str = "compensating pruned weights";
/// Added to the diagonal, relative to its mean.
const RIDGE: f64 = 1e-3;
/// The most iterations; each lowers the error.
const MAX_ITERATIONS: usize = 200;
/// The residual is checked once in this many iterations.
const CHECK_INTERVAL: usize = 10;
/// Convergence: the squared norm of the preconditioned residual, relative to its initial value.
const TOLERANCE: f32 = 1e-7;

/// Compensates the crossbar layers of a pruned checkpoint; zeros stay zero.
///
/// ```
/// # #[cfg(feature = "cpu")] pollster::block_on(async {
/// use burn::tensor::{Tensor, TensorData};
/// use crossdub::checkpoint::{Checkpoint, NamedTensor};
/// use crossdub::compress::calibration::{ActivationStats, LayerStats};
/// use crossdub::compress::compensation::compensate;
/// use crossdub::config::DeviceChoice;
/// use crossdub::device::ComputeDevice;
///
/// let device = ComputeDevice::open(&DeviceChoice::Cpu).await?;
/// // Two inputs with a correlation of 0.5.
/// let moments = Tensor::from_data(TensorData::new(vec![1.0_f32, 0.5, 0.5, 1.0], [2, 2]), &device.device);
/// let stats = LayerStats { name: "w".into(), mean_square: vec![1.0, 1.0], moments: Some(moments) };
/// let stats = ActivationStats { layers: vec![stats] };
/// let weights = |data: [f32; 2]| {
///     Checkpoint::new(vec![NamedTensor { name: "w".into(), shape: vec![1, 2, 1, 1], data: data.to_vec() }])
/// };
///
/// let compensated = compensate(&weights([1.0, 2.0]), weights([1.0, 0.0]), &stats, &device).await?;
/// // The first input makes up for half of the second.
/// let data = &compensated.get("w").unwrap().data;
/// assert!((data[0] - 2.0).abs() < 0.01 && data[1] == 0.0);
/// # Ok::<(), crossdub::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// When the statistics belong to another network or have no moments, or the device fails.
pub async fn compensate(
    dense: &Checkpoint,
    mut pruned: Checkpoint,
    stats: &ActivationStats,
    compute: &ComputeDevice,
) -> Result<Checkpoint> {
    for tensor in pruned.tensors.iter_mut().filter(|tensor| tensor.shape.len() == 4) {
        let (Some(before), Some(stats)) = (dense.get(&tensor.name), stats.get(&tensor.name)) else {
            let reason = "its inputs were not measured";
            return Err(Error::layer(ACTION, &*tensor.name, reason));
        };
        tensor.data = compensate_layer(before, tensor, stats, compute).await?;
    }
    Ok(pruned)
}

/// One layer's weights, by conjugate gradients on `mask * ((x - w) A) = 0`, one system per output.
///
/// # Shapes
/// - `dense`, `pruned`: `[out, in, kh, kw]`
/// - output: as many values
async fn compensate_layer(
    dense: &NamedTensor,
    pruned: &NamedTensor,
    stats: &LayerStats,
    compute: &ComputeDevice,
) -> Result<Vec<f32>> {
    let fail = |why: String| Error::device(&*compute.adapter, why);
    let outputs = pruned.shape[0];
    let rows = stats.mean_square.len();
    if pruned.data.len() != outputs * rows || dense.data.len() != pruned.data.len() {
        let reason = format!("{} weights do not fit {rows} inputs of {outputs} outputs", pruned.data.len());
        return Err(Error::layer(ACTION, &*pruned.name, reason));
    }
    let Some(moments) = stats.moments.as_ref() else {
        return Err(Error::layer(ACTION, &*pruned.name, "moments were not collected"));
    };
    let mean = stats.mean_square.iter().map(|&v| f64::from(v)).sum::<f64>() / rows as f64;
    // Without inputs, or without pruned weights, there is nothing to compensate.
    if mean <= 0.0 || dense.data == pruned.data {
        return Ok(pruned.data.clone());
    }
    let matrix =
        |data: Vec<f32>| Tensor::<2>::from_data(TensorData::new(data, [outputs, rows]), &compute.device);
    let mask = matrix(pruned.data.iter().map(|&weight| f32::from(u8::from(weight != 0.0))).collect());
    let ridge = mean * RIDGE;
    let times = |x: &Tensor<2>| x.clone().matmul(moments.clone()) + x.clone().mul_scalar(ridge);
    let diagonal: Vec<f32> = stats.mean_square.iter().map(|&v| 1.0 / (v + ridge as f32)).collect();
    let inverse = Tensor::<2>::from_data(TensorData::new(diagonal, [1, rows]), &compute.device);

    let start = matrix(pruned.data.clone());
    let mut residual = times(&(matrix(dense.data.clone()) - start.clone())) * mask.clone();
    let mut solution = start;
    let mut direction = residual.clone() * inverse.clone();
    let mut slope = (residual.clone() * direction.clone()).sum_dim(1);
    let mut first = None;
    for iteration in 0..MAX_ITERATIONS {
        if iteration.is_multiple_of(CHECK_INTERVAL) {
            let read = slope.clone().sum().into_data_async().await.map_err(|why| fail(format!("{why:?}")))?;
            let left = read.as_slice::<f32>().map_err(|why| fail(format!("{why:?}")))?[0];
            if left <= TOLERANCE * *first.get_or_insert(left) {
                break;
            }
        }
        let along = times(&direction) * mask.clone();
        // For an output that is already solved this is 0 / 0.
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
        return Err(fail(format!("compensating {} gave weights that are not finite", pruned.name)));
    }
    Ok(solved.iter().zip(&pruned.data).map(|(&x, &old)| if old == 0.0 { 0.0 } else { x }).collect())
}

/// Fits the steps of quantized crossbar layers: with the integers `q` fixed, the step of least mean square error of the
/// outputs is `q^T C w / q^T C q`, over all outputs that share it.
///
/// # Errors
/// When the statistics belong to another network or have no moments, or the device fails.
pub async fn fit_steps(
    dense: &Checkpoint,
    mut quantized: Checkpoint,
    stats: &ActivationStats,
    compute: &ComputeDevice,
) -> Result<Checkpoint> {
    let names: Vec<String> = quantized.layer_tensors().iter().map(|tensor| tensor.name.clone()).collect();
    for name in names {
        let fail = |why: &str| Error::layer(ACTION, &*name, why);
        let (Some(before), Some(stats)) = (dense.get(&name), stats.get(&name)) else {
            return Err(fail("its inputs were not measured"));
        };
        let moments = stats.moments.as_ref().ok_or_else(|| fail("moments were not collected"))?;
        let Some(mut quantizers) = quantized.quantizers(&name)? else { continue };
        let Some(tensor) = quantized.tensors.iter_mut().find(|tensor| tensor.name == name) else { continue };
        let (outputs, rows) = (tensor.shape[0], stats.mean_square.len());
        if tensor.data.len() != outputs * rows || before.data.len() != tensor.data.len() {
            return Err(fail("its weights do not fit its inputs"));
        }
        let matrix = |data: &[f32]| {
            Tensor::<2>::from_data(TensorData::new(data.to_vec(), [outputs, rows]), &compute.device)
        };
        let values = matrix(&tensor.data);
        let products = values.clone().matmul(moments.clone());
        let both =
            [products.clone() * matrix(&before.data), products * values].map(|product| product.sum_dim(1));
        let [mut over, mut under] = both;
        if quantizers.weights.steps.len() == 1 {
            (over, under) = (over.sum_dim(0), under.sum_dim(0));
        }
        let read = (over / under).into_data_async().await;
        let read = read.map_err(|why| Error::device(&*compute.adapter, format!("{why:?}")))?;
        let factors = read.as_slice::<f32>().map_err(|why| fail(&format!("{why:?}")))?;
        // An output without a set cell has no step to fit.
        let factor = |at: usize| Some(factors[at]).filter(|factor| factor.is_finite() && *factor > 0.0);
        for (at, step) in quantizers.weights.steps.iter_mut().enumerate() {
            *step *= factor(at).unwrap_or(1.0);
        }
        let shared = quantizers.weights.steps.len() == 1;
        for (at, row) in tensor.data.chunks_exact_mut(rows).enumerate() {
            let factor = factor(if shared { 0 } else { at }).unwrap_or(1.0);
            row.iter_mut().for_each(|weight| *weight *= factor);
        }
        quantized = quantized.with_quantizers(&name, &quantizers);
    }
    Ok(quantized)
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::config::DeviceChoice;

    /// `w = (1, 2)` on integers `(1, 1)` and inputs with a correlation of 0.5: 4.5 over 3.
    #[test]
    fn steps_are_fitted_to_the_outputs() {
        use crate::checkpoint::{LayerQuantizers, NamedTensor};
        use crate::crossbar::bit_planes::LayerQuantization;

        let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
        let moments = TensorData::new(vec![1.0_f32, 0.5, 0.5, 1.0], [2, 2]);
        let moments = Some(Tensor::from_data(moments, &compute.device));
        let stats = LayerStats { name: "w".to_owned(), mean_square: vec![1.0, 1.0], moments };
        let weights = |data: [f32; 2]| {
            let data = data.to_vec();
            Checkpoint::new(vec![NamedTensor { name: "w".to_owned(), shape: vec![1, 2, 1, 1], data }])
        };
        let quantization = LayerQuantization { precision: 2, steps: vec![1.0], caps: vec![], cells: None };
        let quantizers = LayerQuantizers { weights: quantization, inputs: None };
        let quantized = weights([1.0, 1.0]).with_quantizers("w", &quantizers);
        let stats = ActivationStats { layers: vec![stats] };
        let dense = weights([1.0, 2.0]);
        let fitted = fit_steps(&dense, quantized, &stats, &compute);
        let fitted = pollster::block_on(fitted).expect("fits");
        let step = fitted.steps("w").expect("quantized")[0];
        assert!((step - 1.5).abs() < 1e-5, "{step}");
        assert_eq!(fitted.get("w").expect("the layer").data, [step, step]);
    }

    /// Two inputs with a correlation of 0.5: the first makes up for half of the second.
    #[test]
    fn correlated_inputs_are_compensated() {
        let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
        let moments = TensorData::new(vec![1.0_f32, 0.5, 0.5, 1.0], [2, 2]);
        let stats = LayerStats {
            name: "w".to_owned(),
            mean_square: vec![1.0, 1.0],
            moments: Some(Tensor::from_data(moments, &compute.device)),
        };
        let weights = |data: &[f32]| {
            let tensor = NamedTensor { name: "w".to_owned(), shape: vec![3, 2, 1, 1], data: data.to_vec() };
            Checkpoint::new(vec![tensor])
        };
        // Nothing of the second output is pruned, everything of the third.
        let dense = weights(&[1.0, 2.0, 3.0, -1.0, 1.0, 1.0]);
        let pruned = weights(&[1.0, 0.0, 3.0, -1.0, 0.0, 0.0]);
        let stats = ActivationStats { layers: vec![stats] };
        let compensated = pollster::block_on(compensate(&dense, pruned, &stats, &compute)).expect("solves");
        let got = &compensated.tensors[0].data;
        assert!((got[0] - 2.0).abs() < 5e-3, "{got:?}");
        assert!((got[2] - 3.0).abs() < 1e-4 && (got[3] + 1.0).abs() < 1e-4, "{got:?}");
        assert!(got[1] == 0.0 && got[4] == 0.0 && got[5] == 0.0, "{got:?}");

        let other = ActivationStats { layers: Vec::new() };
        assert!(pollster::block_on(compensate(&dense, dense.clone(), &other, &compute)).is_err());
    }
}
