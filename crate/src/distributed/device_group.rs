//! The devices of a training run.

use std::time::Duration;

use super::all_reduce::{self, AllReduce, supports_all_reduce};
use super::gather;
use super::replica::Replica;
use super::self_check::{CheckResult, check_all_reduce};
use crate::config::TrainConfig;
use crate::device::ComputeDevice;
use crate::error::{Error, ErrorKind, Result};
use crate::network::{Network, NetworkSpec};
use crate::step::forward_backward::{StepInput, StepOutput};
use crate::step::optimizer_step::OptimizerStep;
use crate::step::state::TrainState;

/// How long the devices may take to find one another; NCCL takes seconds.
const SELF_CHECK_TIMEOUT: Duration = Duration::from_secs(120);

/// The devices that share each batch with the one that holds the network (`main` below). They are opened by the first
/// step.
#[derive(Default)]
pub(crate) struct DeviceGroup {
    others: Vec<ComputeDevice>,
    /// One for each of `others` where gradients are all-reduced, else empty.
    replicas: Vec<Replica>,
    /// The outcome of the self-check, once it has run.
    all_reduce_works: Option<bool>,
}

impl DeviceGroup {
    /// Runs a batch forward and backward through `network`, whose trained state is `state`, on all devices of the
    /// configuration.
    ///
    /// # Errors
    /// When a device can't be opened, fails, or does not answer.
    pub async fn forward_backward(
        &mut self,
        input: &StepInput<'_>,
        network: &Network,
        _: &NetworkSpec,
        state: &TrainState,
        main: &ComputeDevice,
        config: &TrainConfig,
    ) -> Result<StepOutput> {
        let choices = config.devices.as_slice();
        if choices.len() <= 1 {
            return Ok(input.forward_backward(network, &main.device));
        }
        for choice in choices.iter().skip(1 + self.others.len()) {
            let device = ComputeDevice::open(choice).await?;
            device.check(config.precision)?;
            self.others.push(device);
        }
        // Replicas would have to quantize their weights, too.
        if network.is_quantized() || !self.all_reduces(main, config)? {
            return gather::forward_backward(input, network, main, &self.others);
        }
        if self.replicas.is_empty() {
            self.replicate(state, self.others.clone());
        }
        let reduce = AllReduce::new(&self.all(main));
        all_reduce::forward_backward(input, network, main, &mut self.replicas, &reduce)
    }

    /// Repeats the first device's step on every replica.
    pub fn apply_step(&mut self, step: &OptimizerStep) {
        for replica in &mut self.replicas {
            replica.apply_step(step);
        }
    }

    /// Discards the replicas: weights, momentum or masks were replaced on the first device.
    pub fn invalidate(&mut self) {
        self.replicas.clear();
    }

    /// Copies the first device's state to these devices.
    fn replicate(&mut self, state: &TrainState, devices: Vec<ComputeDevice>) {
        self.replicas = devices.into_iter().map(|device| Replica::new(state, device)).collect();
    }

    fn all(&self, main: &ComputeDevice) -> Vec<ComputeDevice> {
        std::iter::once(main).chain(&self.others).cloned().collect()
    }

    /// Whether gradients are all-reduced: the configuration allows it, the devices support it and have shown it.
    fn all_reduces(&mut self, main: &ComputeDevice, config: &TrainConfig) -> Result<bool> {
        let TrainConfig { gather, devices, .. } = config;
        if *gather || !supports_all_reduce(devices.as_slice()) {
            return Ok(false);
        }
        if let Some(works) = self.all_reduce_works {
            return Ok(works);
        }
        let all = self.all(main);
        let result = check_all_reduce(AllReduce::new(&all), &all, SELF_CHECK_TIMEOUT);
        match &result {
            CheckResult::Ok => {}
            CheckResult::Mismatch(reason) => tracing::warn!(
                "all-reduce does not work between {devices} ({reason}): gradients are gathered on the first device"
            ),
            CheckResult::Timeout => {
                return Err(Error::new(ErrorKind::AllReduceTimeout { devices: devices.to_string() }));
            }
        }
        Ok(*self.all_reduce_works.insert(result == CheckResult::Ok))
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::*;
    use crate::checkpoint::{Checkpoint, NamedTensor};
    use crate::config::{DeviceChoice, HardwareConfig, NetworkName, Trainable};
    use crate::data::batch::BatchConfig;
    use crate::data::synthetic;
    use crate::distributed::test_reduce::InMemoryAllReduce;
    use crate::network::parameters::{ExportKind, export};
    use crate::train::trainer::Trainer;

    fn trainer(config: &TrainConfig) -> Trainer {
        let device = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
        let data = synthetic::generate(5, 100, 50);
        Trainer::new(config.clone(), HardwareConfig::default(), data, device, 1 << 32, None).expect("valid")
    }

    fn weights(trainer: &Trainer) -> Checkpoint {
        pollster::block_on(trainer.weights()).expect("reads")
    }

    /// A step over the replicas. Returns the loss.
    fn step(trainer: &mut Trainer, reduce: &InMemoryAllReduce) -> f32 {
        let TrainConfig { seed, batch, augment, trainable, precision, .. } = *trainer.config();
        let per_epoch = trainer.steps_per_epoch();
        let (epoch, at) = (trainer.step / per_epoch, trainer.step % per_epoch);
        let batch =
            trainer.data.training_batch(BatchConfig { seed, batch, augment }, epoch, at).expect("a batch");
        let (side, dropout_rng) = (trainer.network_spec.side(), trainer.dropout_rng());
        let input = StepInput { batch: &batch, side, trainable, precision, dropout_rng, teacher: None };
        let (network, replicas) = (&trainer.state.network, &mut trainer.group.replicas);
        let output =
            all_reduce::forward_backward(&input, network, &trainer.compute, replicas, reduce).expect("runs");
        assert_eq!(output.logits.dims()[0], batch.labels.len());
        let loss = output.loss.into_scalar::<f32>();
        trainer.apply_step(output.gradients, 0.02);
        trainer.step += 1;
        loss
    }

    /// Masks that keep every second weight of the convolutions.
    fn masks(weights: &Checkpoint) -> Checkpoint {
        let convolutions = weights.tensors.iter().filter(|tensor| tensor.shape.len() == 4);
        let mask = |tensor: &NamedTensor| NamedTensor {
            data: (0..tensor.data.len()).map(|at| (at % 2) as f32).collect(),
            ..tensor.clone()
        };
        Checkpoint::new(convolutions.map(mask).collect())
    }

    fn replicate(trainer: &mut Trainer, devices: usize) {
        let devices = vec![trainer.compute.clone(); devices];
        trainer.group.replicate(&trainer.state, devices);
    }

    #[test]
    fn replicas_train_as_one_device() {
        let config = TrainConfig {
            plan: "4 M 8 M 8 M".parse().expect("a plan"),
            classifier: "16".parse().expect("widths"),
            model: NetworkName::Custom,
            device: DeviceChoice::Cpu,
            learning_rate: 0.02,
            lambda: 1e-2,
            // The third batch of an epoch has a single image: some devices have none.
            batch: 33,
            limit: 67,
            ..TrainConfig::default()
        };
        for trainable in [Trainable::All, Trainable::Convolutions] {
            let config = TrainConfig { trainable, limit: 67, ..config.clone() };
            let (mut one, mut several) = (trainer(&config), trainer(&config));
            for trainer in [&mut one, &mut several] {
                let masks = masks(&weights(trainer));
                pollster::block_on(trainer.set_masks(&masks)).expect("fit");
            }
            replicate(&mut several, 2);
            let reduce = InMemoryAllReduce::new(3);
            for at in 0..8 {
                let expected = pollster::block_on(one.step()).expect("trains").loss;
                let loss = f64::from(step(&mut several, &reduce));
                assert!((loss - expected).abs() < 1e-4, "step {at}: {loss} and {expected}");
                if at == 4 {
                    // Momentum and masks are copied too.
                    replicate(&mut several, 2);
                }
            }
            let (expected, trained) = (weights(&one), weights(&several));
            for (one, other) in expected.tensors.iter().zip(&trained.tensors) {
                let apart = one.data.iter().zip(&other.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart < 1e-4, "{}: {apart:e}", one.name);
            }
            for replica in &several.group.replicas {
                let copy = export(&replica.state.network, &several.network_spec, ExportKind::Weights);
                let copy = pollster::block_on(copy).expect("reads");
                assert!(copy == trained, "replicas are the same to the bit");
            }
            several.group.invalidate();
            assert!(several.group.replicas.is_empty());
        }
    }
}
