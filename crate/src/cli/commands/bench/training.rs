//! A training step of vgg-small, without and with the regularizer, and one of VGG11.

use std::time::Instant;

use super::{BenchTime, step_parts};
use crate::cli::measure::roofline::Roofline;
use crate::cli::measure::timing::{another_run, median, median_time, timed};
use crate::cli::measure::training_step::{TrainingStep, measured_config};
use crate::cli::system;
use crate::config::{DeviceChoice, HardwareConfig, NetworkName, Precision, RegularizerKind, TrainConfig};
use crate::data::synthetic;
use crate::device::ComputeDevice;
use crate::error::Result;
use crate::network::NetworkSpec;
use crate::train::trainer::Trainer;

/// Images of a step.
const BATCH: usize = 64;
/// Images of a step of VGG11.
const VGG11_BATCH: usize = 128;
/// A difference of a few percent takes more runs than a time.
const MAX_PAIRS: usize = 50;
/// What the regularizer may cost of a step.
const ALLOWED_PERCENT: f64 = 10.0;

/// Alternates steps without and with the regularizer, so that both run under the same load.
///
/// # Errors
/// When training fails.
pub(super) fn measure() -> Result<Vec<BenchTime>> {
    let mut plain = trainer(RegularizerKind::None)?;
    let mut gated = trainer(RegularizerKind::Gated)?;
    for _ in 0..2 {
        step(&mut plain)?;
        step(&mut gated)?;
    }
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let started = Instant::now();
    while another_run(without.len(), MAX_PAIRS, started) {
        // The second of a pair may find warm caches, so the order alternates.
        if without.len().is_multiple_of(2) {
            without.push(step(&mut plain)?);
            with.push(step(&mut gated)?);
        } else {
            with.push(step(&mut gated)?);
            without.push(step(&mut plain)?);
        }
    }
    // The two steps of a pair run within a moment, so other load hardly affects their ratio.
    let ratios = without.iter().zip(&with).map(|(without, with)| with / without).collect();
    let overhead = 100.0 * (median(ratios) - 1.0);
    let what = format!("training step, vgg-small, batch {BATCH}");
    let note = format!("the regularizer costs {overhead:+.1} %; {ALLOWED_PERCENT} % are allowed");
    let n = without.len();
    let gated = BenchTime::new("training-gated", format!("{what}, gated regularizer"), median(with), n);
    let roof = Roofline::here();
    let small = measured_config(NetworkName::VggSmall, BATCH, Precision::F32);
    let at_peak = roof.training_note(&NetworkSpec::from_config(&small, 10)?, BATCH);
    let small = BenchTime::new("training", what, median(without), n).with_note(at_peak);
    Ok([small, gated.with_note(note)].into_iter().chain(vgg11(roof)?).collect())
}

/// A step of VGG11 on images of 32 x 32 pixels, and the part of it that the regularizer takes.
fn vgg11(roof: Roofline) -> Result<Vec<BenchTime>> {
    let config = measured_config(NetworkName::Vgg11, VGG11_BATCH, Precision::F32);
    let compute = pollster::block_on(ComputeDevice::from_config(&config))?;
    let memory = system::available_memory();
    let mut step = TrainingStep::new(&config, &HardwareConfig::default(), 10, &compute, memory)?;
    let (time, n) = median_time(|| {
        let (loss, time) = timed(|| step.whole(false));
        loss.map(|_| time)
    })?;
    let what = format!("training step, vgg11, batch {VGG11_BATCH}");
    let note = roof.training_note(step.spec(), VGG11_BATCH);
    let gated = format!("{what}, gated regularizer");
    let parts = step_parts(&mut step, "training-vgg11", &gated)?;
    let regularizer = parts.into_iter().filter(|part| part.id.ends_with("regularizer"));
    Ok([BenchTime::new("training-vgg11", what, time, n).with_note(note)]
        .into_iter()
        .chain(regularizer)
        .collect())
}

/// Trains on synthetic images, without dropout and augmentation.
fn trainer(regularizer: RegularizerKind) -> Result<Trainer> {
    let config = TrainConfig {
        device: DeviceChoice::Cpu,
        regularizer,
        batch: BATCH,
        learning_rate: 0.01,
        dropout: 0.0,
        augment: false,
        epochs: 1000,
        ..TrainConfig::default()
    };
    let data = synthetic::generate(config.seed, 16 * BATCH, BATCH);
    let compute = pollster::block_on(ComputeDevice::from_config(&config))?;
    Trainer::new(config, HardwareConfig::default(), data, compute, u64::MAX, None)
}

fn step(trainer: &mut Trainer) -> Result<f64> {
    let (result, time) = timed(|| pollster::block_on(trainer.step()));
    result.map(|_| time)
}
