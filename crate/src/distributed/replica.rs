//! A further device's copy of the network in training: the same to the bit after every step.

use std::mem::take;

use burn::module::Module;
use burn::optim::GradientsParams;

use super::part_output::attach;
use crate::device::ComputeDevice;
use crate::step::optimizer_step::OptimizerStep;
use crate::step::state::{TrainState, param_state_on};

/// The state of the network on a further device.
pub(super) struct Replica {
    pub device: ComputeDevice,
    pub state: TrainState,
    /// The summed gradients of the last batch, until [`Replica::apply_step`] uses them.
    pub gradients: GradientsParams,
}

impl Replica {
    /// A copy of the first device's state.
    pub fn new(state: &TrainState, device: ComputeDevice) -> Self {
        let TrainState { network, velocities, masks } = state;
        let state = TrainState {
            network: attach(network.valid(), &device),
            velocities: param_state_on(&device.device, network, velocities),
            masks: masks.as_ref().map(|masks| masks.on(&device.device, network)),
        };
        Self { device, state, gradients: GradientsParams::new() }
    }

    /// Takes the same step as the first device.
    pub fn apply_step(&mut self, step: &OptimizerStep) {
        let gradients = take(&mut self.gradients);
        step.apply(&mut self.state, gradients);
    }
}
