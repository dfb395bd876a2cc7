//! What a training step changes: weights, momentum, and the masks that hold for both.

use burn::optim::GradientsParams;
#[cfg(not(target_arch = "wasm32"))]
use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};

use super::masks::Masks;
use crate::network::Network;

/// The state of a network in training, on one device.
pub(crate) struct TrainState {
    /// The network, with autodiff.
    pub network: Network,
    /// The momentum of each parameter.
    pub velocities: GradientsParams,
    /// The masks of pruned weights, if any.
    pub masks: Option<Masks>,
}

impl TrainState {
    /// A network that has not been trained yet.
    pub fn new(network: Network) -> Self {
        Self { network, velocities: GradientsParams::new(), masks: None }
    }
}

/// A copy, on another device, of what is kept for a network's parameters.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn param_state_on(device: &Device, network: &Network, state: &GradientsParams) -> GradientsParams {
    let mut visitor = CopyToDevice { device, state, copies: GradientsParams::new() };
    network.visit(&mut visitor);
    visitor.copies
}

#[cfg(not(target_arch = "wasm32"))]
struct CopyToDevice<'a> {
    device: &'a Device,
    state: &'a GradientsParams,
    copies: GradientsParams,
}

#[cfg(not(target_arch = "wasm32"))]
impl ModuleVisitor for CopyToDevice<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(tensor) = self.state.get::<D>(param.id) {
            self.copies.register(param.id, tensor.to_device(self.device));
        }
    }
}
