//! Stochastic gradient descent as in `torch.optim.SGD`: coupled weight decay, momentum without dampening.
//!
//! ```text
//! g = g + weight_decay * w
//! v = momentum * v + g
//! w = w - learning_rate * v
//! ```
//!
//! Burn's own `Sgd` computes the same, but its momentum can't be read back asynchronously, and the page must not block;
//! so the velocities are kept here, where a checkpoint can read them.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The optimizer's settings for one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub learning_rate: f64,
    /// Momentum, 0 to below 1.
    pub momentum: f64,
    /// Weight decay, added to the gradient.
    pub weight_decay: f64,
}

impl Sgd {
    /// One step. Parameters without a gradient stay as they are.
    pub fn step<M: Module>(
        &self,
        module: M,
        gradients: GradientsParams,
        velocities: &mut GradientsParams,
    ) -> M {
        module.map(&mut SgdUpdate { sgd: *self, gradients, velocities })
    }
}

struct SgdUpdate<'a> {
    sgd: Sgd,
    gradients: GradientsParams,
    velocities: &'a mut GradientsParams,
}

impl ModuleMapper for SgdUpdate<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        let Some(mut gradient) = self.gradients.remove::<D>(id) else { return param };
        param.map(|weight| {
            let weight = weight.inner();
            if self.sgd.weight_decay != 0.0 {
                gradient = gradient + weight.clone().mul_scalar(self.sgd.weight_decay);
            }
            if self.sgd.momentum != 0.0 {
                if let Some(velocity) = self.velocities.remove::<D>(id) {
                    gradient = gradient + velocity.mul_scalar(self.sgd.momentum);
                }
                self.velocities.register::<D>(id, gradient.clone());
            }
            Tensor::from_inner(weight - gradient.mul_scalar(self.sgd.learning_rate)).require_grad()
        })
    }
}
