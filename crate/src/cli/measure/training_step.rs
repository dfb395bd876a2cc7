//! A training step on images made by formula, whole and in parts, on any device.

use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::timing::timed;
use crate::config::{DataSource, HardwareConfig, NetworkName, Precision, RegularizerKind, TrainConfig};
use crate::crossbar::tiling::TileShape;
use crate::data::batch::Batch;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::loss::Regularizer;
use crate::loss::cross_entropy::cross_entropy;
use crate::network::dropout::DropoutRng;
use crate::network::parameters::import;
use crate::network::spec::{CHANNELS, initialize};
use crate::network::{Network, NetworkSpec};
use crate::step::forward_backward::StepInput;
use crate::step::optimizer_step::OptimizerStep;
use crate::step::sgd::Sgd;
use crate::step::state::TrainState;

/// The parts of a step, in order.
pub const PARTS: [&str; 4] = ["forward", "backward", "regularizer", "update"];

/// A network in training, and one batch for it.
pub struct TrainingStep {
    config: TrainConfig,
    spec: NetworkSpec,
    compute: ComputeDevice,
    regularizer: Regularizer,
    sgd: Sgd,
    state: TrainState,
    batch: Batch,
}

impl TrainingStep {
    /// Prepares the network of `config`, whose regularizer must not be off.
    ///
    /// # Errors
    /// When a field is out of range, or training does not fit into `memory` bytes.
    pub fn new(
        config: &TrainConfig,
        hardware: &HardwareConfig,
        classes: usize,
        compute: &ComputeDevice,
        memory: u64,
    ) -> Result<Self> {
        let spec = NetworkSpec::from_config(config, classes)?;
        spec.check_memory(config.batch, memory)?;
        compute.check(config.precision)?;
        let device = compute.device.clone().autodiff();
        let network = import(Network::new(&spec, &device), &spec, &initialize(&spec, config.seed))?;
        let network = network.with_kernels(config.kernels);
        let off = || Error::field("regularizer", "none", "is off");
        let regularizer = Regularizer::from_config(config, TileShape::from(hardware)).ok_or_else(off)?;
        let pixels = config.batch * CHANNELS * spec.side() * spec.side();
        let images = (0..pixels).map(|at| (at % 251) as f32 / 125.0 - 1.0).collect();
        let labels = (0..config.batch).map(|at| (at % classes) as i32).collect();
        let TrainConfig { learning_rate, momentum, weight_decay, .. } = *config;
        Ok(Self {
            config: config.clone(),
            spec,
            compute: compute.clone(),
            regularizer,
            sgd: Sgd { learning_rate, momentum, weight_decay },
            state: TrainState::new(network),
            batch: Batch { images, labels },
        })
    }

    /// The network's description.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// One step as training does it: upload, forward, backward, regularizer if asked, update, and the loss read back.
    /// Returns the loss.
    ///
    /// # Errors
    /// When the device fails.
    pub fn whole(&mut self, regularized: bool) -> Result<f32> {
        let TrainConfig { trainable, precision, seed, .. } = self.config;
        let dropout_rng = ChaCha8Rng::seed_from_u64(seed);
        let input = StepInput {
            batch: &self.batch,
            side: self.spec.side(),
            trainable,
            precision,
            dropout_rng,
            teacher: None,
        };
        let output = input.forward_backward(&self.state.network, &self.compute.device);
        let step = OptimizerStep { sgd: self.sgd, regularizer: regularized.then_some(self.regularizer) };
        step.apply(&mut self.state, output.gradients);
        let fail = |why: String| Error::device(&*self.compute.adapter, why);
        let loss = output.loss.try_into_data().map_err(|why| fail(format!("{why:?}")))?;
        let loss = loss.as_slice::<f32>().map_err(|why| fail(format!("{why:?}")))?;
        self.sync()?;
        loss.first().copied().ok_or_else(|| fail("the loss came back empty".to_owned()))
    }

    /// The milliseconds of an upload of the batch.
    ///
    /// # Errors
    /// When the device fails.
    pub fn upload(&self) -> Result<f64> {
        let (images, time) = timed(|| {
            let images = self.images();
            self.sync().map(|()| images)
        });
        images.map(|_| time)
    }

    /// The milliseconds of each of [`PARTS`], with the device idle between them, and the batch uploaded before. What the
    /// regularizer takes is the difference between an update with it and one without, as it may be fused with the
    /// update.
    ///
    /// # Errors
    /// When the device fails.
    pub fn parts(&mut self) -> Result<[f64; 4]> {
        let [_, _, plain] = self.timed_step(false)?;
        let [forward, backward, regularized] = self.timed_step(true)?;
        Ok([forward, backward, (regularized - plain).max(0.0), plain])
    }

    /// The milliseconds of forward pass, backward pass and update.
    fn timed_step(&mut self, regularized: bool) -> Result<[f64; 3]> {
        let images = self.images();
        self.sync()?;
        let network = self.state.network.clone();
        let (loss, forward) = timed(|| {
            let loss = cross_entropy(self.forward(&network, images), &self.batch.labels);
            self.sync().map(|()| loss)
        });
        let loss = loss?;
        let (gradients, backward) = timed(|| {
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            self.sync().map(|()| gradients)
        });
        let gradients = gradients?;
        drop(network);
        let step = OptimizerStep { sgd: self.sgd, regularizer: regularized.then_some(self.regularizer) };
        let (updated, update) = timed(|| {
            step.apply(&mut self.state, gradients);
            self.sync()
        });
        updated?;
        Ok([forward, backward, update])
    }

    fn forward(&self, network: &Network, images: Tensor<4>) -> Tensor<2> {
        let batch = self.config.batch;
        match self.config.precision {
            Precision::F32 => network.forward(images, None),
            precision => {
                let rng = ChaCha8Rng::seed_from_u64(self.config.seed);
                network.forward_in(images, DropoutRng { rng, rows: 0..batch, batch }, precision)
            }
        }
    }

    fn images(&self) -> Tensor<4> {
        let side = self.spec.side();
        let data = TensorData::new(self.batch.images.clone(), [self.config.batch, CHANNELS, side, side]);
        Tensor::from_data(data, &self.compute.device.clone().autodiff())
    }

    /// Waits until the device has done everything asked of it.
    fn sync(&self) -> Result<()> {
        self.compute.device.sync().map_err(|why| Error::device(&*self.compute.adapter, format!("{why:?}")))
    }
}

/// The configuration of a measured step: the gated regularizer, and no dropout.
pub fn measured_config(model: NetworkName, batch: usize, precision: Precision) -> TrainConfig {
    let data = if model.is_for_imagenet() { DataSource::ImageNet } else { DataSource::Builtin };
    let mut config = TrainConfig {
        data,
        regularizer: RegularizerKind::Gated,
        precision,
        batch,
        learning_rate: 0.01,
        weight_decay: 1e-4,
        dropout: 0.0,
        ..TrainConfig::default()
    };
    config.set_model(model);
    config
}
