//! Quantization of a layer's inputs in the forward pass, and the learned steps of its weights and inputs.
//!
//! An input becomes the integer `u = clamp(floor(x / s + 1/2) + z, 0, 2^B - 1)` and goes on as `s (u - z)`: what
//! the simulation applies to the rows of a crossbar. Gradients pass the rounding unchanged
//! (straight-through) where the integer is in range; that of the step is the sum of `g (u - z - x / s)` there and of
//! `g (u - z)` elsewhere, times `1 / sqrt(N (2^B - 1))` for `N` values an image: LSQ (Esser et al., "Learned Step Size
//! Quantization", arXiv 1902.08153).

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::module::Network;
use super::precision::with_f32;
use crate::checkpoint::LayerQuantizers;
use crate::config::Kernels;

/// No step becomes smaller.
const SMALLEST_STEP: f32 = 1e-7;

/// The quantizer of a layer.
#[derive(Module, Debug)]
pub struct LayerQuantizer {
    /// The step of the weights: one, or one for each output.
    pub(crate) weight_step: Param<Tensor<1>>,
    /// The step of the inputs.
    pub(crate) input_step: Param<Tensor<1>>,
    /// The integers of 0 and of the largest input.
    #[module(skip)]
    range: InputRange,
}

/// The integers of a layer's inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct InputRange {
    /// The integer of 0.
    pub zero: f32,
    /// The largest integer.
    pub top: f32,
}

impl LayerQuantizer {
    /// A quantizer with these steps; `None` if the inputs are not quantized yet.
    pub(super) fn new(quantizers: &LayerQuantizers, device: &Device) -> Option<Self> {
        let LayerQuantizers { weights, inputs } = quantizers;
        let inputs = inputs.as_ref()?;
        let param = |steps: &[f32]| Param::from_tensor(Tensor::from_floats(steps, device));
        Some(Self {
            weight_step: param(&weights.steps),
            input_step: param(&[inputs.step]),
            range: InputRange { zero: f32::from(inputs.zero), top: f32::from(inputs.top()) },
        })
    }

    /// The quantized inputs.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, channels, height, width]`
    pub(super) fn quantize(&self, x: Tensor<4>) -> Tensor<4> {
        with_f32(x, |x| Kernels::quantize(x, self.input_step.val(), self.range))
    }
}

/// The same with Burn's operations, for other devices than the CPU.
#[cfg(not(all(feature = "web", not(feature = "webgpu"))))]
pub(super) fn quantize(x: Tensor<4>, step: Tensor<1>, range: InputRange) -> Tensor<4> {
    let [_, channels, height, width] = x.dims();
    let scale = 1.0 / f64::from(range.top * (channels * height * width) as f32).sqrt();
    // The same value, and a gradient that is scaled.
    let step = if x.device().is_autodiff() {
        step.clone().mul_scalar(scale) + step.mul_scalar(1.0 - scale).detach()
    } else {
        step
    };
    let step = step.reshape([1, 1, 1, 1]);
    let ratio = (x / step.clone()).clamp(-range.zero, range.top - range.zero);
    let rounded = ratio.clone().add_scalar(0.5).floor();
    let rounded =
        if ratio.device().is_autodiff() { ratio.clone() + (rounded - ratio).detach() } else { rounded };
    rounded * step
}

impl Network {
    /// With quantizers, in the order of [`Network::quantizable_layers`].
    #[must_use]
    pub(super) fn with_quantizers(mut self, quantizers: Vec<Option<LayerQuantizer>>) -> Self {
        for (slot, quantizer) in self.quantizer_slots().into_iter().zip(quantizers) {
            *slot = quantizer;
        }
        self
    }

    /// Whether it has quantizers.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn is_quantized(&self) -> bool {
        self.quantizers().iter().any(Option::is_some)
    }

    /// Keeps steps positive, whatever the optimizer did.
    #[must_use]
    pub(crate) fn with_positive_steps(mut self) -> Self {
        for quantizer in self.quantizer_slots().into_iter().flatten() {
            for step in [&mut quantizer.weight_step, &mut quantizer.input_step] {
                *step = step
                    .clone()
                    .map(|step| Tensor::from_inner(step.inner().clamp_min(SMALLEST_STEP)).require_grad());
            }
        }
        self
    }
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests {
    use burn::tensor::{Distribution, Tolerance};

    use super::*;

    /// Our kernel against Burn's operations: values, and gradients by inputs and step.
    #[test]
    fn both_kernels_agree() {
        let device = Device::flex().autodiff();
        for range in [InputRange { zero: 0.0, top: 15.0 }, InputRange { zero: 8.0, top: 15.0 }] {
            let x = Tensor::<4>::random(
                [3, 2, 5, 7],
                Distribution::Normal(0.2, 1.0),
                &device.clone().without_autodiff(),
            );
            let weight =
                Tensor::<4>::random([3, 2, 5, 7], Distribution::Default, &device.clone().without_autodiff());
            let run = |quantize: fn(Tensor<4>, Tensor<1>, InputRange) -> Tensor<4>| {
                let x = Tensor::from_inner(x.clone()).require_grad();
                let step = Tensor::<1>::from_floats([0.11], &device).require_grad();
                let output = quantize(x.clone(), step.clone(), range);
                let gradients = (output.clone() * Tensor::from_inner(weight.clone())).sum().backward();
                let by_x = x.grad(&gradients).expect("tracked");
                let by_step = step.grad(&gradients).expect("tracked");
                (output.inner(), by_x, by_step)
            };
            let (own, burn) = (run(Kernels::quantize), run(quantize));
            own.0.into_data().assert_approx_eq::<f32>(&burn.0.into_data(), Tolerance::default());
            own.1.into_data().assert_approx_eq::<f32>(&burn.1.into_data(), Tolerance::default());
            own.2.into_data().assert_approx_eq::<f32>(&burn.2.into_data(), Tolerance::default());
        }
    }
}
