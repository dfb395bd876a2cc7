//! The devices that share a session's batches with the one that holds its network.

use std::time::Duration;

use crate::config::{DeviceChoice, TrainConfig};
use crate::device::ComputeDevice;
use crate::distributed::all_reduce::{AllReduce, Replica, can_reduce};
use crate::distributed::self_check::{CheckResult, check_all_reduce};
use crate::error::{Error, ErrorKind, Result};
use crate::train::forward_backward::{StepInput, StepOutput};
use crate::train::optimizer_step::OptimizerStep;
use crate::train::trainer::Trainer;

/// How long devices may take to find one another; NCCL takes seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// The further devices of a run; opened with its first step.
#[derive(Default)]
pub(crate) struct DeviceGroup {
    computes: Vec<ComputeDevice>,
    /// One for each, where the devices reduce gradients among themselves; else none.
    pub(crate) replicas: Vec<Replica>,
    /// Whether they were found to sum between them; none before they were asked.
    reduce: Option<bool>,
}

impl DeviceGroup {
    /// Takes the first device's step on every device that holds the network.
    pub fn follow(&mut self, update: &OptimizerStep) {
        for replica in &mut self.replicas {
            replica.follow(update);
        }
    }

    /// Forgets what they hold: the session's weights, momentum or masks were replaced.
    pub fn forget(&mut self) {
        self.replicas.clear();
    }
}

impl Trainer {
    /// One batch over all devices.
    pub(crate) async fn shared_pass(&mut self, pass: &StepInput<'_>) -> Result<StepOutput> {
        let choices = self.spec.device_choices()?;
        for choice in choices.iter().skip(1 + self.others.computes.len()) {
            let compute = ComputeDevice::open(choice).await?;
            compute.check(self.spec.precision)?;
            self.others.computes.push(compute);
        }
        if !self.reduces(&choices)? {
            return pass.spread(&self.network, &self.compute, &self.others.computes);
        }
        if self.others.replicas.is_empty() {
            self.replicate(self.others.computes.clone());
        }
        let mut all = vec![self.compute.clone()];
        all.extend_from_slice(&self.others.computes);
        let replicas = &mut self.others.replicas;
        pass.together(&self.network, &self.compute, replicas, &AllReduce::between(&all))
    }

    /// Whether the devices sum gradients between them: they could, and did so with known numbers.
    fn reduces(&mut self, choices: &[DeviceChoice]) -> Result<bool> {
        let TrainConfig { gather, devices, .. } = &self.spec;
        if *gather || !can_reduce(choices) {
            return Ok(false);
        }
        if let Some(known) = self.others.reduce {
            return Ok(known);
        }
        let mut all = vec![self.compute.clone()];
        all.extend_from_slice(&self.others.computes);
        let heard = check_all_reduce(AllReduce::between(&all), &all, PATIENCE);
        match &heard {
            CheckResult::Ok => {}
            CheckResult::Mismatch(why) => tracing::warn!(
                "{devices} can't sum gradients between them ({why}): they are gathered on the first device"
            ),
            CheckResult::Timeout => {
                return Err(Error::new(ErrorKind::AllReduceTimeout { devices: devices.clone() }));
            }
        }
        Ok(*self.others.reduce.insert(heard == CheckResult::Ok))
    }

    /// Copies what the session holds to these devices.
    pub(crate) fn replicate(&mut self, computes: Vec<ComputeDevice>) {
        let replica = |compute| Replica::of(&self.network, &self.velocities, self.masks.as_ref(), compute);
        self.others.replicas = computes.into_iter().map(replica).collect();
    }
}

#[cfg(all(test, feature = "cpu"))]
pub(crate) mod tests {
    use std::sync::{Barrier, Mutex};

    use burn::tensor::{Tensor, TensorData};

    use super::*;
    use crate::checkpoint::{Checkpoint, NamedTensor};
    use crate::config::{HardwareConfig, Trainable};
    use crate::data::batch::BatchConfig;
    use crate::data::synthetic;
    use crate::distributed::all_reduce::Reduce;

    /// A sum in memory, in the place of CUDA's.
    pub struct InMemoryAllReduce {
        everyone: Barrier,
        sum: Mutex<Option<Vec<f32>>>,
    }

    impl InMemoryAllReduce {
        pub fn new(devices: usize) -> Self {
            Self { everyone: Barrier::new(devices), sum: Mutex::new(None) }
        }
    }

    impl Reduce for InMemoryAllReduce {
        fn sum<const D: usize>(&self, own: Tensor<D>) -> Tensor<D> {
            let (device, shape) = (own.device(), own.dims());
            let values: Vec<f32> = own.into_data().try_to_vec().expect("float32");
            let mut sum = self.sum.lock().expect("no panic");
            *sum = Some(match sum.take() {
                Some(sum) => sum.iter().zip(&values).map(|(a, b)| a + b).collect(),
                None => values,
            });
            drop(sum);
            self.everyone.wait();
            let all = self.sum.lock().expect("no panic").clone().expect("summed");
            // All have read it before the next sum begins.
            if self.everyone.wait().is_leader() {
                *self.sum.lock().expect("no panic") = None;
            }
            self.everyone.wait();
            Tensor::from_data(TensorData::new(all, shape), &device)
        }
    }

    fn session(spec: &TrainConfig) -> Trainer {
        let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
        let data = synthetic::generate(5, 100, 50);
        Trainer::new(spec.clone(), HardwareConfig::default(), data, compute, 1 << 32, None).expect("valid")
    }

    fn weights(session: &Trainer) -> Checkpoint {
        pollster::block_on(session.weights()).expect("reads")
    }

    /// A step over the replicas; the loss.
    fn step(session: &mut Trainer, sum: &InMemoryAllReduce) -> f32 {
        let TrainConfig { seed, batch, augment, trainable, precision, .. } = *session.spec();
        let (epoch, at) =
            (session.step / session.steps_per_epoch(), session.step % session.steps_per_epoch());
        let batch =
            session.data.training_batch(BatchConfig { seed, batch, augment }, epoch, at).expect("a batch");
        let (side, random) = (session.plan.side(), session.dropout_stream());
        let pass = StepInput { batch: &batch, side, trainable, precision, random };
        let replicas = &mut session.others.replicas;
        let passed = pass.together(&session.network, &session.compute, replicas, sum).expect("passes");
        assert_eq!(passed.logits.dims()[0], batch.labels.len());
        let loss = passed.loss.into_scalar::<f32>();
        session.take_step(passed.gradients, 0.02);
        session.step += 1;
        loss
    }

    /// Every second weight of the convolutions.
    fn masks(of: &Checkpoint) -> Checkpoint {
        let convolutions = of.tensors.iter().filter(|tensor| tensor.shape.len() == 4);
        let mask = |tensor: &NamedTensor| NamedTensor {
            data: (0..tensor.data.len()).map(|at| (at % 2) as f32).collect(),
            ..tensor.clone()
        };
        Checkpoint::new(convolutions.map(mask).collect())
    }

    #[test]
    fn replicas_take_the_steps_of_one_device() {
        let spec = TrainConfig {
            plan: "4 M 8 M 8 M".to_owned(),
            classifier: "16".to_owned(),
            model: "custom".to_owned(),
            device: DeviceChoice::Cpu,
            learning_rate: 0.02,
            lambda: 1e-2,
            // The third of an epoch has a single image: some devices have none.
            batch: 33,
            limit: 67,
            ..TrainConfig::default()
        };
        for trainable in [Trainable::All, Trainable::Convolutions] {
            let spec = TrainConfig { trainable, limit: 67, ..spec.clone() };
            let (mut one, mut several) = (session(&spec), session(&spec));
            for session in [&mut one, &mut several] {
                let masks = masks(&weights(session));
                pollster::block_on(session.set_masks(&masks)).expect("fit");
            }
            let computes = vec![one.compute().clone(); 2];
            several.replicate(computes.clone());
            let sum = InMemoryAllReduce::new(3);
            for at in 0..8 {
                let expected = pollster::block_on(one.step()).expect("trains").loss;
                let loss = f64::from(step(&mut several, &sum));
                assert!((loss - expected).abs() < 1e-4, "step {at}: {loss} and {expected}");
                if at == 4 {
                    // Momentum and masks are copied too.
                    several.replicate(computes.clone());
                }
            }
            let (expected, held) = (weights(&one), weights(&several));
            for (one, other) in expected.tensors.iter().zip(&held.tensors) {
                let apart = one.data.iter().zip(&other.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart < 1e-4, "{}: {apart:e}", one.name);
            }
            for replica in &several.others.replicas {
                assert!(replica.weights(&several.plan) == held, "replicas are the same to the bit");
            }
            several.others.forget();
            assert!(several.others.replicas.is_empty());
        }
    }

    #[test]
    fn only_distinct_cuda_devices_reduce_among_themselves() {
        for (names, expected) in [
            ("cuda,cuda:1", true),
            ("cuda", false),
            ("cuda,cuda", false),
            ("cuda,cpu", false),
            ("cpu,cpu", false),
        ] {
            let choices =
                TrainConfig { devices: names.to_owned(), ..TrainConfig::default() }.device_choices();
            assert_eq!(can_reduce(&choices.expect("known")), expected, "{names}");
        }
    }
}
