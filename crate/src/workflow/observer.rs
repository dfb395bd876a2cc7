//! What a training stage reports while it runs, and who follows it.

use serde::Serialize;

use super::stage_report::Epoch;
use crate::error::{Error, Result};
use crate::train::evaluate::Evaluation;
use crate::train::progress::Progress;

/// The result of an epoch: a line of `metrics.jsonl`, as [`Progress`] is the line of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EpochMetrics {
    /// Steps of the stage so far.
    pub step: u64,
    /// The epoch, from 0.
    pub epoch: usize,
    /// Evaluation on all held-out images.
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// Improvement of ADC energy by the unpruned weights, at the paper's resolution.
    pub improvement_paper: Option<f64>,
    /// The same at the lossless resolution.
    pub improvement_lossless: Option<f64>,
    /// Image files skipped so far.
    pub skipped_images: usize,
}

/// Follows a training stage. The defaults do nothing.
pub trait TrainObserver {
    /// Called after every step.
    fn on_step(&mut self, _progress: &Progress) {}

    /// Called after the last step of every epoch.
    fn on_epoch(&mut self, _metrics: &EpochMetrics, _progress: &Progress) {}

    /// Whether to stop after this step; a checkpoint is saved first.
    ///
    /// # Errors
    /// To stop at once.
    fn should_stop(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// Whether to save a checkpoint now; `must` is set at the end of an epoch and before stopping.
    fn wants_checkpoint(&mut self, _step: u64, _must: bool) -> bool {
        false
    }

    /// Stores a checkpoint, and the image files skipped so far with the reasons.
    ///
    /// # Errors
    /// When it can't be stored.
    fn save(&mut self, _step: u64, _checkpoint: &[u8], _skipped: &[(String, String)]) -> Result<()> {
        Ok(())
    }

    /// The error of a run that was stopped before its last step.
    fn interrupted(&self, step: u64) -> Error {
        Error::operation("training", "", format!("interrupted after step {step}"))
    }
}

/// The epochs of a stage, put together from the metrics of its steps.
///
/// ```
/// use crossdub::train::evaluate::Evaluation;
/// use crossdub::workflow::observer::EpochCurve;
///
/// let mut curve = EpochCurve::default();
/// curve.add_step(3.0, 0.5);
/// curve.add_step(1.0, 0.7);
/// curve.end_epoch(0, 2, Evaluation::new(40.0, 90.0, 1.2, 100));
/// let (epochs, last) = curve.finish();
/// assert_eq!((epochs[0].training_loss, epochs[0].loss), (2.0, 1.2));
/// assert_eq!(last.map(|evaluation| evaluation.accuracy), Some(40.0));
/// ```
#[derive(Debug, Clone, Default)]
pub struct EpochCurve {
    epochs: Vec<Epoch>,
    last: Option<Evaluation>,
    steps: u64,
    loss: f64,
    regularizer: f64,
}

impl EpochCurve {
    /// Adds a step's cross-entropy and regularizer.
    pub fn add_step(&mut self, loss: f64, regularizer: f64) {
        self.steps += 1;
        self.loss += loss;
        self.regularizer += regularizer;
    }

    /// Ends epoch number `epoch` (from 0) after step number `step`.
    pub fn end_epoch(&mut self, epoch: usize, step: u64, evaluation: Evaluation) {
        let steps = self.steps.max(1) as f64;
        let (training_loss, regularizer) = (self.loss / steps, self.regularizer / steps);
        let Evaluation { accuracy, loss, .. } = evaluation;
        self.epochs.push(Epoch { epoch: epoch + 1, step, training_loss, regularizer, accuracy, loss });
        (self.steps, self.loss, self.regularizer) = (0, 0.0, 0.0);
        self.last = Some(evaluation);
    }

    /// The epochs so far, and the last evaluation.
    pub fn finish(self) -> (Vec<Epoch>, Option<Evaluation>) {
        (self.epochs, self.last)
    }
}
