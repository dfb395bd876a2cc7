//! A forward pass without gradients, from a batch in memory to its scores.

use burn::tensor::{Tensor, TensorData};

use super::BenchTime;
use crate::cli::measure::roofline::Roofline;
use crate::cli::measure::timing::{median_time, timed};
use crate::config::{DeviceChoice, NetworkName, Precision};
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::parameters::import;
use crate::network::spec::{CHANNELS, initialize};
use crate::network::{Network, NetworkSpec};

use crate::cli::measure::training_step::measured_config;

/// The networks, their images at a time, and their classes.
const NETWORKS: [(NetworkName, usize, usize); 3] =
    [(NetworkName::VggSmall, 250, 10), (NetworkName::Vgg11, 250, 10), (NetworkName::ResNet18, 32, 1000)];

/// Measures each network.
///
/// # Errors
/// When the device fails.
pub(super) fn measure() -> Result<Vec<BenchTime>> {
    NETWORKS.into_iter().map(|(model, batch, classes)| network(model, batch, classes)).collect()
}

fn network(model: NetworkName, batch: usize, classes: usize) -> Result<BenchTime> {
    let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu))?;
    let spec = NetworkSpec::from_config(&measured_config(model, batch, Precision::F32), classes)?;
    let network = import(Network::new(&spec, &compute.device), &spec, &initialize(&spec, 0))?;
    let shape = [batch, CHANNELS, spec.side(), spec.side()];
    let images: Vec<f32> = (0..shape.iter().product()).map(|at| (at % 251) as f32 / 125.0 - 1.0).collect();
    let (time, n) = median_time(|| {
        let (scores, time) = timed(|| {
            let images = Tensor::<4>::from_data(TensorData::new(images.clone(), shape), &compute.device);
            network.forward(images, None).try_into_data()
        });
        scores.map(|_| time).map_err(|why| Error::device(&*compute.adapter, format!("{why:?}")))
    })?;
    let what = format!("evaluation, {}, batch {batch}", model.id());
    let note = Roofline::here().forward_note(&spec, batch);
    Ok(BenchTime::new(format!("evaluation-{}", model.id()), what, time, n).with_note(note))
}
