//! What follows the backward pass on each device that holds the network: regularizer, optimizer, masks.

use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::sgd::Sgd;
use super::state::TrainState;
use crate::loss::Regularizer;
use crate::network::Network;

/// The settings of one step.
#[derive(Clone, Copy)]
pub(crate) struct OptimizerStep {
    pub sgd: Sgd,
    pub regularizer: Option<Regularizer>,
}

impl OptimizerStep {
    /// Updates the weights. Returns the regularizer's value before the step, one element.
    pub fn apply(&self, state: &mut TrainState, mut gradients: GradientsParams) -> Option<Tensor<1>> {
        #[cfg(any(feature = "cpu", feature = "cube"))]
        if super::fused_step::applies(&state.network) {
            return self.apply_fused(state, gradients);
        }
        let penalty = self.add_penalty(&state.network, &mut gradients);
        state.network = self.sgd.step(state.network.clone(), gradients, &mut state.velocities);
        if let Some(masks) = &state.masks {
            state.network = masks.apply(state.network.clone());
        }
        penalty
    }

    /// Adds the regularizer's gradients to those of the convolutions. Returns its value.
    pub(super) fn add_penalty(
        &self,
        network: &Network,
        gradients: &mut GradientsParams,
    ) -> Option<Tensor<1>> {
        let regularizer = self.regularizer?;
        let mut total: Option<Tensor<1>> = None;
        for convolution in network.convolutions() {
            let weight = &convolution.weight;
            let penalty = regularizer.evaluate(weight.val().inner());
            if let Some(gradient) = gradients.remove::<4>(weight.id) {
                gradients.register(weight.id, gradient + penalty.gradient);
            }
            total = Some(match total {
                Some(sum) => sum + penalty.loss,
                None => penalty.loss,
            });
        }
        total
    }
}
