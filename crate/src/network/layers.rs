//! Layers of a network: by our own kernels for float32 on the native CPU backend, by Burn's operations everywhere else.

#[cfg(feature = "cpu")]
use burn::module::RunningState;
use burn::nn::BatchNorm;
#[cfg(feature = "cpu")]
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
#[cfg(feature = "cpu")]
use burn::tensor::{DType, Device};

use super::quantizer::InputRange;
use crate::config::Kernels;
#[cfg(feature = "cpu")]
use crate::kernels::{self, ConvolutionOptions, PoolOptions};

impl Kernels {
    /// Whether our kernels take this tensor.
    #[cfg(feature = "cpu")]
    fn fit<const D: usize>(self, x: &Tensor<D>) -> bool {
        self == Self::Crossdub && x.dtype() == DType::F32 && x.device().inner() == Device::flex()
    }

    /// A convolution, then ReLU if `cut`.
    ///
    /// # Shapes
    /// - `x`: `[batch, in, height, width]`
    /// - output: `[batch, out, output height, output width]`
    pub(crate) fn convolution(self, layer: &Conv2d, x: Tensor<4>, cut: bool) -> Tensor<4> {
        #[cfg(feature = "cpu")]
        if let Some(padding) = symmetric(&layer.padding).filter(|_| self.fit(&x) && layer.dilation == [1, 1])
        {
            let options =
                ConvolutionOptions { stride: layer.stride, padding, groups: layer.groups, relu: cut };
            return kernels::convolution(
                x,
                layer.weight.val(),
                layer.bias.as_ref().map(|bias| bias.val()),
                options,
            );
        }
        relu_if(cut, layer.forward(x))
    }

    /// Maximum pooling, then ReLU if `cut`.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - output: `[batch, channels, output height, output width]`
    pub(crate) fn max_pool(self, layer: &MaxPool2d, x: Tensor<4>, cut: bool) -> Tensor<4> {
        #[cfg(feature = "cpu")]
        if let Some(padding) =
            symmetric(&layer.padding).filter(|_| self.fit(&x) && layer.dilation == [1, 1] && !layer.ceil_mode)
        {
            let options = PoolOptions { window: layer.kernel_size, stride: layer.stride, padding, relu: cut };
            return kernels::max_pool(x, options);
        }
        relu_if(cut, layer.forward(x))
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
            return kernels::scale_and_shift(x, scale, shift, cut);
        }
        #[cfg(feature = "cpu")]
        if self.fit(&x) {
            let parameters = [layer.gamma.val(), layer.beta.val()];
            let (output, [mean, variance]) = kernels::batch_norm(x, parameters, layer.epsilon as f32, cut);
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
            return kernels::quantize(x, step, [range.zero, range.top]);
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
            return kernels::add_relu(a, b);
        }
        relu(a + b)
    }
}

/// The zeros above and to the left, if there are as many below and to the right.
#[cfg(feature = "cpu")]
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
