//! The kernels on tensors of the CPU backend, without gradients.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Shape, TensorData};

use crate::kernels::{ConvolutionOptions, PoolOptions};
use crossdub_kernels::batch_norm::{self, BatchStatistics, NormShape};
use crossdub_kernels::convolution::{self, ConvolutionShape};
use crossdub_kernels::pooling::{self, PoolShape};

pub(super) type FlexTensor = FloatTensor<Flex>;

pub(super) fn new_tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// The values of a tensor of these operations: float32, side by side.
#[expect(clippy::expect_used, reason = "the callers below check the type, and a copy lies side by side")]
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("float32 values side by side")
}

pub(super) fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.layout().shape().dims()
}

pub(super) fn convolution_shape(
    x: &FlexTensor,
    weight: &FlexTensor,
    options: &ConvolutionOptions,
) -> ConvolutionShape {
    let [batch, inputs, height, width] = dims(x);
    let [outputs, _, kernel_height, kernel_width] = dims(weight);
    ConvolutionShape {
        batch,
        inputs,
        outputs,
        input_size: [height, width],
        kernel: [kernel_height, kernel_width],
        stride: options.stride,
        padding: options.padding,
        groups: options.groups,
    }
}

pub(super) fn convolve(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
    options: &ConvolutionOptions,
) -> FlexTensor {
    let shape = convolution_shape(x, weight, options);
    let [height, width] = shape.output_size();
    let output = convolution::forward(&shape, values(x), values(weight), bias.map(values), options.relu);
    new_tensor(output, [shape.batch, shape.outputs, height, width])
}

pub(super) fn pool_shape(x: &FlexTensor, options: &PoolOptions) -> PoolShape {
    let [batch, channels, height, width] = dims(x);
    PoolShape {
        maps: batch * channels,
        input_size: [height, width],
        window: options.window,
        stride: options.stride,
        padding: options.padding,
    }
}

pub(super) fn pool(x: &FlexTensor, options: &PoolOptions) -> (FlexTensor, Vec<u8>) {
    let shape = pool_shape(x, options);
    let [batch, channels, _, _] = dims(x);
    let [height, width] = shape.output_size();
    let (output, winners) = pooling::forward(&shape, values(x), options.relu);
    (new_tensor(output, [batch, channels, height, width]), winners)
}

pub(super) fn norm_shape(x: &FlexTensor) -> NormShape {
    let [batch, channels, height, width] = dims(x);
    NormShape { batch, channels, pixels: height * width }
}

pub(super) fn normalize(
    x: &FlexTensor,
    gamma: &FlexTensor,
    beta: &FlexTensor,
    epsilon: f32,
    cut: bool,
) -> (FlexTensor, FlexTensor, FlexTensor, BatchStatistics) {
    let shape = norm_shape(x);
    let (gamma, beta) = (gamma.to_contiguous(), beta.to_contiguous());
    let (output, statistics) =
        batch_norm::forward(&shape, values(x), values(&gamma), values(&beta), epsilon, cut);
    let channels = [shape.channels];
    let mean = new_tensor(statistics.mean.clone(), channels);
    let variance = new_tensor(statistics.variance.clone(), channels);
    (new_tensor(output, x.layout().shape().clone()), mean, variance, statistics)
}
