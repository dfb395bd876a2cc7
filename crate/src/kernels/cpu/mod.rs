//! The kernels as operations of Burn's CPU backend, with their gradients.
//!
//! Only float32 tensors of that backend may come here.

mod autodiff;
mod tensors;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;

use crate::kernels::{ConvolutionOptions, PoolOptions};
use crossdub_kernels::{batch_norm, rounding};
use tensors::{FlexTensor, convolve, new_tensor, norm_shape, normalize, pool};

pub(crate) use tensors::values;

/// The operations that [`Flex`] gains.
#[backend_extension(Flex, Autodiff)]
pub trait CpuKernels: Backend {
    /// A convolution without bias, and ReLU if asked for.
    fn fused_convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvolutionOptions,
    ) -> FloatTensor<Self>;

    /// A convolution with bias, and ReLU if asked for.
    fn fused_biased_convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvolutionOptions,
    ) -> FloatTensor<Self>;

    /// Maximum pooling, and ReLU if asked for.
    fn fused_max_pool(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self>;

    /// Batch normalization in training, and ReLU if asked for; the batch's mean and variance.
    fn fused_batch_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        cut: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// A sum, and ReLU.
    fn fused_add_relu(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Values of integers from `-zero` to `top - zero`; `range` is `[zero, top]`.
    fn fused_quantize(x: FloatTensor<Self>, step: FloatTensor<Self>, range: [f32; 2]) -> FloatTensor<Self>;
}

/// Operations that have no gradients, for inference.
#[backend_extension(Flex)]
pub trait CpuInference: Backend {
    /// `scale * x + shift` of each channel, and ReLU if asked for.
    fn fused_scale_and_shift(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        cut: bool,
    ) -> FloatTensor<Self>;
}

impl CpuKernels for Flex {
    fn fused_convolution(x: FlexTensor, weight: FlexTensor, options: ConvolutionOptions) -> FlexTensor {
        convolve(&x.to_contiguous(), &weight.to_contiguous(), None, &options)
    }

    fn fused_biased_convolution(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        options: ConvolutionOptions,
    ) -> FlexTensor {
        convolve(&x.to_contiguous(), &weight.to_contiguous(), Some(&bias.to_contiguous()), &options)
    }

    fn fused_max_pool(x: FlexTensor, options: PoolOptions) -> FlexTensor {
        pool(&x.to_contiguous(), &options).0
    }

    fn fused_batch_norm(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        epsilon: f32,
        cut: bool,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (output, mean, variance, _) = normalize(&x.to_contiguous(), &gamma, &beta, epsilon, cut);
        (output, mean, variance)
    }

    fn fused_add_relu(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        let (a, b) = (a.to_contiguous(), b.to_contiguous());
        new_tensor(crossdub_kernels::add_relu(values(&a), values(&b)), a.layout().shape().clone())
    }

    fn fused_quantize(x: FlexTensor, step: FlexTensor, range: [f32; 2]) -> FlexTensor {
        let (x, step) = (x.to_contiguous(), step.to_contiguous());
        new_tensor(rounding::forward(values(&x), values(&step)[0], range), x.layout().shape().clone())
    }
}

impl CpuInference for Flex {
    fn fused_scale_and_shift(x: FlexTensor, scale: FlexTensor, shift: FlexTensor, cut: bool) -> FlexTensor {
        let [x, scale, shift] = [x, scale, shift].map(|tensor| tensor.to_contiguous());
        let output =
            batch_norm::scale_and_shift(&norm_shape(&x), values(&x), values(&scale), values(&shift), cut);
        new_tensor(output, x.layout().shape().clone())
    }
}

/// See [`CpuKernels::fused_convolution`].
pub(crate) fn convolution(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvolutionOptions,
) -> Tensor<4> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => {
            <Dispatch as CpuKernels>::fused_biased_convolution(x, weight, bias.into_dispatch(), options)
        }
        None => <Dispatch as CpuKernels>::fused_convolution(x, weight, options),
    })
}

/// See [`CpuKernels::fused_max_pool`].
pub(crate) fn max_pool(x: Tensor<4>, options: PoolOptions) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as CpuKernels>::fused_max_pool(x.into_dispatch(), options))
}

/// See [`CpuKernels::fused_batch_norm`].
pub(crate) fn batch_norm(
    x: Tensor<4>,
    [gamma, beta]: [Tensor<1>; 2],
    epsilon: f32,
    relu: bool,
) -> (Tensor<4>, [Tensor<1>; 2]) {
    let (gamma, beta) = (gamma.into_dispatch(), beta.into_dispatch());
    let (output, mean, variance) =
        <Dispatch as CpuKernels>::fused_batch_norm(x.into_dispatch(), gamma, beta, epsilon, relu);
    (Tensor::from_dispatch(output), [Tensor::from_dispatch(mean), Tensor::from_dispatch(variance)])
}

/// See [`CpuInference::fused_scale_and_shift`].
pub(crate) fn scale_and_shift(x: Tensor<4>, scale: Tensor<1>, shift: Tensor<1>, relu: bool) -> Tensor<4> {
    let (scale, shift) = (scale.into_dispatch(), shift.into_dispatch());
    let output = <Dispatch as CpuInference>::fused_scale_and_shift(x.into_dispatch(), scale, shift, relu);
    Tensor::from_dispatch(output)
}

/// See [`CpuKernels::fused_add_relu`].
pub(crate) fn add_relu(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as CpuKernels>::fused_add_relu(a.into_dispatch(), b.into_dispatch()))
}

/// See [`CpuKernels::fused_quantize`].
pub(crate) fn quantize(x: Tensor<4>, step: Tensor<1>, range: [f32; 2]) -> Tensor<4> {
    let (x, step) = (x.into_dispatch(), step.into_dispatch());
    Tensor::from_dispatch(<Dispatch as CpuKernels>::fused_quantize(x, step, range))
}
