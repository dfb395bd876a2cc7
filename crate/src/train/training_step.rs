//! One step of a training run: batch, gradients, update, progress.

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::config::TrainConfig;
use crate::crossbar::tiling::TileShape;
use crate::data::batch::{Batch, BatchConfig};
use crate::error::{Error, Result};
use crate::loss::Regularizer;
use crate::loss::distillation::Distillation;
use crate::metrics::correct_predictions;
use crate::network::Network;
use crate::network::spec::CHANNELS;
use crate::step::forward_backward::{StepInput, StepOutput};
use crate::step::optimizer_step::OptimizerStep;
use crate::step::sgd::Sgd;
use crate::step::straight_through::pass_gradients;
use crate::train::progress::{HistoryEntry, Progress};
use crate::train::trainer::Trainer;

/// Stream of the random numbers of dropout, apart from those of the data.
const DROPOUT_STREAM: u64 = 0xd0;

/// A step's results, read back from the device.
struct StepMetrics {
    /// Mean cross-entropy of the batch, of labels and teacher.
    loss: f64,
    /// The regularizer's value.
    penalty: f64,
    /// Number of correct predictions.
    correct: usize,
}

impl Trainer {
    /// Trains on one batch.
    ///
    /// # Errors
    /// When the loss is no longer finite, or the device fails. Such a step is not counted.
    pub async fn step(&mut self) -> Result<Progress> {
        self.speed.begin();
        let per_epoch = self.steps_per_epoch();
        let epoch = (self.step / per_epoch) as usize;
        let TrainConfig { seed, batch, augment, .. } = self.config;
        let batches = BatchConfig { seed, batch, augment };
        let batch = self.data.training_batch(batches, epoch as u64, self.step % per_epoch)?;
        self.speed.loaded();

        let network = self.forward_network().await?;
        let StepOutput { loss, logits, mut gradients } = self.forward_backward(&network, &batch).await?;
        let distance = self.quantization.as_ref().and_then(|quantization| {
            let (largest, lambda) = (quantization.largest(), self.config.quantize_lambda);
            pass_gradients(&self.state.network, &network, &largest, lambda, &mut gradients)
        });
        let labels = batch.labels;
        let learning_rate = self.learning_rate();
        let penalty = self.apply_step(gradients, learning_rate);
        let penalty = match (penalty, distance) {
            (Some(penalty), Some(distance)) => Some(penalty + distance),
            (penalty, distance) => penalty.or(distance),
        };

        let metrics = self.read_back(loss, penalty, logits, &labels).await?;
        self.divergence.check_loss(self.step + 1, metrics.loss + metrics.penalty)?;
        self.step += 1;
        self.speed.end(labels.len());
        self.history.push(HistoryEntry {
            step: self.step,
            loss: metrics.loss,
            regularizer: metrics.penalty,
            accuracy: None,
            improvement_paper: None,
            improvement_lossless: None,
        });
        Ok(self.progress(epoch, &metrics, labels.len(), learning_rate))
    }

    /// The learning rate of the next step.
    fn learning_rate(&self) -> f64 {
        let TrainConfig { schedule, learning_rate, epochs, ref milestones, .. } = self.config;
        schedule.learning_rate(learning_rate, milestones, self.step, (self.steps_per_epoch(), epochs))
    }

    /// The batch forward and backward, on all devices of the run.
    async fn forward_backward(&mut self, network: &Network, batch: &Batch) -> Result<StepOutput> {
        let TrainConfig { trainable, precision, .. } = self.config;
        let side = self.network_spec.side();
        debug_assert_eq!(batch.images.len(), batch.labels.len() * CHANNELS * side * side);
        let (weight, temperature) = (self.config.distill_weight, self.config.distill_temperature);
        let scores = match &self.teacher {
            Some(teacher) if weight > 0.0 => {
                Some(teacher.scores(batch, &self.network_spec, &self.compute).await?)
            }
            _ => None,
        };
        let teacher = scores.as_deref().map(|scores| Distillation { scores, weight, temperature });
        let dropout_rng = self.dropout_rng();
        let input = StepInput { batch, side, trainable, precision, dropout_rng, teacher };
        let (spec, compute) = (&self.network_spec, &self.compute);
        self.group.forward_backward(&input, network, spec, &self.state, compute, &self.config).await
    }

    /// Updates the weights on every device that holds them. Returns the regularizer's value before the step.
    pub(crate) fn apply_step(&mut self, gradients: GradientsParams, learning_rate: f64) -> Option<Tensor<1>> {
        let TrainConfig { momentum, weight_decay, .. } = self.config;
        let step = OptimizerStep {
            sgd: Sgd { learning_rate, momentum, weight_decay },
            regularizer: Regularizer::from_config(&self.config, TileShape::from(&self.hardware)),
        };
        self.group.apply_step(&step);
        let penalty = step.apply(&mut self.state, gradients);
        if self.quantization.is_some() {
            self.state.network = self.state.network.clone().with_positive_steps();
        }
        penalty
    }

    /// Random numbers that depend on seed and step alone, so that a resumed run draws the same.
    pub(crate) fn dropout_rng(&self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed ^ self.step.rotate_left(32));
        rng.set_stream(DROPOUT_STREAM);
        rng
    }

    /// Reads loss, penalty and scores in one transfer.
    async fn read_back(
        &self,
        loss: Tensor<1>,
        penalty: Option<Tensor<1>>,
        logits: Tensor<2>,
        labels: &[i32],
    ) -> Result<StepMetrics> {
        let fail = |reason: String| Error::device(&*self.compute.adapter, reason);
        let penalty = penalty.unwrap_or_else(|| loss.zeros_like());
        let all = Tensor::cat(vec![loss, penalty, logits.flatten(0, 1)], 0);
        let read = all.into_data_async().await.map_err(|why| fail(format!("{why:?}")))?;
        match read.as_slice::<f32>() {
            Ok([loss, penalty, logits @ ..]) => Ok(StepMetrics {
                loss: f64::from(*loss),
                penalty: f64::from(*penalty),
                correct: correct_predictions(logits, self.network_spec.classes(), labels),
            }),
            other => Err(fail(format!("the step's result came back as {other:?}"))),
        }
    }

    fn progress(&self, epoch: usize, metrics: &StepMetrics, images: usize, learning_rate: f64) -> Progress {
        let images_per_second = self.speed.images_per_second();
        let batch = self.config.batch.min(self.data.train_len());
        let images_left = (self.total_steps() - self.step) as f64 * batch as f64;
        Progress {
            step: self.step,
            epoch,
            steps_per_epoch: self.steps_per_epoch(),
            total_steps: self.total_steps(),
            loss: metrics.loss,
            regularizer: metrics.penalty,
            batch_accuracy: 100.0 * metrics.correct as f64 / images as f64,
            learning_rate,
            images_per_second,
            data_wait_percent: self.speed.data_wait_percent(),
            seconds_left: images_per_second.map(|speed| images_left / speed),
            finished: self.finished(),
        }
    }
}
