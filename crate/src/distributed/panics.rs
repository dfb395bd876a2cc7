//! Panics of a backend that has lost its device, as errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::device::{ComputeDevice, device_error};
use crate::error::{Error, ErrorKind, Result};

/// Runs `work` on a device; a panic becomes an error that names the device.
pub(super) fn catch_panic<T>(device: &ComputeDevice, work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_error(device, &*panic))
}

/// The error for a panic on this device.
pub(super) fn panic_error(device: &ComputeDevice, panic: &(dyn Any + Send)) -> Error {
    let error = device_error(panic);
    match error.kind() {
        ErrorKind::Device { reason, .. } => Error::device(&*device.adapter, reason),
        _ => error,
    }
}
