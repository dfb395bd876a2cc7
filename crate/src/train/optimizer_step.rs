//! What follows the backward pass on the device that holds a network: regularizer, step, masks.

use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::loss::Regularizer;
use crate::network::Network;
use crate::train::masks::Masks;
use crate::train::sgd::Sgd;

/// How a step is taken.
#[derive(Clone, Copy)]
pub(crate) struct OptimizerStep {
    pub sgd: Sgd,
    /// None when it is off.
    pub regularizer: Option<Regularizer>,
}

impl OptimizerStep {
    /// Moves the weights; the regularizer's value before the step.
    pub fn apply(
        &self,
        network: &mut Network,
        mut gradients: GradientsParams,
        velocities: &mut GradientsParams,
        masks: Option<&Masks>,
    ) -> Option<Tensor<1>> {
        let penalty = self.add_regularizer(network, &mut gradients);
        *network = self.sgd.step(network.clone(), gradients, velocities);
        if let Some(masks) = masks {
            *network = masks.apply(network.clone());
        }
        penalty
    }

    /// Adds the regularizer's gradient to those of the convolutions; its value.
    fn add_regularizer(&self, network: &Network, gradients: &mut GradientsParams) -> Option<Tensor<1>> {
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
