//! In the place of `others.rs` in the browser, where a run has one device.

use crate::error::{Error, Result};
use crate::train::forward_backward::{StepInput, StepOutput};
use crate::train::optimizer_step::OptimizerStep;
use crate::train::trainer::Trainer;

/// No further devices.
#[derive(Default)]
pub(crate) struct DeviceGroup {}

impl DeviceGroup {
    pub fn follow(&mut self, _: &OptimizerStep) {}

    pub fn forget(&mut self) {}
}

impl Trainer {
    #[expect(clippy::unused_async, reason = "the native one awaits its devices")]
    pub(crate) async fn shared_pass(&mut self, _: &StepInput<'_>) -> Result<StepOutput> {
        Err(Error::field("devices", &self.spec.devices, "the page takes one device"))
    }
}
