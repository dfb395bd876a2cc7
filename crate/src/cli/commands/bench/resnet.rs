//! The parts of a ResNet18 training step: forward, backward, regularizer, update.

use super::{BenchTime, step_parts};
use crate::cli::measure::roofline::Roofline;
use crate::cli::measure::timing::{median_time, timed};
use crate::cli::measure::training_step::{TrainingStep, measured_config};
use crate::cli::system;
use crate::config::{DeviceChoice, HardwareConfig, NetworkName, Precision};
use crate::device::ComputeDevice;
use crate::error::Result;

/// Images of a step; few, because a CPU takes most of a second for them.
const BATCH: usize = 8;
const CLASSES: usize = 1000;

/// Measures the whole step, then its parts.
///
/// # Errors
/// When the device fails.
pub(super) fn measure() -> Result<Vec<BenchTime>> {
    let config = measured_config(NetworkName::ResNet18, BATCH, Precision::F32);
    let hardware = HardwareConfig { tile: 64, ..HardwareConfig::default() };
    let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu))?;
    let mut step = TrainingStep::new(&config, &hardware, CLASSES, &compute, system::available_memory())?;
    let (whole, n) = median_time(|| {
        let (loss, time) = timed(|| step.whole(true));
        loss.map(|_| time)
    })?;
    let what = format!("training step, resnet18, batch {BATCH}, gated regularizer");
    let peak = system::peak_memory()
        .map_or_else(String::new, |bytes| format!("at most {} MiB of memory in this process", bytes >> 20));
    let note = [Roofline::here().training_note(step.spec(), BATCH), peak].join("; ");
    let whole = BenchTime::new("resnet", what.clone(), whole, n).with_note(note);
    Ok([whole].into_iter().chain(step_parts(&mut step, "resnet", &what)?).collect())
}
