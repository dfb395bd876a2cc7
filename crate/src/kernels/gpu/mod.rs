//! Shaders for graphics processors as operations of Burn's backend for them, with their gradients.
//!
//! Burn's own convolutions are made for large networks and for devices that it may try several shaders on (`autotune`).
//! These keep a block of sums in registers, so that every value that is read serves several products, and the values of
//! a map lie side by side as on the CPU, so that nothing is copied between layers.

mod autodiff;
mod convolution;
mod gradients;
pub(crate) mod launch;
pub(crate) mod parts;
mod pooling;
mod product;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{Shape, Tensor};
use burn_cubecl::CubeBackend;

use super::{ConvolutionOptions, PoolOptions};

/// The operations that graphics processors gain.
#[backend_extension(Cube, Fusion, Autodiff)]
pub trait GpuKernels: Backend {
    /// A convolution without bias in one group, and ReLU if asked for.
    #[fusion(dtype = x, shape = convolved(x, weight, options))]
    fn blocked_convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvolutionOptions,
    ) -> FloatTensor<Self>;

    /// A convolution with bias in one group, and ReLU if asked for.
    #[fusion(dtype = x, shape = { let _ = bias; convolved(x, weight, options) })]
    fn blocked_biased_convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvolutionOptions,
    ) -> FloatTensor<Self>;

    /// The product of inputs and a small weight, without bias: `[batch, in]` and `[in, out]`.
    #[fusion(dtype = x, shape = Shape::from([x[0], weight[1]]))]
    fn blocked_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Maximum pooling, and ReLU if asked for.
    #[fusion(dtype = x, shape = pooled(x, options))]
    fn gathered_max_pool(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self>;
}

/// Their gradients, which have none themselves.
#[backend_extension(Cube, Fusion)]
pub trait GpuGradients: Backend {
    /// A convolution's gradient by its input, of `height` times `width` values a map, for a stride of 1.
    #[fusion(dtype = gradient, shape = by_input(gradient, weight, size))]
    fn convolution_input_gradient(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        size: [usize; 2],
        options: ConvolutionOptions,
    ) -> FloatTensor<Self>;

    /// A convolution's gradient by its weight, whose kernels have this height and width.
    #[fusion(dtype = gradient, shape = by_weight(x, gradient, kernel))]
    fn convolution_weight_gradient(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        kernel: [usize; 2],
        options: ConvolutionOptions,
    ) -> FloatTensor<Self>;

    /// A convolution's gradient by its bias.
    #[fusion(dtype = gradient, shape = Shape::from([gradient[1]]))]
    fn convolution_bias_gradient(gradient: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The product of two small matrices, each transposed or not.
    #[fusion(dtype = a, shape = product_shape(a, b, transposed))]
    fn blocked_product(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        transposed: [bool; 2],
    ) -> FloatTensor<Self>;

    /// A pooling's gradient by its input `x`: where several values of a window are the largest, the first has it.
    #[fusion(dtype = gradient, shape = x)]
    fn max_pool_gradient(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        options: PoolOptions,
    ) -> FloatTensor<Self>;
}

/// Positions of a window in a line with zeros on both sides.
fn positions(length: usize, window: usize, stride: usize, padding: usize) -> usize {
    (length + 2 * padding - window) / stride + 1
}

fn map_size(x: &Shape, window: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> [usize; 2] {
    [0, 1].map(|side| positions(x[2 + side], window[side], stride[side], padding[side]))
}

fn convolved(x: &Shape, weight: &Shape, options: &ConvolutionOptions) -> Shape {
    let [height, width] = map_size(x, [weight[2], weight[3]], options.stride, options.padding);
    Shape::from([x[0], weight[0], height, width])
}

fn pooled(x: &Shape, options: &PoolOptions) -> Shape {
    let [height, width] = map_size(x, options.window, options.stride, options.padding);
    Shape::from([x[0], x[1], height, width])
}

fn by_input(gradient: &Shape, weight: &Shape, [height, width]: &[usize; 2]) -> Shape {
    Shape::from([gradient[0], weight[1], *height, *width])
}

fn by_weight(x: &Shape, gradient: &Shape, [height, width]: &[usize; 2]) -> Shape {
    Shape::from([gradient[1], x[1], *height, *width])
}

fn product_shape(a: &Shape, b: &Shape, transposed: &[bool; 2]) -> Shape {
    let [rows, columns] = [usize::from(transposed[0]), usize::from(!transposed[1])];
    Shape::from([a[rows], b[columns]])
}

type CubeFloat = FloatTensor<CubeBackend>;

impl GpuKernels for CubeBackend {
    fn blocked_convolution(x: CubeFloat, weight: CubeFloat, options: ConvolutionOptions) -> CubeFloat {
        convolution::forward(x, weight, None, &options)
    }

    fn blocked_biased_convolution(
        x: CubeFloat,
        weight: CubeFloat,
        bias: CubeFloat,
        options: ConvolutionOptions,
    ) -> CubeFloat {
        convolution::forward(x, weight, Some(bias), &options)
    }

    fn blocked_linear(x: CubeFloat, weight: CubeFloat) -> CubeFloat {
        product::multiply(x, weight, [false, false])
    }

    fn gathered_max_pool(x: CubeFloat, options: PoolOptions) -> CubeFloat {
        pooling::forward(x, &options)
    }
}

impl GpuGradients for CubeBackend {
    fn convolution_input_gradient(
        gradient: CubeFloat,
        weight: CubeFloat,
        size: [usize; 2],
        options: ConvolutionOptions,
    ) -> CubeFloat {
        convolution::input_gradient(gradient, weight, size, &options)
    }

    fn convolution_weight_gradient(
        x: CubeFloat,
        gradient: CubeFloat,
        kernel: [usize; 2],
        options: ConvolutionOptions,
    ) -> CubeFloat {
        gradients::by_weight(x, gradient, kernel, &options)
    }

    fn convolution_bias_gradient(gradient: CubeFloat) -> CubeFloat {
        gradients::by_bias(gradient)
    }

    fn blocked_product(a: CubeFloat, b: CubeFloat, transposed: [bool; 2]) -> CubeFloat {
        product::multiply(a, b, transposed)
    }

    fn max_pool_gradient(x: CubeFloat, gradient: CubeFloat, options: PoolOptions) -> CubeFloat {
        pooling::backward(x, gradient, &options)
    }
}

/// See [`GpuKernels::blocked_convolution`].
pub(crate) fn convolution(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvolutionOptions,
) -> Tensor<4> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => {
            <Dispatch as GpuKernels>::blocked_biased_convolution(x, weight, bias.into_dispatch(), options)
        }
        None => <Dispatch as GpuKernels>::blocked_convolution(x, weight, options),
    })
}

/// See [`GpuKernels::gathered_max_pool`].
pub(crate) fn max_pool(x: Tensor<4>, options: PoolOptions) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as GpuKernels>::gathered_max_pool(x.into_dispatch(), options))
}

/// See [`GpuKernels::blocked_linear`].
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(<Dispatch as GpuKernels>::blocked_linear(x, weight))
}
