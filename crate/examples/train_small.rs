//! Trains a tiny VGG on synthetic images with the D.U.B. regularizer and shows what pruning would save:
//! `cargo run --release --example train_small`.
#![expect(clippy::print_stdout, reason = "an example shows its results")]

use std::error::Error;

use crossdub::config::{DeviceChoice, NetworkName, RegularizerKind};
use crossdub::data::synthetic;
use crossdub::device::ComputeDevice;
use crossdub::prune::{Cutoff, PruneMethod, prune};
use crossdub::{HardwareConfig, TrainConfig, Trainer, analyze};

/// Memory that the run may plan with, in bytes.
const MEMORY: u64 = 1 << 30;

fn main() -> Result<(), Box<dyn Error>> {
    let config = TrainConfig {
        model: NetworkName::Custom,
        plan: "8 M 16 M".parse()?,
        classifier: "32".parse()?,
        regularizer: RegularizerKind::Gated,
        lambda: 1e-2,
        batch: 32,
        epochs: 1,
        ..TrainConfig::default()
    };
    let hardware = HardwareConfig { tile: 16, ..HardwareConfig::default() };
    let images = synthetic::generate(config.seed, 640, 100);
    let device = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu))?;
    let mut trainer = Trainer::new(config, hardware.clone(), images, device, MEMORY, None)?;
    while !trainer.finished() {
        let progress = pollster::block_on(trainer.step())?;
        if progress.step % 5 == 0 {
            println!(
                "step {}: loss {:.3}, regularizer {:.4}",
                progress.step, progress.loss, progress.regularizer
            );
        }
    }
    let accuracy = pollster::block_on(trainer.evaluate(100))?.accuracy;

    let mut layers = pollster::block_on(trainer.matrices())?;
    let half = Cutoff::uniform(75.0, layers.len());
    prune(&mut layers, (&hardware).into(), &PruneMethod::Exact(half))?;
    let improvement = analyze(&layers, &hardware).energy.paper.improvement;
    println!(
        "accuracy {accuracy:.1} %; pruned now, the ADCs would save {:.2}x",
        improvement.unwrap_or(f64::INFINITY)
    );
    Ok(())
}
