//! Regularizer, weight decay, momentum, update and mask of a parameter in one pass over memory, on the CPU backend.
//!
//! A step changes every weight once, and a large network's weights don't fit into a cache: what counts is how often
//! they are read. The results are those of [`OptimizerStep`](super::optimizer_step::OptimizerStep)'s tensor operations,
//! to the bit.

use std::collections::HashMap;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::masks::Masks;
use super::optimizer_step::OptimizerStep;
use super::sgd::Sgd;
use super::state::TrainState;
use crate::config::Kernels;
use crate::kernels::cpu::values;
use crate::loss::{HoyerVariance, Regularizer};
use crate::network::Network;
use crate::parallel;

/// Elements of a task without a regularizer.
const TASK: usize = 1 << 15;

/// What is done to a parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FusedOptions {
    pub sgd: Sgd,
    /// For convolutions.
    pub regularizer: Option<HoyerVariance>,
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
        let parameter = Parameter {
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
        let penalty = step(&parameter, changing, &options);
        let penalty = FlexTensor::from_data(TensorData::new(vec![penalty], [1]));
        let new = FlexTensor::from_data(TensorData::new(new, shape));
        // Without a velocity, the gradient has become one.
        (new, if has_velocity { velocity } else { gradient }, penalty)
    }
}

struct Parameter<'a> {
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
fn step(parameter: &Parameter<'_>, changing: Changing<'_>, options: &FusedOptions) -> f32 {
    let inputs = parameter.weight.len() / parameter.outputs.max(1);
    let task = options.regularizer.map_or(TASK, |variance| variance.tile.columns * inputs).max(1);
    let variance = options.regularizer.map(|variance| variance.kernel());
    let losses = parallel::map_items(changing.tasks(task), |at, Changing { new, gradient, velocity }| {
        let range = at * task..at * task + new.len();
        let weight = &parameter.weight[range.clone()];
        let mask = parameter.mask.map(|mask| &mask[range]);
        parallel::vectorized(
            #[inline(always)]
            || {
                let loss = variance.map_or(0.0, |variance| variance.add_band(weight, inputs, gradient));
                update(&options.sgd, weight, mask, new, gradient, velocity);
                loss
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

/// Whether a network's parameters can take fused steps.
pub(super) fn applies(network: &Network) -> bool {
    let fits = |weight: &Tensor<4>| weight.dtype() == DType::F32 && weight.device().inner() == Device::flex();
    network.kernels() == Kernels::Crossdub
        && network.convolutions().first().is_some_and(|layer| fits(&layer.weight.val()))
}

impl OptimizerStep {
    /// As [`OptimizerStep::apply`], for a network that [`applies`] allows.
    pub(super) fn apply_fused(
        &self,
        state: &mut TrainState,
        mut gradients: GradientsParams,
    ) -> Option<Tensor<1>> {
        let network = &state.network;
        let variance = match self.regularizer {
            Some(Regularizer::HoyerVariance(variance)) => Some(variance),
            _ => None,
        };
        let convolutions: Vec<ParamId> = network.convolutions().iter().map(|layer| layer.weight.id).collect();
        let trained = |id: &ParamId| gradients.get::<4>(*id).is_some();
        // Weights that stay as they are have a penalty, too: then it is computed apart.
        let fused = variance.filter(|_| convolutions.iter().all(trained));
        let apart = if fused.is_some() { None } else { self.add_penalty(network, &mut gradients) };
        let mut mapper = FusedStep {
            sgd: self.sgd,
            regularizer: fused,
            convolutions: &convolutions,
            gradients,
            velocities: &mut state.velocities,
            masks: state.masks.as_ref(),
            penalties: HashMap::new(),
        };
        state.network = network.clone().map(&mut mapper);
        let mut penalties = mapper.penalties;
        convolutions
            .iter()
            .filter_map(|id| penalties.remove(id))
            .reduce(|sum, penalty| sum + penalty)
            .or(apart)
    }
}

struct FusedStep<'a> {
    sgd: Sgd,
    regularizer: Option<HoyerVariance>,
    /// The parameters that it applies to.
    convolutions: &'a [ParamId],
    gradients: GradientsParams,
    velocities: &'a mut GradientsParams,
    masks: Option<&'a Masks>,
    /// Of each convolution.
    penalties: HashMap<ParamId, Tensor<1>>,
}

impl ModuleMapper for FusedStep<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        let mask = self.masks.and_then(|masks| masks.get::<D>(id));
        let Some(gradient) = self.gradients.remove::<D>(id) else {
            // Only pruned weights have a mask, and they are zero.
            return param;
        };
        let regularizer = self.regularizer.filter(|_| self.convolutions.contains(&id));
        let has_momentum = self.sgd.momentum != 0.0;
        let velocity = if has_momentum { self.velocities.remove::<D>(id) } else { None };
        param.map(|weight| {
            let weight = weight.inner();
            let none = || Tensor::<D>::empty([0; D], &weight.device());
            let velocity = velocity.unwrap_or_else(none).into_dispatch();
            let mask = mask.unwrap_or_else(none).into_dispatch();
            let (weight, velocity, penalty) = <Dispatch as CpuOptimizer>::fused_step(
                weight.into_dispatch(),
                gradient.into_dispatch(),
                velocity,
                mask,
                FusedOptions { sgd: self.sgd, regularizer },
            );
            if has_momentum {
                self.velocities.register(id, Tensor::<D>::from_dispatch(velocity));
            }
            if regularizer.is_some() {
                self.penalties.insert(id, Tensor::from_dispatch(penalty));
            }
            Tensor::from_inner(Tensor::from_dispatch(weight)).require_grad()
        })
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::config::{RegularizerKind, TrainConfig};
    use crate::crossbar::tiling::TileShape;
    use crate::loss::Lambdas;
    use crate::network::NetworkSpec;
    use crate::network::parameters::{ExportKind, export, import};
    use crate::network::spec::initialize;

    /// Weights, velocities and penalties of three steps with changing gradients.
    fn train(kernels: Kernels, kind: RegularizerKind, momentum: f64, masked: bool) -> Vec<Vec<f32>> {
        let config = TrainConfig {
            plan: "5 M 7 M".parse().expect("a plan"),
            classifier: "9".parse().expect("widths"),
            batch_norm: true,
            ..TrainConfig::default()
        };
        let spec = NetworkSpec::from_config(&config, 10).expect("a network");
        let mut weights = initialize(&spec, 3);
        let device = Device::flex().autodiff();
        let mut masks = weights.clone();
        masks.tensors.retain(|tensor| tensor.shape.len() == 4);
        for mask in &mut masks.tensors {
            for (at, value) in mask.data.iter_mut().enumerate() {
                *value = if at % 3 == 0 { 0.0 } else { 1.0 };
            }
        }
        if masked {
            for mask in &masks.tensors {
                let tensor = weights.tensors.iter_mut().find(|tensor| tensor.name == mask.name);
                for (weight, mask) in tensor.expect("a weight").data.iter_mut().zip(&mask.data) {
                    *weight *= mask;
                }
            }
        }
        let network = import(Network::new(&spec, &device), &spec, &weights).expect("fits");
        let network = network.with_kernels(kernels);
        let mut state = TrainState::new(network);
        state.masks =
            masked.then(|| Masks::new(&masks, &weights, &state.network, &spec).expect("masks that fit"));
        let lambdas = Lambdas { main: 0.1, mean: 0.01 };
        let step = OptimizerStep {
            sgd: Sgd { learning_rate: 0.1, momentum, weight_decay: 1e-3 },
            regularizer: Regularizer::new(kind, lambdas, TileShape { rows: 8, columns: 4 }),
        };
        let mut results = Vec::new();
        for at in 0..3 {
            // Gradients that don't depend on the kernels.
            let images = Tensor::<4>::ones([2, 3, 32, 32], &device).mul_scalar(0.3 + f64::from(at));
            let scores = state.network.clone().with_kernels(Kernels::Burn).forward(images, None);
            let gradients = GradientsParams::from_grads(scores.sum().backward(), &state.network);
            let penalty = step.apply(&mut state, gradients);
            results.push(penalty.map_or_else(Vec::new, |penalty| {
                penalty.into_data().as_slice::<f32>().expect("float32").to_vec()
            }));
        }
        for kind in [ExportKind::Weights, ExportKind::ParamState(&state.velocities)] {
            let exported = pollster::block_on(export(&state.network, &spec, kind)).expect("readable");
            results.extend(exported.tensors.into_iter().map(|tensor| tensor.data));
        }
        results
    }

    #[test]
    fn the_fused_step_equals_separate_passes_to_the_bit() {
        for kind in [
            RegularizerKind::None,
            RegularizerKind::Gated,
            RegularizerKind::MeanAndVariance,
            RegularizerKind::GroupLassoTile,
        ] {
            for (momentum, masked) in [(0.9, false), (0.9, true), (0.0, true)] {
                let [ours, burns] =
                    [Kernels::Crossdub, Kernels::Burn].map(|kernels| train(kernels, kind, momentum, masked));
                assert!(ours == burns, "{kind:?}, momentum {momentum}, masked {masked}");
            }
        }
    }
}
