//! The parts of a ResNet18 training step: forward, backward, regularizer, update.

use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

use super::Row;
use super::timing::{median, timed};
use crate::cli::system;
use crate::config::{DataSource, DeviceChoice, HardwareConfig, NetworkName, RegularizerKind, TrainConfig};
use crate::crossbar::tiling::TileShape;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::loss::Regularizer;
use crate::loss::cross_entropy::cross_entropy;
use crate::network::parameters::import;
use crate::network::spec::initialize;
use crate::network::{Network, NetworkSpec};
use crate::step::sgd::Sgd;

/// Images of a step; few, because a CPU takes most of a second for them.
const BATCH: usize = 8;
const CLASSES: usize = 1000;
const STEPS: usize = 3;

/// Parts of a step, in order.
const PARTS: [&str; 4] = ["forward", "backward", "regularizer", "update"];

/// Measures the whole step, then its parts.
///
/// # Errors
/// When the device fails.
pub(super) fn measure() -> Result<Vec<Row>> {
    let mut config = TrainConfig {
        data: DataSource::ImageNet,
        regularizer: RegularizerKind::Gated,
        ..TrainConfig::default()
    };
    config.set_model(NetworkName::ResNet18);
    let plan = NetworkSpec::from_config(&config, CLASSES)?;
    plan.check_memory(BATCH, system::available_memory())?;
    let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu))?;
    let device = compute.device.clone().autodiff();
    let mut network = import(Network::new(&plan, &device), &plan, &initialize(&plan, 0))?;
    let hardware = HardwareConfig { tile: 64, ..HardwareConfig::default() };
    let off = || Error::field("lambda", config.lambda, "is off");
    let regularizer = Regularizer::from_config(&config, TileShape::from(&hardware)).ok_or_else(off)?;
    let side = plan.side();
    let values = (0..BATCH * 3 * side * side).map(|at| (at % 251) as f32 / 125.0 - 1.0).collect();
    let images = Tensor::<4>::from_data(TensorData::new::<f32, _>(values, [BATCH, 3, side, side]), &device);
    let labels: Vec<i32> = (0..BATCH as i32).collect();
    let sgd = Sgd { learning_rate: 0.01, momentum: 0.9, weight_decay: 1e-4 };
    let mut velocities = GradientsParams::new();
    let mut times: [Vec<f64>; 4] = Default::default();
    for step in 0..=STEPS {
        let (loss, forward) = timed(|| cross_entropy(network.forward(images.clone(), None), &labels));
        let (mut gradients, backward) = timed(|| GradientsParams::from_grads(loss.backward(), &network));
        let ((), penalty) = timed(|| {
            for convolution in network.convolutions() {
                let weight = &convolution.weight;
                let penalty = regularizer.evaluate(weight.val().inner());
                if let Some(gradient) = gradients.remove::<4>(weight.id) {
                    gradients.register(weight.id, gradient + penalty.gradient);
                }
            }
        });
        let (next, update) = timed(|| sgd.step(network, gradients, &mut velocities));
        network = next;
        // The first step allocates.
        if step > 0 {
            for (part, time) in times.iter_mut().zip([forward, backward, penalty, update]) {
                part.push(time);
            }
        }
    }
    let medians = times.map(median);
    let what = format!("training step, resnet18, batch {BATCH}, gated regularizer");
    let peak = system::peak_memory()
        .map_or_else(String::new, |bytes| format!("at most {} MiB of memory in this process", bytes >> 20));
    let whole = Row::new("resnet", what.clone(), medians.iter().sum()).with_note(peak);
    let part =
        |(name, time): (&str, f64)| Row::new(format!("resnet-{name}"), format!("{what}: {name}"), time);
    Ok([whole].into_iter().chain(PARTS.into_iter().zip(medians).map(part)).collect())
}
