//! The cross-entropy on graphics processors: three shaders with its gradient, instead of two dozen operations.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, AutodiffBackend, Backend, Dispatch, backend_extension};
use burn::tensor::{DType, Int, Shape, TensorData};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::kernels::gpu::launch::{grid, new_like, side_by_side};
use crate::kernels::gpu::parts::add_parts;

/// The operation that graphics processors gain.
#[backend_extension(Cube, Fusion, Autodiff)]
pub(crate) trait GpuCrossEntropy: Backend {
    /// The mean over the batch, one element, and each image's `log sum_c exp(s_c)`, which has no gradient.
    #[fusion(meta = outputs)]
    fn mean_cross_entropy(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// Its gradient, which has none itself.
#[backend_extension(Cube, Fusion)]
pub(crate) trait GpuCrossEntropyGradient: Backend {
    /// By the scores, for a `gradient` by the mean, one element.
    #[fusion(meta = |logits, _, _, _| logits.clone())]
    fn cross_entropy_gradient(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        normalizers: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

fn outputs(logits: &TensorSpec, _: &TensorSpec) -> (TensorSpec, TensorSpec) {
    let of = |count: usize| TensorSpec::new(Shape::from([count]), logits.dtype);
    (of(1), of(logits.shape[0]))
}

/// See [`cross_entropy`](super::cross_entropy).
pub(super) fn cross_entropy(logits: burn::tensor::Tensor<2>, labels: &[i32]) -> burn::tensor::Tensor<1> {
    let labels = TensorData::new(labels.to_vec(), [labels.len()]);
    let options = (&logits.device().inner(), DType::I32);
    let labels = burn::tensor::Tensor::<1, Int>::from_data(labels, options).into_dispatch();
    let (loss, _) = <Dispatch as GpuCrossEntropy>::mean_cross_entropy(logits.into_dispatch(), labels);
    burn::tensor::Tensor::from_dispatch(loss)
}

impl GpuCrossEntropy for CubeBackend {
    fn mean_cross_entropy(logits: CubeTensor, labels: CubeTensor) -> (CubeTensor, CubeTensor) {
        let logits = side_by_side(logits);
        let batch = logits.meta.shape()[0];
        let normalizers = new_like(&logits, Shape::from([batch]));
        let parts = new_like(&logits, Shape::from([batch, 1]));
        let client = logits.client.clone();
        let (count, dim) = grid(&client, batch);
        cross_entropy_shader::launch(
            &client,
            count,
            dim,
            logits.into_tensor_arg(),
            labels.into_tensor_arg(),
            normalizers.clone().into_tensor_arg(),
            parts.clone().into_tensor_arg(),
        );
        (add_parts(parts, Shape::from([1])), normalizers)
    }
}

impl GpuCrossEntropyGradient for CubeBackend {
    fn cross_entropy_gradient(
        logits: CubeTensor,
        labels: CubeTensor,
        normalizers: CubeTensor,
        gradient: CubeTensor,
    ) -> CubeTensor {
        let logits = side_by_side(logits);
        let output = new_like(&logits, logits.meta.shape().clone());
        let client = logits.client.clone();
        let (count, dim) = grid(&client, logits.meta.num_elements());
        cross_entropy_gradient_shader::launch(
            &client,
            count,
            dim,
            logits.into_tensor_arg(),
            labels.into_tensor_arg(),
            normalizers.into_tensor_arg(),
            gradient.into_tensor_arg(),
            output.clone().into_tensor_arg(),
        );
        output
    }
}

#[derive(Debug)]
struct CrossEntropyBackward;

/// Scores, labels, and what the forward pass found of each image.
#[derive(Debug, Clone)]
struct CrossEntropyState<B: Backend> {
    logits: FloatTensor<B>,
    labels: IntTensor<B>,
    normalizers: FloatTensor<B>,
}

impl<B: GpuCrossEntropyGradient> Backward<B, 1> for CrossEntropyBackward {
    type State = CrossEntropyState<B>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let CrossEntropyState { logits, labels, normalizers } = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            let by_logits = B::cross_entropy_gradient(logits, labels, normalizers, gradient);
            gradients.register::<B>(node.id, by_logits);
        }
    }
}

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

impl<B: GpuCrossEntropy + GpuCrossEntropyGradient, C: CheckpointStrategy> GpuCrossEntropy for Autodiff<B, C> {
    fn mean_cross_entropy(logits: Tracked<B, C>, labels: IntTensor<B>) -> (Tracked<B, C>, Tracked<B, C>) {
        let scores = logits.primitive().clone();
        let (loss, normalizers) = B::mean_cross_entropy(scores.clone(), labels.clone());
        let untracked = Self::from_inner(normalizers.clone());
        let loss = match CrossEntropyBackward.prepare::<C>([logits.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                prepared.finish(CrossEntropyState { logits: scores, labels, normalizers }, loss)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(loss),
        };
        (loss, untracked)
    }
}

/// Each unit takes one image: its part of the mean, and `log sum_c exp(s_c)`.
#[cube(launch)]
fn cross_entropy_shader(
    logits: &Tensor<f32>,
    labels: &Tensor<i32>,
    normalizers: &mut Tensor<f32>,
    parts: &mut Tensor<f32>,
) {
    let batch = logits.shape(0);
    let classes = logits.shape(1);
    if ABSOLUTE_POS >= batch {
        terminate!();
    }
    let start = ABSOLUTE_POS * classes;
    let mut largest = logits[start];
    for class in 1..classes {
        let score = logits[start + class];
        largest = select(score > largest, score, largest);
    }
    let mut sum = 0.0f32;
    for class in 0..classes {
        sum += (logits[start + class] - largest).exp();
    }
    let normalizer = largest + sum.ln();
    normalizers[ABSOLUTE_POS] = normalizer;
    let own = logits[start + usize::cast_from(labels[ABSOLUTE_POS])];
    parts[ABSOLUTE_POS] = (normalizer - own) / f32::cast_from(batch);
}

/// Each unit takes one score: `(exp(s_c) / sum_c exp(s_c) - [c is the label]) / batch`, times the gradient.
#[cube(launch)]
fn cross_entropy_gradient_shader(
    logits: &Tensor<f32>,
    labels: &Tensor<i32>,
    normalizers: &Tensor<f32>,
    gradient: &Tensor<f32>,
    output: &mut Tensor<f32>,
) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    let classes = output.shape(1);
    let image = ABSOLUTE_POS / classes;
    let class = ABSOLUTE_POS % classes;
    let share = (logits[ABSOLUTE_POS] - normalizers[image]).exp();
    let expected = select(usize::cast_from(labels[image]) == class, 1.0f32, 0.0f32);
    output[ABSOLUTE_POS] = (share - expected) * gradient[0] / f32::cast_from(output.shape(0));
}
