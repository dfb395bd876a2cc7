//! A batch that several replicas of a run share, each in a browser's worker: every one computes its part, and all take
//! the step with the same sum.
//!
//! What they exchange is one vector, laid out alike by all: loss, scores of the whole batch, and the gradients in the
//! order of the network's parameters. Its sum over the replicas is the whole batch's.

use std::future::Future;
use std::pin::Pin;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};

use super::parts::split_batch;
use crate::error::{Error, Result};
use crate::network::parameters::{ExportKind, export, import_param_state};
use crate::network::{Network, NetworkSpec};
use crate::step::forward_backward::{StepInput, StepOutput};

/// The sum of the values of all replicas, each replica's in the same order.
pub(crate) type Exchange = Box<dyn Fn(Vec<f32>) -> Pin<Box<dyn Future<Output = Result<Vec<f32>>>>>>;

/// A replica's part in a group.
pub(crate) struct BatchShare {
    /// Which one of the group it is, from 0.
    pub rank: usize,
    /// How many there are.
    pub count: usize,
    /// Sums over the group. A replica without a part gives no values.
    pub exchange: Exchange,
}

impl BatchShare {
    /// A batch forward and backward, with the others of the group.
    ///
    /// # Errors
    /// When the device fails, or another replica.
    pub async fn forward_backward(
        &self,
        input: &StepInput<'_>,
        network: &Network,
        spec: &NetworkSpec,
        device: &Device,
    ) -> Result<StepOutput> {
        let (batch, classes) = (input.batch.labels.len(), spec.classes());
        let rows = split_batch(batch, self.count).into_iter().nth(self.rank);
        // One without images computes the first as the others compute theirs: the layout comes from its gradients.
        let output = input.forward_backward_rows(network, device, rows.clone().unwrap_or(0..1));
        let mut gradients = export(network, spec, ExportKind::ParamState(&output.gradients)).await?;
        let own = match rows {
            Some(rows) => {
                let read = Tensor::cat(vec![output.loss, output.logits.flatten(0, 1)], 0);
                let read = read.into_data_async().await.map_err(|why| fail(&format!("{why:?}")))?;
                let Ok([loss, scores @ ..]) = read.as_slice::<f32>() else { return Err(fail("no scores")) };
                let mut own = vec![0.0; 1 + batch * classes];
                own[0] = *loss;
                own[1 + rows.start * classes..1 + rows.end * classes].copy_from_slice(scores);
                for tensor in &gradients.tensors {
                    own.extend_from_slice(&tensor.data);
                }
                own
            }
            None => Vec::new(),
        };
        let sum = (self.exchange)(own).await?;
        let few = || fail("too few values");
        let (head, mut values) = sum.split_at_checked(1 + batch * classes).ok_or_else(few)?;
        for tensor in &mut gradients.tensors {
            let (own, rest) = values.split_at_checked(tensor.data.len()).ok_or_else(few)?;
            tensor.data.copy_from_slice(own);
            values = rest;
        }
        if !values.is_empty() {
            return Err(fail("too many values"));
        }
        // Gradients that are not finite are no state to import: the step fails as one whose loss is not.
        let imported = import_param_state(network, spec, &gradients);
        let loss = if imported.is_ok() { head[0] } else { f32::NAN };
        Ok(StepOutput {
            loss: Tensor::from_data([loss], device),
            logits: Tensor::from_data(TensorData::new(head[1..].to_vec(), [batch, classes]), device),
            gradients: imported.unwrap_or_else(|_| GradientsParams::new()),
        })
    }
}

fn fail(reason: &str) -> Error {
    Error::device("another worker", reason)
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use super::*;
    use crate::config::{DeviceChoice, HardwareConfig, NetworkName, TrainConfig, Trainable};
    use crate::data::batch::BatchConfig;
    use crate::data::synthetic;
    use crate::device::ComputeDevice;
    use crate::train::trainer::Trainer;

    /// Loss, scores and gradients of the first batch, as one replica of a group sees them.
    fn first_batch(config: &TrainConfig, rank: usize, count: usize, exchange: Exchange) -> Vec<f32> {
        let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
        let data = synthetic::generate(5, 100, 50);
        let mut trainer =
            Trainer::new(config.clone(), HardwareConfig::default(), data, compute, 1 << 32, None)
                .expect("valid");
        let TrainConfig { seed, batch, augment, trainable, precision, .. } = *config;
        let batch = trainer.data.training_batch(BatchConfig { seed, batch, augment }, 0, 0).expect("a batch");
        let (side, dropout_rng) = (trainer.network_spec.side(), trainer.dropout_rng());
        let input = StepInput { batch: &batch, side, trainable, precision, dropout_rng, teacher: None };
        let (network, spec, device) =
            (&trainer.state.network, &trainer.network_spec, &trainer.compute.device);
        let output = if count == 1 {
            input.forward_backward(network, device)
        } else {
            let share = BatchShare { rank, count, exchange };
            pollster::block_on(share.forward_backward(&input, network, spec, device)).expect("runs")
        };
        let gradients = export(network, spec, ExportKind::ParamState(&output.gradients));
        let gradients = pollster::block_on(gradients).expect("readable");
        let head = Tensor::cat(vec![output.loss, output.logits.flatten(0, 1)], 0);
        let mut values: Vec<f32> = head.into_data().try_to_vec().expect("float32");
        values.extend(gradients.tensors.iter().flat_map(|tensor| &tensor.data));
        values
    }

    /// Sums what comes in, in order, and sends the sum to all.
    fn sum(incoming: &[Receiver<Vec<f32>>], outgoing: &[Sender<Vec<f32>>]) {
        let parts: Vec<Vec<f32>> = incoming.iter().map(|part| part.recv().expect("a part")).collect();
        let mut sum = vec![0.0; parts.iter().map(Vec::len).max().unwrap_or(0)];
        for part in &parts {
            sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
        for sender in outgoing {
            sender.send(sum.clone()).expect("a receiver");
        }
    }

    fn shared(config: &TrainConfig, count: usize) -> Vec<Vec<f32>> {
        let (mut incoming, mut outgoing, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        for rank in 0..count {
            let (part, incoming_part) = channel();
            let (outgoing_sum, total) = channel::<Vec<f32>>();
            incoming.push(incoming_part);
            outgoing.push(outgoing_sum);
            let config = config.clone();
            threads.push(thread::spawn(move || {
                let exchange: Exchange = Box::new(move |own| {
                    part.send(own).expect("a receiver");
                    let total = total.recv().expect("a sum");
                    Box::pin(async { Ok(total) })
                });
                first_batch(&config, rank, count, exchange)
            }));
        }
        sum(&incoming, &outgoing);
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    }

    #[test]
    fn all_replicas_get_the_whole_batch() {
        let config = TrainConfig {
            plan: "4 M 8 M".parse().expect("a plan"),
            classifier: "16".parse().expect("widths"),
            model: NetworkName::Custom,
            device: DeviceChoice::Cpu,
            batch: 3,
            dropout: 0.5,
            ..TrainConfig::default()
        };
        for trainable in [Trainable::All, Trainable::Convolutions] {
            let config = TrainConfig { trainable, ..config.clone() };
            let expected = first_batch(&config, 0, 1, Box::new(|own| Box::pin(async { Ok(own) })));
            // With five, two have no image.
            for count in [2, 3, 5] {
                let replicas = shared(&config, count);
                assert_eq!(replicas[0].len(), expected.len());
                for (own, whole) in replicas[0].iter().zip(&expected) {
                    assert!((own - whole).abs() < 1e-5, "{count}: {own} and {whole}");
                }
                assert!(replicas.iter().all(|other| *other == replicas[0]), "{count}: the same to the bit");
            }
        }
    }

    #[test]
    fn a_sum_of_another_size_is_an_error() {
        let config = TrainConfig { plan: "4 M".parse().expect("a plan"), batch: 2, ..TrainConfig::default() };
        let failed = thread::spawn(move || {
            first_batch(&config, 0, 2, Box::new(|_| Box::pin(async { Ok(vec![0.0; 3]) })))
        });
        assert!(failed.join().is_err());
    }
}
