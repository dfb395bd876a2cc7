//! A gradient that every backend must agree on. The page compares that of WebGPU with that of the CPU once, because a
//! faulty driver computes wrong gradients without any error.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

use crate::config::TrainConfig;
use crate::data::batch::evaluation_batch;
use crate::data::{SIDE, synthetic};
use crate::device::ComputeDevice;
use crate::error::Result;
use crate::loss::cross_entropy::cross_entropy;
use crate::network::parameters::{ExportKind, export, import};
use crate::network::spec::CHANNELS;
use crate::network::spec::initialize;
use crate::network::{Network, NetworkSpec};

/// Images of the batch.
const IMAGES: usize = 4;

/// The gradient of a fixed small network on a fixed batch, all parameters in order.
///
/// # Errors
/// When the device fails.
pub async fn gradient(compute: &ComputeDevice) -> Result<Vec<f32>> {
    let (plan, classifier) = ("8 M 16 M".parse()?, "16".parse()?);
    let config = TrainConfig { plan, classifier, ..TrainConfig::default() };
    let data = synthetic::generate(1, IMAGES, 1).train;
    let spec = NetworkSpec::from_config(&config, data.classes.len())?;
    let device = compute.device.clone().autodiff();
    let network = import(Network::new(&spec, &device), &spec, &initialize(&spec, 1))?;

    let (mut images, mut labels) = (Vec::new(), Vec::new());
    evaluation_batch(&data, 0..IMAGES, &mut images, &mut labels);
    let images = Tensor::<4>::from_data(TensorData::new(images, [IMAGES, CHANNELS, SIDE, SIDE]), &device);
    let loss = cross_entropy(network.forward(images, None), &labels);
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    let read = export(&network.valid(), &spec, ExportKind::ParamState(&gradients)).await?;
    Ok(read.tensors.into_iter().flat_map(|tensor| tensor.data).collect())
}
