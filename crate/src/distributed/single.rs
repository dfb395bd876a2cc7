//! The device group of the browser, where a run has one device. It takes the place of `device_group.rs` there.

use crate::config::TrainConfig;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::step::forward_backward::{StepInput, StepOutput};
use crate::step::optimizer_step::OptimizerStep;
use crate::step::state::TrainState;

/// A group of one device.
#[derive(Default)]
pub(crate) struct DeviceGroup {}

impl DeviceGroup {
    #[expect(clippy::unused_async, reason = "the native one awaits its devices")]
    pub async fn forward_backward(
        &mut self,
        input: &StepInput<'_>,
        network: &Network,
        _: &TrainState,
        main: &ComputeDevice,
        config: &TrainConfig,
    ) -> Result<StepOutput> {
        if config.devices.len() > 1 {
            return Err(Error::field("devices", &config.devices, "the page takes one device"));
        }
        Ok(input.forward_backward(network, &main.device))
    }

    pub fn apply_step(&mut self, _: &OptimizerStep) {}

    pub fn invalidate(&mut self) {}
}
