//! What a trainer reports: progress after each step, and the history.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use web_time::Instant;

/// The state of a run after a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct Progress {
    /// Number of steps taken.
    pub step: u64,
    /// Epoch of that step, from 0.
    pub epoch: usize,
    /// Number of steps per epoch.
    pub steps_per_epoch: u64,
    /// Number of steps of the run.
    pub total_steps: u64,
    /// Cross-entropy of the batch.
    pub loss: f64,
    /// The regularizer's value.
    pub regularizer: f64,
    /// Accuracy on the batch, in percent.
    pub batch_accuracy: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Images per second over the last steps.
    pub images_per_second: Option<f64>,
    /// Share of the time spent waiting for images, in percent.
    pub data_wait_percent: Option<f64>,
    /// Seconds until the end of the run at that speed.
    pub seconds_left: Option<f64>,
    /// Whether the run is finished.
    pub finished: bool,
}

impl Progress {
    /// Whether this step was the last of its epoch.
    pub fn ends_epoch(&self) -> bool {
        self.step.is_multiple_of(self.steps_per_epoch)
    }
}

/// One step of a run's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The step, from 1.
    pub step: u64,
    /// Cross-entropy of the batch.
    pub loss: f64,
    /// The regularizer's value.
    pub regularizer: f64,
    /// Accuracy on held-out images, in percent, if it was measured after this step.
    pub accuracy: Option<f64>,
    /// Previewed improvement in ADC energy at the paper's resolution, if it was computed.
    pub improvement_paper: Option<f64>,
    /// The same at the lossless resolution.
    pub improvement_lossless: Option<f64>,
}

/// Training speed over the last steps; pauses between steps do not count.
#[derive(Debug, Clone, Default)]
pub struct Speed {
    began: Option<Instant>,
    images: f64,
    seconds: f64,
    waited: Option<Duration>,
    waited_seconds: f64,
}

impl Speed {
    /// The weight that earlier steps keep at each step.
    const DECAY: f64 = 0.9;

    /// Marks the start of a step.
    pub fn begin(&mut self) {
        self.began = Some(Instant::now());
        self.waited = None;
    }

    /// Marks that the step's images have been loaded.
    pub fn loaded(&mut self) {
        self.waited = self.began.map(|began| began.elapsed());
    }

    /// Marks the end of a step on this many images.
    pub fn end(&mut self, images: usize) {
        let elapsed = self.began.take().map_or(Duration::ZERO, |began| began.elapsed());
        self.images = self.images * Self::DECAY + images as f64;
        self.seconds = self.seconds * Self::DECAY + elapsed.as_secs_f64();
        let waited = self.waited.take().unwrap_or_default();
        self.waited_seconds = self.waited_seconds * Self::DECAY + waited.as_secs_f64();
    }

    /// Images per second; `None` before the first step.
    pub fn images_per_second(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.images / self.seconds)
    }

    /// Share of the time spent waiting for images, in percent.
    pub fn data_wait_percent(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| 100.0 * self.waited_seconds / self.seconds)
    }
}
