//! How the time of a training step grows with the batch, the network's width and the size of its images.

use super::{BenchTime, CurvePoint};
use crate::cli::measure::roofline::Roofline;
use crate::cli::measure::timing::{median_time, timed};
use crate::cli::measure::training_step::{TrainingStep, measured_config};
use crate::cli::system;
use crate::config::{DeviceChoice, HardwareConfig, NetworkName, Precision, TrainConfig};
use crate::device::ComputeDevice;
use crate::error::Result;

const BATCHES: [usize; 5] = [1, 4, 16, 64, 256];
const WIDTHS: [usize; 3] = [1, 2, 4];
/// Pixels a side, for ResNet18.
const SIDES: [usize; 4] = [32, 64, 128, 224];
/// Images of a step of each width.
const BATCH: usize = 64;
/// Images of a step of ResNet18.
const RESNET_BATCH: usize = 8;

/// Measures the points of each curve.
///
/// # Errors
/// When the device fails.
pub(super) fn measure() -> Result<Vec<BenchTime>> {
    let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu))?;
    let mut times = Vec::new();
    for batch in BATCHES {
        let config = measured_config(NetworkName::VggSmall, batch, Precision::F32);
        let what = format!("training step, vgg-small, batch {batch}");
        times.push(point(&compute, CurvePoint { curve: "batch", at: batch }, what, &config, 10)?);
    }
    for width in WIDTHS {
        let [first, second, third] = [32, 64, 128].map(|channels| channels * width);
        let plan = format!("{first} M {second} M {third} M").parse()?;
        let config = TrainConfig { plan, ..measured_config(NetworkName::VggSmall, BATCH, Precision::F32) };
        let what = format!("training step, vgg-small {width} times as wide, batch {BATCH}");
        times.push(point(&compute, CurvePoint { curve: "width", at: width }, what, &config, 10)?);
    }
    for side in SIDES {
        let config =
            TrainConfig { side, ..measured_config(NetworkName::ResNet18, RESNET_BATCH, Precision::F32) };
        let what = format!("training step, resnet18, batch {RESNET_BATCH}, images of {side} x {side}");
        times.push(point(&compute, CurvePoint { curve: "side", at: side }, what, &config, 1000)?);
    }
    Ok(times)
}

fn point(
    compute: &ComputeDevice,
    place: CurvePoint,
    what: String,
    config: &TrainConfig,
    classes: usize,
) -> Result<BenchTime> {
    let hardware = HardwareConfig::default();
    let mut step = TrainingStep::new(config, &hardware, classes, compute, system::available_memory())?;
    let (time, n) = median_time(|| {
        let (loss, time) = timed(|| step.whole(false));
        loss.map(|_| time)
    })?;
    let id = format!("scaling-{}-{}", place.curve, place.at);
    let at_peak = Roofline::here().training_note(step.spec(), config.batch);
    let note = format!("{:.2} ms an image; {at_peak}", time / config.batch as f64);
    Ok(BenchTime { point: Some(place), ..BenchTime::new(id, what, time, n).with_note(note) })
}
