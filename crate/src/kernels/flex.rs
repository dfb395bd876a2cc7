//! The kernels as operations of Burn's CPU backend, with their gradients.
//!
//! Only float32 tensors of that backend may come here; `network::layers` sees to it.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Shape, Tensor, TensorData};

use super::batch_norm::{self, BatchStatistics, NormInputs, NormShape};
use super::convolution::{self, ConvolutionShape};
use super::pooling::{self, PoolShape};
use super::weight_gradient::{bias_gradient, weight_gradient};

/// Stride, padding and groups of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvolutionOptions {
    /// Step in each direction.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
    /// Groups of channels that don't mix.
    pub groups: usize,
    /// Whether ReLU follows.
    pub relu: bool,
}

/// Window, stride and padding of a pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Height and width of the window.
    pub window: [usize; 2],
    /// Step in each direction.
    pub stride: [usize; 2],
    /// Pixels on each side that never win.
    pub padding: [usize; 2],
    /// Whether ReLU follows.
    pub relu: bool,
}

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

type FlexTensor = FloatTensor<Flex>;

fn new_tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// The values of a tensor of these operations: float32, side by side.
#[expect(clippy::expect_used, reason = "the callers below check the type, and a copy lies side by side")]
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("float32 values side by side")
}

fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.layout().shape().dims()
}

fn convolution_shape(x: &FlexTensor, weight: &FlexTensor, options: &ConvolutionOptions) -> ConvolutionShape {
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

fn convolve(
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

fn pool_shape(x: &FlexTensor, options: &PoolOptions) -> PoolShape {
    let [batch, channels, height, width] = dims(x);
    PoolShape {
        maps: batch * channels,
        input_size: [height, width],
        window: options.window,
        stride: options.stride,
        padding: options.padding,
    }
}

fn pool(x: &FlexTensor, options: &PoolOptions) -> (FlexTensor, Vec<u8>) {
    let shape = pool_shape(x, options);
    let [batch, channels, _, _] = dims(x);
    let [height, width] = shape.output_size();
    let (output, winners) = pooling::forward(&shape, values(x), options.relu);
    (new_tensor(output, [batch, channels, height, width]), winners)
}

fn norm_shape(x: &FlexTensor) -> NormShape {
    let [batch, channels, height, width] = dims(x);
    NormShape { batch, channels, pixels: height * width }
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
        new_tensor(super::add_relu(values(&a), values(&b)), a.layout().shape().clone())
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

fn normalize(
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

#[derive(Debug)]
struct ConvolutionBackward;

/// A convolution's input, weight, and its output if that was cut at zero.
#[derive(Debug, Clone)]
struct ConvolutionState {
    x: FlexTensor,
    weight: FlexTensor,
    cut_output: Option<FlexTensor>,
    options: ConvolutionOptions,
}

impl<const N: usize> Backward<Flex, N> for ConvolutionBackward {
    type State = ConvolutionState;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let ConvolutionState { x, weight, cut_output, options } = ops.state;
        let shape = convolution_shape(&x, &weight, &options);
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let masked = cut_output.map(|output| super::mask_positive(values(&gradient), values(&output)));
        let gradient = masked.as_deref().unwrap_or_else(|| values(&gradient));
        for (parent, node) in ops.parents.iter().enumerate() {
            let Some(node) = node else { continue };
            let by_parent = match parent {
                0 => new_tensor(
                    convolution::input_gradient(&shape, gradient, values(&weight)),
                    x.layout().shape().clone(),
                ),
                1 => {
                    let by_weight = weight_gradient(&shape, values(&x), gradient);
                    new_tensor(by_weight, weight.layout().shape().clone())
                }
                _ => new_tensor(bias_gradient(&shape, gradient), [shape.outputs]),
            };
            gradients.register::<Flex>(node.id, by_parent);
        }
    }
}

#[derive(Debug)]
struct PoolBackward;

impl Backward<Flex, 1> for PoolBackward {
    type State = (PoolShape, Shape, Arc<Vec<u8>>);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (shape, input, winners) = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let [Some(node)] = ops.parents {
            let by_input = pooling::backward(&shape, values(&gradient), &winners);
            gradients.register::<Flex>(node.id, new_tensor(by_input, input));
        }
    }
}

#[derive(Debug)]
struct NormBackward;

/// A normalization's input, factor, statistics, and its output if that was cut at zero.
#[derive(Debug, Clone)]
struct NormState {
    x: FlexTensor,
    gamma: FlexTensor,
    statistics: Arc<BatchStatistics>,
    cut_output: Option<FlexTensor>,
    epsilon: f32,
}

impl Backward<Flex, 3> for NormBackward {
    type State = NormState;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let NormState { x, gamma, statistics, cut_output, epsilon } = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let given = NormInputs {
            input: values(&x),
            cut_output: cut_output.as_ref().map(values),
            gamma: values(&gamma),
            statistics: &statistics,
            epsilon,
        };
        let shape = norm_shape(&x);
        let by = batch_norm::backward(&shape, given, values(&gradient));
        let [input, factor, summand] = ops.parents;
        let all = [
            (input, by.input, x.layout().shape().clone()),
            (factor, by.gamma, Shape::from([shape.channels])),
            (summand, by.beta, Shape::from([shape.channels])),
        ];
        for (node, values, shape) in all {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, new_tensor(values, shape));
            }
        }
    }
}

#[derive(Debug)]
struct AddReluBackward;

impl Backward<Flex, 2> for AddReluBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let output = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let masked = super::mask_positive(values(&gradient), values(&output));
        let masked = new_tensor(masked, output.layout().shape().clone());
        for node in ops.parents.iter().flatten() {
            gradients.register::<Flex>(node.id, masked.clone());
        }
    }
}

/// A convolution, and what its gradients need.
fn convolve_tracked(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
    options: ConvolutionOptions,
) -> (FlexTensor, ConvolutionState) {
    let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
    let output = convolve(&x, &weight, bias.map(FlexTensor::to_contiguous).as_ref(), &options);
    let cut_output = options.relu.then(|| output.clone());
    (output, ConvolutionState { x, weight, cut_output, options })
}

type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

impl<C: CheckpointStrategy> CpuKernels for Autodiff<Flex, C> {
    fn fused_convolution(x: Tracked<C>, weight: Tracked<C>, options: ConvolutionOptions) -> Tracked<C> {
        let (output, state) = convolve_tracked(x.primitive(), weight.primitive(), None, options);
        let nodes = [x.node(), weight.node()];
        match ConvolutionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(state, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn fused_biased_convolution(
        x: Tracked<C>,
        weight: Tracked<C>,
        bias: Tracked<C>,
        options: ConvolutionOptions,
    ) -> Tracked<C> {
        let (output, state) =
            convolve_tracked(x.primitive(), weight.primitive(), Some(bias.primitive()), options);
        let nodes = [x.node(), weight.node(), bias.node()];
        match ConvolutionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(state, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn fused_max_pool(x: Tracked<C>, options: PoolOptions) -> Tracked<C> {
        let input = x.primitive().to_contiguous();
        let (output, winners) = pool(&input, &options);
        match PoolBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let shape = input.layout().shape().clone();
                prepared.finish((pool_shape(&input, &options), shape, Arc::new(winners)), output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn fused_batch_norm(
        x: Tracked<C>,
        gamma: Tracked<C>,
        beta: Tracked<C>,
        epsilon: f32,
        cut: bool,
    ) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
        let input = x.primitive().to_contiguous();
        let factor = gamma.primitive().to_contiguous();
        let (output, mean, variance, statistics) = normalize(&input, &factor, beta.primitive(), epsilon, cut);
        let nodes = [x.node(), gamma.node(), beta.node()];
        let output = match NormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let cut_output = cut.then(|| output.clone());
                let statistics = Arc::new(statistics);
                prepared
                    .finish(NormState { x: input, gamma: factor, statistics, cut_output, epsilon }, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        };
        (output, Tracked::<C>::new(mean), Tracked::<C>::new(variance))
    }

    fn fused_add_relu(a: Tracked<C>, b: Tracked<C>) -> Tracked<C> {
        let output = Flex::fused_add_relu(a.primitive().clone(), b.primitive().clone());
        match AddReluBackward.prepare::<C>([a.node(), b.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(output.clone(), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
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
