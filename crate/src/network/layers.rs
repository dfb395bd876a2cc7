//! Layers of a network: by our own kernels for float32 on the CPU backend and on graphics processors, by Burn's operations
//! everywhere else.

#[cfg(feature = "cpu")]
use burn::module::RunningState;
#[cfg(any(feature = "cpu", feature = "cube"))]
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::quantizer::InputRange;
use crate::config::Kernels;
#[cfg(any(feature = "cpu", feature = "cube"))]
use crate::kernels::{ConvolutionOptions, PoolOptions};
#[cfg(feature = "cpu")]
use crate::kernels::{cpu, fits_cpu};
#[cfg(feature = "cube")]
use crate::kernels::{fits_gpu, gpu};

/// Multiplications up to which our product is the quicker one: Burn's divides its work into blocks of a large matrix.
#[cfg(feature = "cube")]
const SMALL_PRODUCT: u64 = 1 << 26;

impl Kernels {
    /// Whether our kernels for the CPU take this tensor.
    #[cfg(feature = "cpu")]
    fn fit<const D: usize>(self, x: &Tensor<D>) -> bool {
        self == Self::Crossdub && fits_cpu(x)
    }

    /// Whether our shaders take this tensor. Where Burn may try out shaders, it has better ones for the device at hand.
    #[cfg(feature = "cube")]
    fn fit_gpu<const D: usize>(self, x: &Tensor<D>) -> bool {
        self == Self::Crossdub && !cfg!(feature = "autotune") && fits_gpu(x)
    }

    /// A convolution, then ReLU if `cut`.
    ///
    /// # Shapes
    /// - `x`: `[batch, in, height, width]`
    /// - output: `[batch, out, output height, output width]`
    pub(crate) fn convolution(self, layer: &Conv2d, x: Tensor<4>, cut: bool) -> Tensor<4> {
        #[cfg(any(feature = "cpu", feature = "cube"))]
        if let Some(padding) = symmetric(&layer.padding).filter(|_| layer.dilation == [1, 1]) {
            let options =
                ConvolutionOptions { stride: layer.stride, padding, groups: layer.groups, relu: cut };
            let (weight, bias) = (layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()));
            #[cfg(feature = "cpu")]
            if self.fit(&x) {
                return cpu::convolution(x, weight, bias, options);
            }
            #[cfg(feature = "cube")]
            if layer.groups == 1 && self.fit_gpu(&x) && countable(&x, weight.dims()[0]) {
                return gpu::convolution(x, weight, bias, options);
            }
        }
        relu_if(cut, layer.forward(x))
    }

    /// Maximum pooling, then ReLU if `cut`.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - output: `[batch, channels, output height, output width]`
    pub(crate) fn max_pool(self, layer: &MaxPool2d, x: Tensor<4>, cut: bool) -> Tensor<4> {
        #[cfg(any(feature = "cpu", feature = "cube"))]
        if let Some(padding) =
            symmetric(&layer.padding).filter(|_| layer.dilation == [1, 1] && !layer.ceil_mode)
        {
            let options = PoolOptions { window: layer.kernel_size, stride: layer.stride, padding, relu: cut };
            #[cfg(feature = "cpu")]
            if self.fit(&x) {
                return cpu::max_pool(x, options);
            }
            #[cfg(feature = "cube")]
            if self.fit_gpu(&x) && countable(&x, 0) {
                return gpu::max_pool(x, options);
            }
        }
        relu_if(cut, layer.forward(x))
    }

    /// A fully connected layer.
    ///
    /// # Shapes
    /// - `x`: `[batch, in]`
    /// - output: `[batch, out]`
    pub(crate) fn linear(self, layer: &Linear, x: Tensor<2>) -> Tensor<2> {
        #[cfg(feature = "cube")]
        {
            let ([batch, inputs], weight) = (x.dims(), layer.weight.val());
            let products = batch as u64 * inputs as u64 * weight.dims()[1] as u64;
            if self.fit_gpu(&x) && products <= SMALL_PRODUCT {
                let output = gpu::linear(x, weight);
                return match &layer.bias {
                    Some(bias) => output + bias.val().unsqueeze(),
                    None => output,
                };
            }
        }
        layer.forward(x)
    }

    /// Batch normalization, then ReLU if `cut`. In training the running statistics follow the batch; without autodiff
    /// they normalize.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, channels, height, width]`
    pub(crate) fn batch_norm(self, layer: &BatchNorm, x: Tensor<4>, cut: bool) -> Tensor<4> {
        #[cfg(feature = "cpu")]
        if !x.device().is_autodiff() && self.fit(&x) {
            let deviation = layer.running_var.value().add_scalar(layer.epsilon).sqrt();
            let scale = layer.gamma.val() / deviation;
            let shift = layer.beta.val() - layer.running_mean.value() * scale.clone();
            return cpu::scale_and_shift(x, scale, shift, cut);
        }
        #[cfg(feature = "cpu")]
        if self.fit(&x) {
            let parameters = [layer.gamma.val(), layer.beta.val()];
            let (output, [mean, variance]) = cpu::batch_norm(x, parameters, layer.epsilon as f32, cut);
            let follow = |running: &RunningState<Tensor<1>>, of_batch: Tensor<1>| {
                let kept = running.value_sync().mul_scalar(1.0 - layer.momentum);
                running.update(kept + of_batch.inner().mul_scalar(layer.momentum));
            };
            follow(&layer.running_mean, mean);
            follow(&layer.running_var, variance);
            return output;
        }
        relu_if(cut, layer.forward(x))
    }

    /// Inputs as the values of integers; see `quantizer`.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, channels, height, width]`
    /// - `step`: `[1]`
    pub(super) fn quantize(x: Tensor<4>, step: Tensor<1>, range: InputRange) -> Tensor<4> {
        // With Burn's kernels too, which have none for it.
        #[cfg(feature = "cpu")]
        if Self::Crossdub.fit(&x) {
            return cpu::quantize(x, step, [range.zero, range.top]);
        }
        #[cfg(all(feature = "web", not(feature = "webgpu")))]
        unreachable!("the page's module for the CPU computes in float32 on the CPU alone");
        #[cfg(not(all(feature = "web", not(feature = "webgpu"))))]
        super::quantizer::quantize(x, step, range)
    }

    /// A sum, then ReLU.
    ///
    /// # Shapes
    /// - all: `[batch, channels, height, width]`
    pub(crate) fn add_relu(self, a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
        #[cfg(feature = "cpu")]
        if self.fit(&a) && self.fit(&b) && a.dims() == b.dims() {
            return cpu::add_relu(a, b);
        }
        relu(a + b)
    }
}

/// Whether positions in a layer's input and output are 32-bit integers, as the shaders have them.
#[cfg(feature = "cube")]
fn countable(x: &Tensor<4>, outputs: usize) -> bool {
    let [batch, channels, height, width] = x.dims();
    batch as u64 * channels.max(outputs) as u64 * (height * width) as u64 <= 1 << 31
}

/// The zeros above and to the left, if there are as many below and to the right.
#[cfg(any(feature = "cpu", feature = "cube"))]
fn symmetric(padding: &PaddingConfig2d) -> Option<[usize; 2]> {
    match *padding {
        PaddingConfig2d::Valid => Some([0, 0]),
        PaddingConfig2d::Explicit(top, left, bottom, right) if (top, left) == (bottom, right) => {
            Some([top, left])
        }
        _ => None,
    }
}

fn relu_if(cut: bool, x: Tensor<4>) -> Tensor<4> {
    if cut { relu(x) } else { x }
}
