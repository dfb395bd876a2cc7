//! The device group of the browser, where a run has one device, and workers may share each batch. It takes the place
//! of `device_group.rs` there.

use super::shared_batch::BatchShare;
use crate::config::TrainConfig;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::{Network, NetworkSpec};
use crate::step::forward_backward::{StepInput, StepOutput};
use crate::step::optimizer_step::OptimizerStep;
use crate::step::state::TrainState;

/// A group of one device, or this worker's part in a group of workers.
#[derive(Default)]
pub(crate) struct DeviceGroup {
    /// `None` for a run that is alone.
    pub share: Option<BatchShare>,
}

impl DeviceGroup {
    pub async fn forward_backward(
        &mut self,
        input: &StepInput<'_>,
        network: &Network,
        spec: &NetworkSpec,
        _: &TrainState,
        main: &ComputeDevice,
        config: &TrainConfig,
    ) -> Result<StepOutput> {
        if config.devices.len() > 1 {
            return Err(Error::field("devices", &config.devices, "the page takes one device"));
        }
        match &self.share {
            Some(share) => share.forward_backward(input, network, spec, &main.device).await,
            None => Ok(input.forward_backward(network, &main.device)),
        }
    }

    pub fn apply_step(&mut self, _: &OptimizerStep) {}

    /// Nothing to discard: the page gives every worker the new state itself.
    pub fn invalidate(&mut self) {}
}
