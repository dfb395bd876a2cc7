//! A training or fine-tuning stage: how it starts, steps, ends an epoch and is reported. A recipe runs it to the end,
//! the page step by step.

use super::observer::{EpochMetrics, TrainObserver};
use super::stage::StageKind;
use super::stage_report::StageReport;
use crate::checkpoint::Checkpoint;
use crate::config::{HardwareConfig, TrainConfig};
use crate::data::loader::DataLoader;
use crate::device::ComputeDevice;
use crate::error::Result;
use crate::report::{AdcEnergies, Analysis, analyze};
use crate::train::checkpoint::TrainingCheckpoint;
use crate::train::evaluate::Evaluation;
use crate::train::progress::Progress;
use crate::train::trainer::Trainer;

/// What a run trains on and for, the same in all its stages.
pub struct RunSetup {
    /// The hardware.
    pub hardware: HardwareConfig,
    /// The images.
    pub data: DataLoader,
    /// The device.
    pub compute: ComputeDevice,
    /// Bytes of memory that a stage may take.
    pub memory: u64,
}

/// A training or fine-tuning stage.
pub struct TrainStage {
    kind: StageKind,
    trainer: Trainer,
}

impl TrainStage {
    /// A stage of this kind with a trainer that is ready to step.
    pub fn new(kind: StageKind, trainer: Trainer) -> Self {
        Self { kind, trainer }
    }

    /// Starts a stage, from these weights or from those drawn by the seed. If `masked`, the zeros of the weights stay
    /// zero.
    ///
    /// # Errors
    /// When a field is out of range, the network does not fit the data or the memory, the weights belong to another
    /// network, or the device fails.
    pub async fn start(
        kind: StageKind,
        config: TrainConfig,
        setup: RunSetup,
        weights: Option<&Checkpoint>,
        masked: bool,
    ) -> Result<Self> {
        let RunSetup { hardware, data, compute, memory } = setup;
        let mut stage = Self::new(kind, Trainer::new(config, hardware, data, compute, memory, weights)?);
        if let Some(weights) = weights.filter(|_| masked) {
            stage.keep_zeros(weights).await?;
        }
        Ok(stage)
    }

    /// Resumes a stage from its checkpoint, on the hardware of the setup.
    ///
    /// # Errors
    /// When data and configuration do not fit the weights, or a field of the hardware is out of range.
    pub fn resume(kind: StageKind, checkpoint: TrainingCheckpoint, setup: RunSetup) -> Result<Self> {
        let RunSetup { hardware, data, compute, memory } = setup;
        let mut trainer = checkpoint.resume(data, compute, memory)?;
        trainer.set_hardware(hardware)?;
        Ok(Self::new(kind, trainer))
    }

    /// Starts fine-tuning these weights of the same network on the same data. If `masked`, their zeros stay zero.
    ///
    /// # Errors
    /// When a field is out of range, the configuration is of another network or other data, or the device fails.
    pub async fn start_finetuning(
        &mut self,
        config: TrainConfig,
        weights: &Checkpoint,
        masked: bool,
    ) -> Result<()> {
        self.trainer.start_stage(config, weights)?;
        self.kind = StageKind::Finetune;
        if masked { self.keep_zeros(weights).await } else { Ok(()) }
    }

    /// Returns to an earlier stage of the same network.
    ///
    /// # Errors
    /// When the checkpoint is of another network or other data.
    pub fn restore(&mut self, kind: StageKind, checkpoint: TrainingCheckpoint) -> Result<()> {
        checkpoint.restore(&mut self.trainer)?;
        self.kind = kind;
        Ok(())
    }

    /// Lets it learn from this network beside the labels.
    ///
    /// # Errors
    /// When the weights are of another network.
    pub fn learn_from(&mut self, teacher: &Checkpoint) -> Result<()> {
        self.trainer.set_teacher(teacher)
    }

    async fn keep_zeros(&mut self, weights: &Checkpoint) -> Result<()> {
        let masks = self.trainer.network_spec().adapt(weights)?.masks();
        self.trainer.set_masks(&masks).await
    }

    /// The trainer.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// The trainer, for what a stage does not do itself.
    pub(super) fn trainer_mut(&mut self) -> &mut Trainer {
        &mut self.trainer
    }

    /// One step.
    ///
    /// # Errors
    /// When training has diverged, or the device fails.
    pub async fn step(&mut self) -> Result<Progress> {
        self.trainer.step().await
    }

    /// Accuracy on at most `images` held-out images, recorded in the history.
    ///
    /// # Errors
    /// When training has diverged back to chance, or the device fails.
    pub async fn evaluate(&mut self, images: usize) -> Result<Evaluation> {
        self.trainer.evaluate(images).await
    }

    /// Records the improvements of ADC energy in the history.
    pub fn record_energy(&mut self, energy: &AdcEnergies) {
        self.trainer.record_improvement(energy.paper.improvement, energy.lossless.improvement);
    }

    /// Ends epoch number `epoch` (from 0): evaluates on all held-out images, and computes the ADC energy that the
    /// unpruned weights would save.
    ///
    /// # Errors
    /// When training has diverged back to chance, or the device fails.
    pub async fn end_epoch(&mut self, epoch: usize) -> Result<EpochMetrics> {
        let evaluation = self.evaluate(usize::MAX).await?;
        let energy = analyze(&self.trainer.matrices().await?, self.trainer.hardware()).energy;
        self.record_energy(&energy);
        Ok(EpochMetrics {
            step: self.trainer.step_number(),
            epoch,
            evaluation,
            improvement_paper: energy.paper.improvement,
            improvement_lossless: energy.lossless.improvement,
            skipped_images: self.trainer.data().skipped().len(),
        })
    }

    /// Trains to the last step.
    ///
    /// # Errors
    /// When training diverges, the device fails, or the observer stops it.
    pub async fn run(&mut self, observer: &mut dyn TrainObserver) -> Result<()> {
        while !self.trainer.finished() {
            let progress = self.step().await?;
            observer.on_step(&progress);
            if progress.ends_epoch() {
                let metrics = self.end_epoch(progress.epoch).await?;
                observer.on_epoch(&metrics, &progress);
            }
            let stop = observer.should_stop()?;
            let step = progress.step;
            if observer.wants_checkpoint(step, progress.ends_epoch() || stop) {
                observer.save(step, &self.trainer.checkpoint().await?, &self.trainer.data().skipped())?;
            }
            if stop && !self.trainer.finished() {
                return Err(observer.interrupted(step));
            }
        }
        Ok(())
    }

    /// The stage so far, with its last measured accuracy. `analysis` is of its crossbar layers; `before` is the
    /// histogram that the previous stage left.
    pub fn report(&self, analysis: &Analysis, before: Option<&[u64]>) -> StageReport {
        StageReport {
            steps: Some(self.trainer.step_number()),
            accuracy: self.trainer.history().iter().rev().find_map(|entry| entry.accuracy),
            ..StageReport::from_training(self.kind, self.trainer.config(), analysis, before)
        }
    }
}
