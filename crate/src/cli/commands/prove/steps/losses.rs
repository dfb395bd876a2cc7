//! The losses of two hundred steps, on the device and on the CPU, from the same seed.

use super::{DONE, StepOutcome, failed, out_of_time, skipped};
use crate::cli::commands::prove::context::Context;
use crate::cli::commands::prove::plan::file_name_label;
use crate::cli::commands::prove::record::Recorder;
use crate::cli::files;
use crate::cli::system;
use crate::config::{DeviceChoice, HardwareConfig, TrainConfig};
use crate::data::imagenet::LoaderConfig;
use crate::device::ComputeDevice;
use crate::error::Result;
use crate::train::self_test::{exceeds, nan_max};
use crate::train::trainer::Trainer;

const STEPS: usize = 200;
const BATCH: usize = 64;
/// The same on a software adapter, which takes seconds for the other.
const SMALL_BATCH: usize = 8;
/// Steps before which rounding must not show, and what of a loss it may change there.
const EARLY: usize = 5;
const ALLOWED: f64 = 1e-2;
/// Losses that differ by this part of them have parted.
const PARTED: f64 = 1e-3;
/// Steps at the end whose mean is compared.
const LAST: usize = 20;

/// Trains on both, in turn.
pub fn compare(context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    if context.device == DeviceChoice::Cpu {
        return Ok(skipped("the device is the CPU itself"));
    }
    let compute = context.open_device()?;
    let cpu = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu))?;
    let batch = if context.is_slow(&compute) { SMALL_BATCH } else { BATCH };
    record.fact("batch", batch.to_string())?;
    let (mut ours, mut reference) = (trainer(context, compute, batch)?, trainer(context, cpu, batch)?);
    let mut losses = Vec::new();
    let mut csv = "step,device,cpu\n".to_owned();
    while losses.len() < STEPS && context.seconds_until(0.9) > 0.0 {
        let loss = |trainer: &mut Trainer| pollster::block_on(trainer.step()).map(|p| p.loss + p.regularizer);
        let pair = (loss(&mut ours)?, loss(&mut reference)?);
        losses.push(pair);
        csv += &format!("{},{},{}\n", losses.len(), pair.0, pair.1);
    }
    let name = format!("losses-{}.csv", file_name_label(&context.label));
    files::write("writing losses", &context.out.join(name), csv.as_bytes())?;
    if losses.is_empty() {
        return Ok(out_of_time("no step ended in time"));
    }
    let n = losses.len();
    let relative = |(ours, cpu): &(f64, f64)| (ours - cpu).abs() / cpu.abs().max(f64::MIN_POSITIVE);
    let early = losses.iter().take(EARLY).map(relative).fold(0.0, nan_max);
    record.figure(
        "early",
        &format!("largest relative difference of the losses in the first {EARLY} steps"),
        early,
        "relative",
        EARLY.min(n),
    )?;
    match losses.iter().position(|pair| exceeds(relative(pair), PARTED)) {
        Some(at) => {
            let what = format!("step at which the losses differ by {PARTED}");
            record.figure("parted", &what, (at + 1) as f64, "steps", n)?;
        }
        None => {
            let why = format!("they stay within {PARTED} for all {n} steps");
            record.missing(
                "parted",
                &format!("step at which the losses differ by {PARTED}"),
                "steps",
                why,
            )?;
        }
    }
    let last = &losses[n.saturating_sub(LAST)..];
    let mean = |pick: fn(&(f64, f64)) -> f64| last.iter().map(pick).sum::<f64>() / last.len() as f64;
    let (ours, cpu) = (mean(|pair| pair.0), mean(|pair| pair.1));
    record.figure("last-device", "mean loss of the last steps, device", ours, "nats", last.len())?;
    record.figure("last-cpu", "mean loss of the last steps, CPU", cpu, "nats", last.len())?;
    let first = losses[0].1;
    if exceeds(early, ALLOWED) {
        return Ok(failed(format!("the first losses differ by {early:.1e}, and {ALLOWED:.0e} is allowed")));
    }
    if n == STEPS && exceeds(ours, first) {
        return Ok(failed(format!("the loss does not fall: {first:.3} first, {ours:.3} in the end")));
    }
    if n < STEPS {
        return Ok(out_of_time(format!("{n} of {STEPS} steps ended in time")));
    }
    Ok(DONE)
}

fn trainer(context: &Context, compute: ComputeDevice, batch: usize) -> Result<Trainer> {
    let mut config = TrainConfig { batch, learning_rate: 0.02, ..TrainConfig::default() };
    // A device may lack the memory for all images, and 200 steps see few.
    config.limit = STEPS * batch;
    let (path, _, holdout) = super::recipe::images_and_holdout(context, 1000)?;
    config.holdout = holdout;
    let data = files::open_dataset(&path, &mut config, LoaderConfig::default())?;
    Trainer::new(config, HardwareConfig::default(), data, compute, system::available_memory(), None)
}
