//! Regularizer, weight decay, momentum, update and mask of a parameter in one pass over memory, on Burn's CPU backend, and
//! in one shader on graphics processors.
//!
//! A step changes every weight once, and a large network's weights don't fit into a cache: what counts is how often
//! they are read; on a graphics processor, how many shaders are started. The results are those of
//! [`OptimizerStep`](super::optimizer_step::OptimizerStep)'s tensor operations, on the CPU to the bit.

#[cfg(feature = "cpu")]
mod cpu;
#[cfg(feature = "cube")]
mod gpu;

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::masks::Masks;
use super::optimizer_step::OptimizerStep;
use super::sgd::Sgd;
use super::state::TrainState;
use crate::config::Kernels;
#[cfg(feature = "cpu")]
use crate::kernels::fits_cpu;
#[cfg(feature = "cube")]
use crate::kernels::fits_gpu;
use crate::loss::{HoyerVariance, Regularizer};
use crate::network::Network;

/// What is done to a parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FusedOptions {
    pub sgd: Sgd,
    /// For convolutions.
    pub regularizer: Option<HoyerVariance>,
}

/// A parameter before a step.
struct Parameter<const D: usize> {
    weight: Tensor<D>,
    gradient: Tensor<D>,
    /// Missing in the first step, and without momentum.
    velocity: Option<Tensor<D>>,
    mask: Option<Tensor<D>>,
}

/// A parameter after a step.
struct Stepped<const D: usize> {
    weight: Tensor<D>,
    velocity: Tensor<D>,
    /// The regularizer's value before the step, if there is one; one element.
    penalty: Option<Tensor<1>>,
}

impl<const D: usize> Parameter<D> {
    fn step(self, options: FusedOptions) -> Stepped<D> {
        #[cfg(all(feature = "cpu", feature = "cube"))]
        return if fits_gpu(&self.weight) { gpu::step(self, options) } else { cpu::step(self, options) };
        #[cfg(all(feature = "cpu", not(feature = "cube")))]
        return cpu::step(self, options);
        #[cfg(not(feature = "cpu"))]
        return gpu::step(self, options);
    }
}

/// Whether a network's parameters can take fused steps.
pub(super) fn applies(network: &Network) -> bool {
    let fits = |weight: &Tensor<4>| {
        #[cfg(feature = "cpu")]
        if fits_cpu(weight) {
            return true;
        }
        #[cfg(feature = "cube")]
        if fits_gpu(weight) {
            return true;
        }
        false
    };
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
            let parameter = Parameter { weight: weight.inner(), gradient, velocity, mask };
            let Stepped { weight, velocity, penalty } =
                parameter.step(FusedOptions { sgd: self.sgd, regularizer });
            if has_momentum {
                self.velocities.register(id, velocity);
            }
            if let Some(penalty) = penalty {
                self.penalties.insert(id, penalty);
            }
            Tensor::from_inner(weight).require_grad()
        })
    }
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests {
    use burn::tensor::Device;

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
