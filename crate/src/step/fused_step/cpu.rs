//! The step on Burn's CPU backend: a band of tiles stays in the cache from the regularizer to the mask.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};

use super::{FusedOptions, Parameter, Stepped};
use crate::kernels::cpu::values;
use crate::parallel;
use crate::step::sgd::Sgd;

/// Elements of a task without a regularizer.
const TASK: usize = 1 << 15;

/// See [`Parameter::step`].
pub(super) fn step<const D: usize>(parameter: Parameter<D>, options: FusedOptions) -> Stepped<D> {
    let Parameter { weight, gradient, velocity, mask } = parameter;
    let none = || Tensor::<D>::empty([0; D], &weight.device());
    let velocity = velocity.unwrap_or_else(none).into_dispatch();
    let mask = mask.unwrap_or_else(none).into_dispatch();
    let (weight, gradient) = (weight.into_dispatch(), gradient.into_dispatch());
    let (weight, velocity, penalty) =
        <Dispatch as CpuOptimizer>::fused_step(weight, gradient, velocity, mask, options);
    Stepped {
        weight: Tensor::from_dispatch(weight),
        velocity: Tensor::from_dispatch(velocity),
        penalty: options.regularizer.map(|_| Tensor::from_dispatch(penalty)),
    }
}

/// The operation that [`Flex`] gains.
#[backend_extension(Flex)]
pub(crate) trait CpuOptimizer: Backend {
    /// The new weight and velocity, and the regularizer's value before the step, one element. A velocity or mask
    /// without elements stands for none.
    fn fused_step(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        options: FusedOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

type FlexTensor = FloatTensor<Flex>;

impl CpuOptimizer for Flex {
    fn fused_step(
        weight: FlexTensor,
        gradient: FlexTensor,
        velocity: FlexTensor,
        mask: FlexTensor,
        options: FusedOptions,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let shape = weight.layout().shape().clone();
        let [weight, mut gradient, mut velocity, mask] =
            [weight, gradient, velocity, mask].map(|tensor| tensor.to_contiguous());
        let mut new = vec![0.0; shape.num_elements()];
        let fixed = Fixed {
            outputs: shape[0],
            weight: values(&weight),
            mask: Some(values(&mask)).filter(|mask| !mask.is_empty()),
        };
        let has_velocity = !values(&velocity).is_empty();
        let changing = Changing {
            new: &mut new,
            gradient: gradient.storage_mut(),
            velocity: has_velocity.then(|| velocity.storage_mut()),
        };
        let penalty = advance(&fixed, changing, &options);
        let penalty = FlexTensor::from_data(TensorData::new(vec![penalty], [1]));
        let new = FlexTensor::from_data(TensorData::new(new, shape));
        // Without a velocity, the gradient has become one.
        (new, if has_velocity { velocity } else { gradient }, penalty)
    }
}

/// What a step only reads.
struct Fixed<'a> {
    /// The first dimension.
    outputs: usize,
    weight: &'a [f32],
    mask: Option<&'a [f32]>,
}

/// What a step writes, all of the weight's size.
struct Changing<'a> {
    new: &'a mut [f32],
    /// In the first step, which has no velocity yet, this becomes the velocity.
    gradient: &'a mut [f32],
    velocity: Option<&'a mut [f32]>,
}

/// Takes a step. Returns the regularizer's value before it.
fn advance(fixed: &Fixed<'_>, changing: Changing<'_>, options: &FusedOptions) -> f32 {
    let inputs = fixed.weight.len() / fixed.outputs.max(1);
    let task = options.regularizer.map_or(TASK, |variance| variance.tile.columns * inputs).max(1);
    let variance = options.regularizer.map(|variance| variance.kernel());
    let losses = parallel::map_items(changing.tasks(task), |at, Changing { new, gradient, mut velocity }| {
        let range = at * task..at * task + new.len();
        let weight = &fixed.weight[range.clone()];
        let mask = fixed.mask.map(|mask| &mask[range]);
        parallel::vectorized(
            #[inline(always)]
            || {
                let Some(variance) = variance else {
                    update(&options.sgd, weight, mask, new, gradient, velocity);
                    return 0.0;
                };
                variance.add_band(
                    weight,
                    inputs,
                    gradient,
                    #[inline(always)]
                    |range, gradient| {
                        let mask = mask.map(|mask| &mask[range.clone()]);
                        let velocity = velocity.as_deref_mut().map(|velocity| &mut velocity[range.clone()]);
                        let (weight, new) = (&weight[range.clone()], &mut new[range]);
                        update(&options.sgd, weight, mask, new, gradient, velocity);
                    },
                )
            },
        )
    });
    losses.iter().sum::<f64>() as f32
}

impl<'a> Changing<'a> {
    fn tasks(self, size: usize) -> Vec<Self> {
        let pairs = self.new.chunks_mut(size).zip(self.gradient.chunks_mut(size));
        match self.velocity {
            Some(velocity) => pairs
                .zip(velocity.chunks_mut(size))
                .map(|((new, gradient), velocity)| Self { new, gradient, velocity: Some(velocity) })
                .collect(),
            None => pairs.map(|(new, gradient)| Self { new, gradient, velocity: None }).collect(),
        }
    }
}

/// The step of [`Sgd`], in the order of its operations, and the mask.
#[inline(always)]
fn update(
    sgd: &Sgd,
    weight: &[f32],
    mask: Option<&[f32]>,
    new: &mut [f32],
    gradient: &mut [f32],
    velocity: Option<&mut [f32]>,
) {
    let [rate, momentum, decay] = [sgd.learning_rate, sgd.momentum, sgd.weight_decay].map(|x| x as f32);
    if decay != 0.0 {
        for (gradient, weight) in gradient.iter_mut().zip(weight) {
            *gradient += weight * decay;
        }
    }
    match velocity {
        Some(velocity) => {
            for (((new, weight), gradient), velocity) in
                new.iter_mut().zip(weight).zip(gradient).zip(velocity)
            {
                *velocity = *gradient + *velocity * momentum;
                *new = weight - *velocity * rate;
            }
        }
        None => {
            for ((new, weight), gradient) in new.iter_mut().zip(weight).zip(gradient) {
                *new = weight - *gradient * rate;
            }
        }
    }
    if let Some(mask) = mask {
        for (new, mask) in new.iter_mut().zip(mask) {
            // Not a product, which would leave negative zeros and turn infinities into NaN.
            *new = if *mask == 0.0 { 0.0 } else { *new };
        }
    }
}
