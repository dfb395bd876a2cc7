//! Simulated crossbars and converters: one layer, and VGG11.

use super::BenchTime;
use crate::cli::measure::timing::{median_time, timed};
use crate::config::{HardwareConfig, NetworkName, Resolution, Subtraction, TrainConfig};
use crate::data::batch::{Batch, evaluation_batch};
use crate::data::synthetic;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::network::NetworkSpec;
use crate::network::spec::initialize;
use crate::parallel;
use crate::simulate::config::SimulationConfig;
use crate::simulate::crossbar_reading::ideal;
use crate::simulate::crossbars::Crossbars;
use crate::simulate::im2col::Window;
use crate::simulate::simulator::Simulator;

/// VGG11's second convolution.
const WINDOW: Window = Window { channels: 64, side: 16, kernel: 3, padding: 1, stride: 1 };
const OUTPUTS: usize = 128;
/// Images for the layer.
const IMAGES: usize = 2;
/// Images for VGG11.
const NETWORK_IMAGES: usize = 8;

/// Measures the layer, then the network.
///
/// # Errors
/// When the network is invalid.
pub(super) fn measure() -> Result<Vec<BenchTime>> {
    let hardware = HardwareConfig { tile: 64, resolution: Resolution::Bits(7), ..HardwareConfig::default() };
    let what = format!("simulation, a layer of {OUTPUTS} x {}, {IMAGES} images, tile 64", WINDOW.inputs());
    // A weight is one pair of cells, and an input is applied at once.
    let multi_level = HardwareConfig {
        cell_bits: hardware.weight_precision - 1,
        dac_bits: hardware.input_bits,
        subtraction: Subtraction::Analog,
        ..hardware.clone()
    };
    let mut times = Vec::new();
    for (id, detail, hardware) in
        [("simulation-layer", "", &hardware), ("simulation-multi-level", ", multi-level cells", &multi_level)]
    {
        let (time, n) = layer(hardware)?;
        times.push(BenchTime::new(id, format!("{what}{detail}"), time, n));
    }
    times.push(network(&hardware)?);
    Ok(times)
}

/// Milliseconds for the images through one layer, and the runs they are the median of.
fn layer(hardware: &HardwareConfig) -> Result<(f64, usize)> {
    // The values hardly matter: every cell that is set costs the same.
    let weight = |at: usize| (at * 7919 % 255) as f32 - 127.0;
    let weights = (0..OUTPUTS * WINDOW.inputs()).map(weight).collect();
    let crossbars = Crossbars::new(&Matrix::new("layer", OUTPUTS, WINDOW.inputs(), weights)?, hardware);
    let values = WINDOW.channels * WINDOW.side * WINDOW.side;
    let image = |at: usize| (0..values).map(|i| ((i + at) * 6151 % 256) as u16).collect::<Vec<_>>();
    let patches: Vec<Vec<u16>> = (0..IMAGES).map(|at| WINDOW.patches(&image(at), 0)).collect();
    median_time(|| Ok(timed(|| parallel::map(IMAGES, |at| ideal(&crossbars, &patches[at], 0))).1))
}

/// VGG11 before training: pruning has emptied no cell.
fn network(hardware: &HardwareConfig) -> Result<BenchTime> {
    let mut config = TrainConfig::default();
    config.set_model(NetworkName::Vgg11);
    let data = synthetic::generate(0, NETWORK_IMAGES, NETWORK_IMAGES);
    let mut images = Batch::default();
    evaluation_batch(&data.test, 0..NETWORK_IMAGES, &mut images.images, &mut images.labels);
    let spec = NetworkSpec::from_config(&config, data.test.classes.len())?;
    let hardware = HardwareConfig { resolution: Resolution::LosslessSliced, ..hardware.clone() };
    let options = SimulationConfig::default();
    let mut simulator = Simulator::new(&spec, &initialize(&spec, 0), &hardware, &options, &images)?;
    let (time, n) = median_time(|| {
        let (result, time) = timed(|| simulator.simulate(&images, 0));
        result.map(|()| time)
    })?;
    let rate = 1000.0 * NETWORK_IMAGES as f64 / time;
    let what = format!("simulation, VGG11, {NETWORK_IMAGES} images, tile 64, lossless-sliced");
    Ok(BenchTime::new("simulation-vgg11", what, time, n).with_note(format!("{rate:.1} images a second")))
}
