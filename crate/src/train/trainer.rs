//! A training run that is advanced one step at a time by whoever holds it: the page's worker or
//! the command line. Between steps it can be paused, evaluated, drawn, checkpointed or dropped.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::checkpoint::Checkpoint;
use crate::config::{HardwareConfig, TrainConfig};
use crate::crossbar::tiling::TileShape;
use crate::data::batch::{Batch, BatchConfig, steps_per_epoch};
use crate::data::loader::DataLoader;
use crate::device::ComputeDevice;
use crate::distributed::group::DeviceGroup;
use crate::error::{Error, Result};
use crate::loss::Regularizer;
use crate::matrix::Matrix;
use crate::metrics::correct_predictions;
use crate::network::parameters::{ExportKind, export, import};
use crate::network::spec::CHANNELS;
use crate::network::spec::initialize;
use crate::network::{Network, NetworkSpec};
use crate::train::divergence::DivergenceDetector;
use crate::train::evaluate::{Evaluation, evaluate};
use crate::train::forward_backward::{StepInput, StepOutput};
use crate::train::masks::Masks;
use crate::train::optimizer_step::OptimizerStep;
use crate::train::progress::{HistoryEntry, Progress, Speed};
use crate::train::sgd::Sgd;

/// Stream of the dropout's random numbers, apart from those of the data room.
const DROPOUT_STREAM: u64 = 0xd0;

/// A training run.
pub struct Trainer {
    pub(crate) spec: TrainConfig,
    pub(crate) hardware: HardwareConfig,
    pub(crate) plan: NetworkSpec,
    pub(crate) network: Network,
    pub(crate) velocities: GradientsParams,
    pub(crate) masks: Option<Masks>,
    pub(crate) step: u64,
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) watch: DivergenceDetector,
    pub(crate) data: DataLoader,
    pub(crate) compute: ComputeDevice,
    device: Device,
    pub(crate) others: DeviceGroup,
    speed: Speed,
}

impl Trainer {
    /// Prepares a run from its specification, with the weights given or initialized from the seed.
    ///
    /// Nothing large is allocated before the network is known to fit `memory` bytes.
    ///
    /// # Errors
    /// When a field is out of range, the network does not fit, the data is empty, or the weights
    /// are another network's.
    pub fn new(
        spec: TrainConfig,
        hardware: HardwareConfig,
        data: impl Into<DataLoader>,
        compute: ComputeDevice,
        memory: u64,
        weights: Option<&Checkpoint>,
    ) -> Result<Self> {
        spec.validate()?;
        hardware.validate()?;
        let data = data.into();
        if data.train_len() == 0 || data.test().is_empty() {
            return Err(Error::field("data", spec.holdout, "leaves no images to train or to evaluate on"));
        }
        let plan = NetworkSpec::from_config(&spec, data.classes().len())?;
        if plan.side() != data.test().side() {
            let why = format!("the images have {}", data.test().side());
            return Err(Error::field("side", plan.side(), why));
        }
        plan.check_memory(spec.batch.min(data.train_len()), memory)?;
        compute.check(spec.precision)?;
        let device = compute.device.clone().autodiff();
        let drawn;
        let weights = if let Some(weights) = weights {
            weights
        } else {
            drawn = initialize(&plan, spec.seed);
            &drawn
        };
        let network = import(Network::new(&plan, &device), &plan, weights)?;
        Ok(Self {
            spec,
            hardware,
            plan,
            network,
            velocities: GradientsParams::new(),
            masks: None,
            step: 0,
            history: Vec::new(),
            watch: DivergenceDetector::default(),
            data,
            compute,
            device,
            others: DeviceGroup::default(),
            speed: Speed::default(),
        })
    }

    /// The run's specification.
    pub fn spec(&self) -> &TrainConfig {
        &self.spec
    }

    /// The network's plan.
    pub fn plan(&self) -> &NetworkSpec {
        &self.plan
    }

    /// The hardware that the regularizer works for.
    pub fn hardware(&self) -> &HardwareConfig {
        &self.hardware
    }

    /// Maps to other hardware from the next step on.
    ///
    /// # Errors
    /// When a field is out of range.
    pub fn set_hardware(&mut self, hardware: HardwareConfig) -> Result<()> {
        hardware.validate()?;
        self.hardware = hardware;
        Ok(())
    }

    /// Begins another phase of the same network on the same data, with these weights: position,
    /// momentum, masks and history start anew.
    ///
    /// # Errors
    /// When a field is out of range, or the phase would be of another network or other data.
    pub fn start_stage(&mut self, spec: TrainConfig, weights: &Checkpoint) -> Result<()> {
        spec.validate()?;
        if NetworkSpec::from_config(&spec, self.plan.classes())? != self.plan {
            return Err(Error::field("plan", spec.plan, "can't change within a run"));
        }
        self.compute.check(spec.precision)?;
        let data = |of: &TrainConfig| (of.data, of.holdout, of.limit, of.seed);
        if data(&spec) != data(&self.spec) {
            return Err(Error::field("data", format!("{:?}", spec.data), "can't change within a run"));
        }
        self.network = import(self.network.clone(), &self.plan, weights)?;
        (self.velocities, self.masks) = (GradientsParams::new(), None);
        self.others.forget();
        (self.step, self.watch) = (0, DivergenceDetector::default());
        self.history.clear();
        self.spec = spec;
        Ok(())
    }

    /// Sets the weights whose mask is 0 to zero and keeps them there, through all that follows.
    ///
    /// # Errors
    /// When the masks are another network's, or the device fails.
    pub async fn set_masks(&mut self, masks: &Checkpoint) -> Result<()> {
        let weights = self.weights().await?;
        self.keep(masks, &weights)
    }

    /// The same where the present weights are at hand.
    pub(crate) fn keep(&mut self, masks: &Checkpoint, weights: &Checkpoint) -> Result<()> {
        let masks = Masks::new(masks, weights, &self.network, &self.plan)?;
        self.network = masks.apply(self.network.clone());
        self.masks = Some(masks);
        self.others.forget();
        Ok(())
    }

    /// The device it computes on.
    pub fn compute(&self) -> &ComputeDevice {
        &self.compute
    }

    /// Steps done.
    pub fn step_number(&self) -> u64 {
        self.step
    }

    /// Steps of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        steps_per_epoch(self.data.train_len(), self.spec.batch) as u64
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.steps_per_epoch() * self.spec.epochs as u64
    }

    /// Whole epochs done.
    pub fn epochs_done(&self) -> usize {
        (self.step / self.steps_per_epoch()) as usize
    }

    /// Whether all steps are done.
    pub fn finished(&self) -> bool {
        self.step >= self.total_steps()
    }

    /// One entry a step.
    pub fn history(&self) -> &[HistoryEntry] {
        &self.history
    }

    /// Notes the previewed improvements at the last step.
    pub fn record_improvement(&mut self, paper: Option<f64>, lossless: Option<f64>) {
        if let Some(entry) = self.history.last_mut() {
            entry.improvement_paper = paper;
            entry.improvement_lossless = lossless;
        }
    }

    /// Where its images come from.
    pub fn data(&self) -> &DataLoader {
        &self.data
    }

    /// Images a second over the last steps.
    pub fn images_per_second(&self) -> Option<f64> {
        self.speed.images_per_second()
    }

    /// Learning rate of an epoch: a tenth after each milestone.
    fn learning_rate(&self, epoch: usize) -> f64 {
        let passed = self.spec.milestones.iter().filter(|&&milestone| epoch >= milestone).count();
        self.spec.learning_rate * 0.1_f64.powi(passed as i32)
    }

    /// Trains on one batch.
    ///
    /// # Errors
    /// When the run has diverged, or the device fails. The step is then not counted.
    pub async fn step(&mut self) -> Result<Progress> {
        self.speed.begin();
        let per_epoch = self.steps_per_epoch();
        let epoch = (self.step / per_epoch) as usize;
        let TrainConfig { seed, batch, augment, .. } = self.spec;
        let drawing = BatchConfig { seed, batch, augment };
        let batch = self.data.training_batch(drawing, epoch as u64, self.step % per_epoch)?;
        self.speed.loaded();

        let StepOutput { loss, logits, gradients } = self.pass(&batch).await?;
        let labels = batch.labels;
        let learning_rate = self.learning_rate(epoch);
        let penalty = self.take_step(gradients, learning_rate);

        let (loss, penalty, right) = self.read_back(loss, penalty, logits, &labels).await?;
        self.watch.loss(self.step + 1, loss + penalty)?;
        self.step += 1;
        self.speed.end(labels.len());
        self.history.push(HistoryEntry {
            step: self.step,
            loss,
            regularizer: penalty,
            accuracy: None,
            improvement_paper: None,
            improvement_lossless: None,
        });
        let batch_accuracy = 100.0 * right as f64 / labels.len() as f64;
        Ok(self.progress(epoch, (loss, penalty), batch_accuracy, learning_rate))
    }

    /// The batch forward and backward, on all the run's devices.
    async fn pass(&mut self, batch: &Batch) -> Result<StepOutput> {
        let TrainConfig { trainable, precision, .. } = self.spec;
        let side = self.plan.side();
        debug_assert_eq!(batch.images.len(), batch.labels.len() * CHANNELS * side * side);
        let pass = StepInput { batch, side, trainable, precision, random: self.dropout_stream() };
        if self.spec.device_choices()?.len() > 1 {
            return self.shared_pass(&pass).await;
        }
        Ok(pass.whole(&self.network, &self.device))
    }

    /// Moves the weights, everywhere that they are held; the regularizer's value before.
    pub(crate) fn take_step(&mut self, gradients: GradientsParams, learning_rate: f64) -> Option<Tensor<1>> {
        let TrainConfig { momentum, weight_decay, .. } = self.spec;
        let update = OptimizerStep {
            sgd: Sgd { learning_rate, momentum, weight_decay },
            regularizer: Regularizer::from_config(&self.spec, TileShape::from(&self.hardware)),
        };
        self.others.follow(&update);
        update.apply(&mut self.network, gradients, &mut self.velocities, self.masks.as_ref())
    }

    /// Random numbers that depend on seed and step alone, so that a resumed run draws the same.
    pub(crate) fn dropout_stream(&self) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.spec.seed ^ self.step.rotate_left(32));
        random.set_stream(DROPOUT_STREAM);
        random
    }

    /// Loss, regularizer and number of right predictions, in one transfer.
    async fn read_back(
        &self,
        loss: Tensor<1>,
        penalty: Option<Tensor<1>>,
        logits: Tensor<2>,
        labels: &[i32],
    ) -> Result<(f64, f64, usize)> {
        let fail = |why: String| Error::device(&*self.compute.adapter, why);
        let penalty = penalty.unwrap_or_else(|| loss.zeros_like());
        let together = Tensor::cat(vec![loss, penalty, logits.flatten(0, 1)], 0);
        let read = together.into_data_async().await.map_err(|why| fail(format!("{why:?}")))?;
        match read.as_slice::<f32>() {
            Ok([loss, penalty, logits @ ..]) => {
                let right = correct_predictions(logits, self.plan.classes(), labels);
                Ok((f64::from(*loss), f64::from(*penalty), right))
            }
            other => Err(fail(format!("the step's result came back as {other:?}"))),
        }
    }

    fn progress(
        &self,
        epoch: usize,
        (loss, regularizer): (f64, f64),
        batch_accuracy: f64,
        rate: f64,
    ) -> Progress {
        let images_per_second = self.speed.images_per_second();
        let batch = self.spec.batch.min(self.data.train_len());
        let left = (self.total_steps() - self.step) as f64 * batch as f64;
        Progress {
            step: self.step,
            epoch,
            steps_per_epoch: self.steps_per_epoch(),
            total_steps: self.total_steps(),
            loss,
            regularizer,
            batch_accuracy,
            learning_rate: rate,
            images_per_second,
            data_wait_percent: self.speed.data_wait_percent(),
            seconds_left: images_per_second.map(|speed| left / speed),
            finished: self.finished(),
        }
    }

    /// Accuracy on at most `images` held-out images, noted in the history.
    ///
    /// # Errors
    /// When the run has diverged back to chance, or the device fails.
    pub async fn evaluate(&mut self, images: usize) -> Result<Evaluation> {
        let count = images.min(self.data.test().len());
        let evaluation = evaluate(&self.network, self.data.test(), 0..count, &self.compute).await?;
        if let Some(entry) = self.history.last_mut() {
            entry.accuracy = Some(evaluation.accuracy);
        }
        self.watch.accuracy(self.step, evaluation.accuracy, self.plan.classes())?;
        Ok(evaluation)
    }

    /// Accuracy of the same network with other weights, on at most `images` held-out images.
    ///
    /// # Errors
    /// When they are another network's, or the device fails.
    pub async fn evaluate_with(&self, weights: &Checkpoint, images: usize) -> Result<Evaluation> {
        let network = import(self.network.clone(), &self.plan, weights)?;
        let count = images.min(self.data.test().len());
        evaluate(&network, self.data.test(), 0..count, &self.compute).await
    }

    /// The present weights, under PyTorch's names.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn weights(&self) -> Result<Checkpoint> {
        export(&self.network, &self.plan, ExportKind::Weights).await
    }

    /// The present crossbar layers.
    ///
    /// # Errors
    /// When the device fails, or a weight is not finite.
    pub async fn matrices(&self) -> Result<Vec<Matrix>> {
        self.weights().await?.matrices(false)
    }
}
