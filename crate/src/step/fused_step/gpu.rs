//! The step on graphics processors: one shader a parameter; with a regularizer two, the first of which only reads.

use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor as BurnTensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{FusedOptions, Parameter, Stepped};
use crate::kernels::gpu::launch::{grid, new_like, side_by_side};
use crate::loss::HoyerVariance;
use crate::loss::hoyer_variance::gpu::{
    TileColumns, column_gradient, densities, tile_losses, weight_gradient,
};
use crate::step::sgd::Sgd;

/// See [`Parameter::step`].
pub(super) fn step<const D: usize>(parameter: Parameter<D>, options: FusedOptions) -> Stepped<D> {
    let Parameter { weight, gradient, velocity, mask } = parameter;
    // At rest at first, so that one shader does for all steps.
    let velocity = velocity.unwrap_or_else(|| weight.zeros_like());
    let is_masked = mask.is_some();
    // A shader takes a buffer of at least one value.
    let mask = mask.unwrap_or_else(|| BurnTensor::empty([1; D], &weight.device()));
    let (weight, gradient) = (weight.into_dispatch(), gradient.into_dispatch());
    let (velocity, mask) = (velocity.into_dispatch(), mask.into_dispatch());
    let sgd = options.sgd;
    let (weight, velocity, losses) = match options.regularizer {
        None => {
            let (weight, velocity) =
                <Dispatch as GpuOptimizer>::fused_step(weight, gradient, velocity, mask, is_masked, sgd);
            (weight, velocity, None)
        }
        Some(variance) => {
            let (weight, velocity, losses) = <Dispatch as GpuOptimizer>::fused_regularized_step(
                weight, gradient, velocity, mask, is_masked, sgd, variance,
            );
            (weight, velocity, Some(losses))
        }
    };
    Stepped {
        weight: BurnTensor::from_dispatch(weight),
        velocity: BurnTensor::from_dispatch(velocity),
        penalty: losses.map(|losses| BurnTensor::<1>::from_dispatch(losses).sum()),
    }
}

/// The operations that graphics processors gain.
#[backend_extension(Cube, Fusion)]
pub(crate) trait GpuOptimizer: Backend {
    /// The new weight and velocity. Without `is_masked`, the mask is not read.
    #[fusion(meta = |weight, _, _, _, _, _| (weight.clone(), weight.clone()))]
    fn fused_step(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        is_masked: bool,
        sgd: Sgd,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The new weight and velocity, and the regularizer's value of each tile before the step.
    #[fusion(meta = regularized)]
    fn fused_regularized_step(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        is_masked: bool,
        sgd: Sgd,
        variance: HoyerVariance,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

fn regularized(
    weight: &TensorSpec,
    _: &TensorSpec,
    _: &TensorSpec,
    _: &TensorSpec,
    _: &bool,
    _: &Sgd,
    variance: &HoyerVariance,
) -> (TensorSpec, TensorSpec, TensorSpec) {
    let losses = TensorSpec::new(tile_losses(&weight.shape, variance), weight.dtype);
    (weight.clone(), weight.clone(), losses)
}

impl GpuOptimizer for CubeBackend {
    fn fused_step(
        weight: CubeTensor,
        gradient: CubeTensor,
        velocity: CubeTensor,
        mask: CubeTensor,
        is_masked: bool,
        sgd: Sgd,
    ) -> (CubeTensor, CubeTensor) {
        let [weight, gradient, mask] = [weight, gradient, mask].map(side_by_side);
        let velocity = writable(velocity);
        let new = new_like(&weight, weight.meta.shape().clone());
        let client = weight.client.clone();
        let (count, dim) = grid(&client, weight.meta.num_elements());
        let [rate, momentum, decay] = factors(&sgd);
        step_shader::launch(
            &client,
            count,
            dim,
            weight.into_tensor_arg(),
            gradient.into_tensor_arg(),
            mask.into_tensor_arg(),
            velocity.clone().into_tensor_arg(),
            new.clone().into_tensor_arg(),
            rate,
            momentum,
            decay,
            is_masked,
        );
        (new, velocity)
    }

    fn fused_regularized_step(
        weight: CubeTensor,
        gradient: CubeTensor,
        velocity: CubeTensor,
        mask: CubeTensor,
        is_masked: bool,
        sgd: Sgd,
        variance: HoyerVariance,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let [weight, gradient, mask] = [weight, gradient, mask].map(side_by_side);
        let velocity = writable(velocity);
        let shape = weight.meta.shape().clone();
        let columns = densities(&weight, &variance);
        let losses = new_like(&weight, tile_losses(&shape, &variance));
        let new = new_like(&weight, shape);
        let client = weight.client.clone();
        let (count, dim) = grid(&client, columns.meta.num_elements() / 2);
        let [rate, momentum, decay] = factors(&sgd);
        regularized_step_shader::launch(
            &client,
            count,
            dim,
            weight.into_tensor_arg(),
            gradient.into_tensor_arg(),
            mask.into_tensor_arg(),
            columns.into_tensor_arg(),
            velocity.clone().into_tensor_arg(),
            new.clone().into_tensor_arg(),
            losses.clone().into_tensor_arg(),
            rate,
            momentum,
            decay,
            variance.lambda as f32,
            variance.lambda_mean as f32,
            is_masked,
            TileColumns::new(&variance),
        );
        (new, velocity, losses)
    }
}

/// A velocity that may be overwritten: with a buffer of its own, a shader would need more of them than every browser has.
fn writable(velocity: CubeTensor) -> CubeTensor {
    let velocity = side_by_side(velocity);
    if velocity.can_mut() { velocity } else { velocity.copy() }
}

fn factors(sgd: &Sgd) -> [f32; 3] {
    [sgd.learning_rate, sgd.momentum, sgd.weight_decay].map(|factor| factor as f32)
}

/// Decay, momentum, update and mask of one weight.
#[cube]
fn move_weight(
    at: usize,
    weight: f32,
    gradient: f32,
    mask: &Tensor<f32>,
    velocity: &mut Tensor<f32>,
    new: &mut Tensor<f32>,
    sgd: (f32, f32, f32),
    #[comptime] is_masked: bool,
) {
    let (rate, momentum, decay) = sgd;
    let moved = gradient + weight * decay + velocity[at] * momentum;
    velocity[at] = moved;
    let mut next = weight - moved * rate;
    if comptime!(is_masked) {
        // Not a product, which would leave negative zeros and turn infinities into NaN.
        next = select(mask[at] == 0.0f32, 0.0f32, next);
    }
    new[at] = next;
}

/// Each unit moves one weight.
#[cube(launch)]
fn step_shader(
    weight: &Tensor<f32>,
    gradient: &Tensor<f32>,
    mask: &Tensor<f32>,
    velocity: &mut Tensor<f32>,
    new: &mut Tensor<f32>,
    rate: f32,
    momentum: f32,
    decay: f32,
    #[comptime] is_masked: bool,
) {
    if ABSOLUTE_POS >= new.len() {
        terminate!();
    }
    let at = ABSOLUTE_POS;
    move_weight(at, weight[at], gradient[at], mask, velocity, new, (rate, momentum, decay), is_masked);
}

/// Each unit moves the weights of one column of one tile.
#[cube(launch)]
fn regularized_step_shader(
    weight: &Tensor<f32>,
    gradient: &Tensor<f32>,
    mask: &Tensor<f32>,
    densities: &Tensor<f32>,
    velocity: &mut Tensor<f32>,
    new: &mut Tensor<f32>,
    losses: &mut Tensor<f32>,
    rate: f32,
    momentum: f32,
    decay: f32,
    lambda: f32,
    lambda_mean: f32,
    #[comptime] is_masked: bool,
    #[comptime] tile: TileColumns,
) {
    if ABSOLUTE_POS >= densities.shape(1) * densities.shape(2) {
        terminate!();
    }
    let inputs = weight.stride(0);
    let column = column_gradient(ABSOLUTE_POS, densities, losses, inputs, lambda, lambda_mean, tile);
    for row in 0..column.height {
        let at = column.start + row;
        let own = weight[at];
        let slope = gradient[at] + weight_gradient(own, column.by_sign, column.by_weight);
        move_weight(at, own, slope, mask, velocity, new, (rate, momentum, decay), is_masked);
    }
}
