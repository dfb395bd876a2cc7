//! What a training session tells its caller.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use web_time::Instant;

/// After each step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Epoch of that step, from 0.
    pub epoch: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Steps of the run.
    pub total_steps: u64,
    /// Cross-entropy of the batch.
    pub loss: f64,
    /// The regularizer's value.
    pub regularizer: f64,
    /// Share of the batch that was classified right, in percent.
    pub batch_accuracy: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Images a second over the last steps.
    pub images_per_second: Option<f64>,
    /// Share of the time that was spent waiting for images, in percent.
    pub data_wait_percent: Option<f64>,
    /// Seconds until the run ends at that speed.
    pub seconds_left: Option<f64>,
    /// Whether the run is at its end.
    pub finished: bool,
}

/// One step in a run's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct HistoryEntry {
    /// The step, from 1.
    pub step: u64,
    /// Cross-entropy of the batch.
    pub loss: f64,
    /// The regularizer's value.
    pub regularizer: f64,
    /// Accuracy on held-out images, in percent, on steps after which it was measured.
    pub accuracy: Option<f64>,
    /// Previewed improvement of ADC energy, the paper's count, where it was computed.
    pub improvement_paper: Option<f64>,
    /// The same with nothing lost.
    pub improvement_lossless: Option<f64>,
}

/// Speed over the last few seconds; pauses between steps don't count.
#[derive(Debug, Clone, Default)]
pub struct Speed {
    began: Option<Instant>,
    images: f64,
    seconds: f64,
    waited: Option<Duration>,
    waited_seconds: f64,
}

impl Speed {
    /// How much of the past is forgotten at each step.
    const DECAY: f64 = 0.9;

    /// A step begins.
    pub fn begin(&mut self) {
        self.began = Some(Instant::now());
        self.waited = None;
    }

    /// The step's images are there.
    pub fn loaded(&mut self) {
        self.waited = self.began.map(|began| began.elapsed());
    }

    /// The step that began has handled so many images.
    pub fn end(&mut self, images: usize) {
        let elapsed = self.began.take().map_or(Duration::ZERO, |began| began.elapsed());
        self.images = self.images * Self::DECAY + images as f64;
        self.seconds = self.seconds * Self::DECAY + elapsed.as_secs_f64();
        let waited = self.waited.take().unwrap_or_default();
        self.waited_seconds = self.waited_seconds * Self::DECAY + waited.as_secs_f64();
    }

    /// Images a second, once known.
    pub fn images_per_second(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.images / self.seconds)
    }

    /// Share of the time that was spent waiting for images, in percent.
    pub fn data_wait_percent(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| 100.0 * self.waited_seconds / self.seconds)
    }
}
