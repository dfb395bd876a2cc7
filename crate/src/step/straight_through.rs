//! Gradients through quantized weights.
//!
//! The forward pass runs on weights `s q`, and its gradient `g` by them is handed to the weights `w` that are trained.
//! Where `q` is the nearest integer of `w / s`, it passes unchanged (straight-through), and the step's gradient is
//! `g (q - w / s)`. Beyond the largest integer `w` has none and `s` has `g q`: LSQ (Esser et al., arXiv 1902.08153).
//! Where a cap has moved `q` to another integer, `w` still gets `g`, so that it may win its cell back, and `s` gets
//! `g q`. The step's gradient is divided by `sqrt(N Q)`, for `N` weights that share it and the largest integer `Q`.
//!
//! Half the squared distance `(w - s q)^2` of the weights that caps have moved, times `lambda`, may be added to the loss;
//! its gradient pulls them to where they may be (like BinaryRelax, Yin et al., arXiv 1801.06313).

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::network::Network;

/// The weights of a forward pass: those of `network` with these values in its first layers, in the order of
/// [`Network::quantizable_layers`].
pub(crate) fn with_quantized_weights(network: &Network, values: Vec<Vec<f32>>) -> Network {
    let mut weights = GradientsParams::new();
    for (layer, values) in network.quantizable_layers().into_iter().zip(values) {
        layer.put_values(&mut weights, values);
    }
    network.clone().map(&mut ReplaceWeights { weights })
}

struct ReplaceWeights {
    weights: GradientsParams,
}

impl ModuleMapper for ReplaceWeights {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.weights.remove::<D>(param.id) {
            Some(values) => param.map(|_| Tensor::from_inner(values).require_grad()),
            None => param,
        }
    }
}

/// Turns the gradients by the weights of the forward pass into those of the trained weights and of their steps.
/// `largest` is the largest integer of each quantized layer's weights. Returns the sum of the weighted distances, one element.
pub(crate) fn pass_gradients(
    network: &Network,
    quantized: &Network,
    largest: &[i16],
    lambda: f64,
    gradients: &mut GradientsParams,
) -> Option<Tensor<1>> {
    let mut total: Option<Tensor<1>> = None;
    let pairs = network.quantizable_layers().into_iter().zip(quantized.quantizable_layers());
    for (((layer, used), quantizer), &largest) in pairs.zip(network.quantizers()).zip(largest) {
        let Some(quantizer) = quantizer else { continue };
        let Some(gradient) = layer.take(gradients) else { continue };
        let step = &quantizer.weight_step;
        let limits = Limits { largest: f32::from(largest), lambda: lambda as f32 };
        let passed = pass(layer.weight(), used.weight(), step.val().inner(), gradient, limits);
        layer.put(gradients, passed.weight);
        gradients.register(step.id, passed.step);
        total = Some(match total {
            Some(sum) => sum + passed.distance,
            None => passed.distance,
        });
    }
    total
}

/// What bounds a layer's weights.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// The largest integer.
    pub largest: f32,
    /// Weight of the distance to the caps.
    pub lambda: f32,
}

/// What a layer's gradient becomes.
pub(super) struct Passed {
    /// The gradient by the weights, `[out, in, kh, kw]`.
    pub weight: Tensor<4>,
    /// The gradient by the steps, `[1]` or `[out]`.
    pub step: Tensor<1>,
    /// The weighted distance to the caps, one element.
    pub distance: Tensor<1>,
}

/// The gradients by a layer's weights and by its steps.
///
/// # Shapes
/// - `weight`, `used`, `gradient`: `[out, in, kh, kw]`
/// - `step`: `[1]` or `[out]`
fn pass(weight: Tensor<4>, used: Tensor<4>, step: Tensor<1>, gradient: Tensor<4>, limits: Limits) -> Passed {
    #[cfg(feature = "cpu")]
    if crate::kernels::fits_cpu(&weight) {
        return super::cpu_straight_through::pass(weight, used, step, gradient, limits);
    }
    #[cfg(all(feature = "web", not(feature = "webgpu")))]
    unreachable!("the page's module for the CPU computes in float32 on the CPU alone");
    #[cfg(not(all(feature = "web", not(feature = "webgpu"))))]
    pass_on_device(weight, used, step, gradient, limits)
}

/// The same with Burn's operations, for other devices than the CPU.
///
/// # Shapes
/// - `weight`, `used`, `gradient`: `[out, in, kh, kw]`
/// - `step`: `[1]` or `[out]`
#[cfg(not(all(feature = "web", not(feature = "webgpu"))))]
fn pass_on_device(
    weight: Tensor<4>,
    used: Tensor<4>,
    step: Tensor<1>,
    gradient: Tensor<4>,
    Limits { largest, lambda }: Limits,
) -> Passed {
    let [outputs, inputs, height, width] = weight.dims();
    let [steps] = step.dims();
    let sharing = (outputs / steps.max(1) * inputs * height * width) as f64;
    let step = step.reshape([steps, 1, 1, 1]);
    let ratio = weight.clone() / step.clone();
    let integer = used.clone() / step;
    let nearest = ratio.clone().round().clamp(-largest, largest);
    let moved = (integer.clone() - nearest).abs().greater_elem(0.5);
    let beyond = ratio.clone().abs().greater_elem(largest);
    // `q - w / s` where q is the nearest integer within the range, else `q`.
    let inside = ratio.mask_fill(moved.clone().bool_or(beyond.clone()), 0.0);
    let by_step =
        (gradient.clone() * (integer - inside)).mul_scalar(1.0 / (sharing * f64::from(largest)).sqrt());
    let by_step: Tensor<1> = if steps == 1 {
        by_step.sum()
    } else {
        by_step.reshape([outputs, inputs * height * width]).sum_dim(1).reshape([outputs])
    };
    let stopped = beyond.bool_and(moved.clone().bool_not());
    let gradient = gradient.mask_fill(stopped, 0.0);
    if lambda == 0.0 {
        // Each of the operations below is a launch on a GPU.
        let distance = Tensor::zeros([1], &gradient.device());
        return Passed { weight: gradient, step: by_step, distance };
    }
    let apart = (weight - used).mask_fill(moved.bool_not(), 0.0);
    let distance = apart.clone().square().sum().mul_scalar(0.5 * lambda);
    Passed { weight: gradient + apart.mul_scalar(lambda), step: by_step, distance }
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn gradients_are_those_of_lsq() {
        let device = Device::flex();
        let tensor = |values: [f32; 4]| {
            Tensor::<4>::from_data(TensorData::new(values.to_vec(), [2, 2, 1, 1]), &device)
        };
        let values = |tensor: Tensor<4>| tensor.into_data().try_to_vec::<f32>().expect("floats");
        // Steps of 0.5, integers -1 to 1: 0.4 is rounded up, 0.9 cut, -0.3 moved to 0 by a cap, 0.1 rounded down.
        let weight = tensor([0.4, 0.9, -0.3, 0.1]);
        let used = tensor([0.5, 0.5, 0.0, 0.0]);
        let gradient = tensor([1.0, 2.0, 3.0, 4.0]);
        let expected = [1.0 * (1.0 - 0.8), 2.0 * 1.0, 3.0 * 0.0, 4.0 * (0.0 - 0.2)];
        for steps in [1, 2] {
            let step = Tensor::<1>::from_floats(vec![0.5; steps].as_slice(), &device);
            for pass in [pass, pass_on_device] {
                let limits = Limits { largest: 1.0, lambda: 0.5 };
                let passed = pass(weight.clone(), used.clone(), step.clone(), gradient.clone(), limits);
                // None beyond the largest integer; a pull by the cap.
                assert_eq!(values(passed.weight), [1.0, 0.0, 3.0 - 0.5 * 0.3, 4.0]);
                let distance: f32 = passed.distance.into_scalar();
                assert!((distance - 0.5 * 0.5 * 0.3 * 0.3).abs() < 1e-7, "{distance}");
                let by_step = passed.step.into_data().try_to_vec::<f32>().expect("floats");
                let parts: Vec<f32> = expected.chunks(4 / steps).map(|part| part.iter().sum()).collect();
                for (got, part) in by_step.iter().zip(&parts) {
                    let scale = ((4 / steps) as f32).sqrt();
                    assert!((got - part / scale).abs() < 1e-6, "{by_step:?} {parts:?}");
                }
            }
        }
    }
}
