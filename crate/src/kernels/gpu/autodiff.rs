//! The gradients of the shaders, on any backend that has them: with fusion and without.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, TensorMetadata};
use burn::tensor::ops::ConvOptions;

use super::{GpuGradients, GpuKernels};
use crate::kernels::{ConvolutionOptions, PoolOptions};

#[derive(Debug)]
struct ConvolutionBackward;

/// A convolution's input, weight, and its output if that was cut at zero.
#[derive(Debug, Clone)]
struct ConvolutionState<B: Backend> {
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    cut_output: Option<FloatTensor<B>>,
    options: ConvolutionOptions,
}

impl<B: GpuGradients, const N: usize> Backward<B, N> for ConvolutionBackward {
    type State = ConvolutionState<B>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let ConvolutionState { x, weight, cut_output, options } = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let gradient = match cut_output {
            Some(output) => B::relu_backward(output, gradient),
            None => gradient,
        };
        for (parent, node) in ops.parents.iter().enumerate() {
            let Some(node) = node else { continue };
            let by_parent = match parent {
                0 => by_input::<B>(x.clone(), weight.clone(), gradient.clone(), options),
                1 => {
                    let [_, _, height, width] = weight.shape().dims();
                    let (x, gradient) = (x.clone(), gradient.clone());
                    B::convolution_weight_gradient(x, gradient, [height, width], options)
                }
                _ => B::convolution_bias_gradient(gradient.clone()),
            };
            gradients.register::<B>(node.id, by_parent);
        }
    }
}

/// With a stride, Burn's: the gradient's values lie apart, and only one product in several counts.
fn by_input<B: GpuGradients>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    gradient: FloatTensor<B>,
    options: ConvolutionOptions,
) -> FloatTensor<B> {
    let [_, _, height, width] = x.shape().dims();
    if options.stride == [1, 1] {
        return B::convolution_input_gradient(gradient, weight, [height, width], options);
    }
    B::conv2d_x_backward(x, weight, gradient, ConvOptions::new(options.stride, options.padding, [1, 1], 1))
}

#[derive(Debug)]
struct LinearBackward;

impl<B: GpuGradients> Backward<B, 2> for LinearBackward {
    /// Input and weight.
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [x, weight] = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let [input, of_weight] = ops.parents;
        if let Some(node) = input {
            let by_input = B::blocked_product(gradient.clone(), weight, [false, true]);
            gradients.register::<B>(node.id, by_input);
        }
        if let Some(node) = of_weight {
            gradients.register::<B>(node.id, B::blocked_product(x, gradient, [true, false]));
        }
    }
}

#[derive(Debug)]
struct PoolBackward;

impl<B: GpuGradients> Backward<B, 1> for PoolBackward {
    type State = (FloatTensor<B>, PoolOptions);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (x, options) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            gradients.register::<B>(node.id, B::max_pool_gradient(x, gradient, options));
        }
    }
}

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

impl<B: GpuKernels + GpuGradients, C: CheckpointStrategy> GpuKernels for Autodiff<B, C> {
    fn blocked_convolution(
        x: Tracked<B, C>,
        weight: Tracked<B, C>,
        options: ConvolutionOptions,
    ) -> Tracked<B, C> {
        let (image, kernel) = (x.primitive().clone(), weight.primitive().clone());
        let output = B::blocked_convolution(image.clone(), kernel.clone(), options);
        match ConvolutionBackward.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let cut_output = options.relu.then(|| output.clone());
                prepared.finish(ConvolutionState { x: image, weight: kernel, cut_output, options }, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn blocked_biased_convolution(
        x: Tracked<B, C>,
        weight: Tracked<B, C>,
        bias: Tracked<B, C>,
        options: ConvolutionOptions,
    ) -> Tracked<B, C> {
        let (image, kernel) = (x.primitive().clone(), weight.primitive().clone());
        let summand = bias.primitive().clone();
        let output = B::blocked_biased_convolution(image.clone(), kernel.clone(), summand, options);
        let nodes = [x.node(), weight.node(), bias.node()];
        match ConvolutionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let cut_output = options.relu.then(|| output.clone());
                prepared.finish(ConvolutionState { x: image, weight: kernel, cut_output, options }, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn blocked_linear(x: Tracked<B, C>, weight: Tracked<B, C>) -> Tracked<B, C> {
        let state = [x.primitive().clone(), weight.primitive().clone()];
        let output = B::blocked_linear(state[0].clone(), state[1].clone());
        match LinearBackward.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(state, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn gathered_max_pool(x: Tracked<B, C>, options: PoolOptions) -> Tracked<B, C> {
        let input = x.primitive().clone();
        let output = B::gathered_max_pool(input.clone(), options);
        match PoolBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((input, options), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}
