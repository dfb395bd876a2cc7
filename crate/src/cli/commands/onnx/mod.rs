//! What the commands do with an ONNX model instead of weights.

pub mod classify;
pub mod images;
pub mod layers;
pub mod simulate;

use crate::config::DeviceChoice;
use crate::error::{Error, Result};

/// Checks that no other device is asked for than the CPU, which computes models.
///
/// # Errors
/// Names the device.
pub fn check_computes_onnx(device: &DeviceChoice) -> Result<()> {
    match device {
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(()),
        other => Err(Error::field("device", other, "ONNX models are computed on the CPU")),
    }
}
