//! The same operations with their gradients.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::Shape;

use super::CpuKernels;
use super::tensors::{
    FlexTensor, convolution_shape, convolve, dims, new_tensor, norm_shape, normalize, pool, pool_shape,
    values,
};
use crate::kernels::{ConvolutionOptions, PoolOptions};
use crossdub_kernels::batch_norm::{self, BatchStatistics, NormInputs};
use crossdub_kernels::convolution;
use crossdub_kernels::mask_positive;
use crossdub_kernels::pooling::{self, PoolShape};
use crossdub_kernels::rounding;
use crossdub_kernels::weight_gradient::{bias_gradient, weight_gradient};

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
        let masked = cut_output.map(|output| mask_positive(values(&gradient), values(&output)));
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
        let masked = mask_positive(values(&gradient), values(&output));
        let masked = new_tensor(masked, output.layout().shape().clone());
        for node in ops.parents.iter().flatten() {
            gradients.register::<Flex>(node.id, masked.clone());
        }
    }
}

#[derive(Debug)]
struct QuantizeBackward;

/// The input, its step, and the range of the integers.
#[derive(Debug, Clone)]
struct QuantizeState {
    x: FlexTensor,
    step: FlexTensor,
    range: [f32; 2],
}

impl Backward<Flex, 2> for QuantizeBackward {
    type State = QuantizeState;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let QuantizeState { x, step, range } = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (by_input, by_step) = rounding::backward(values(&x), values(&step)[0], range, values(&gradient));
        let [input, of_step] = ops.parents;
        if let Some(node) = input {
            gradients.register::<Flex>(node.id, new_tensor(by_input, x.layout().shape().clone()));
        }
        if let Some(node) = of_step {
            let [batch, ..] = dims::<4>(&x);
            let an_image = (values(&x).len() / batch.max(1)) as f64;
            let by_step = by_step / (an_image * f64::from(range[1])).sqrt();
            gradients.register::<Flex>(node.id, new_tensor(vec![by_step as f32], [1]));
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

    fn fused_quantize(x: Tracked<C>, step: Tracked<C>, range: [f32; 2]) -> Tracked<C> {
        let (input, unit) = (x.primitive().to_contiguous(), step.primitive().to_contiguous());
        let output = Flex::fused_quantize(input.clone(), unit.clone(), range);
        match QuantizeBackward.prepare::<C>([x.node(), step.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                prepared.finish(QuantizeState { x: input, step: unit, range }, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}
