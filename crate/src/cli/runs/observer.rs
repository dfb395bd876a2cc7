//! Records a training stage in a run's folder, with metrics and checkpoints, and shows its progress.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::cli::files;
use crate::cli::format;
use crate::cli::output;
use crate::cli::runs::run_folder::RunFolder;
use crate::error::{Error, Result};
use crate::train::progress::Progress;
use crate::workflow::observer::{EpochMetrics, TrainObserver};

/// A checkpoint is saved at least this often, so that a killed run loses no more.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);

/// Records a run in a folder and shows its progress.
pub struct FolderObserver<'a> {
    /// The folder.
    pub folder: RunFolder,
    /// The folder's path, for messages.
    pub path: PathBuf,
    /// Also save a checkpoint after this many steps; 0 to save only after each epoch and minute.
    pub checkpoint_every: u64,
    /// Prefix of log lines.
    pub label: &'a str,
    /// The progress bars.
    pub bars: &'a MultiProgress,
    /// Set when the user asks to stop.
    pub stop: &'a AtomicBool,
    bar: Option<ProgressBar>,
    saved: Instant,
}

impl<'a> FolderObserver<'a> {
    /// Records a run in `folder` at `path`.
    pub fn new(
        folder: RunFolder,
        path: PathBuf,
        (bars, label): (&'a MultiProgress, &'a str),
        checkpoint_every: u64,
        stop: &'a AtomicBool,
    ) -> Self {
        Self { folder, path, checkpoint_every, label, bars, stop, bar: None, saved: Instant::now() }
    }
}

impl TrainObserver for FolderObserver<'_> {
    fn on_step(&mut self, progress: &Progress) {
        self.folder.log_metrics(progress);
        let bar = self.bar.get_or_insert_with(|| self.bars.add(progress_bar(progress, self.label)));
        bar.set_position(progress.step);
        bar.set_message(format!(
            "loss {:.3}  regularizer {:.3}  {:.0} images/s, {:.0} % of the time waited for them  {} left",
            progress.loss,
            progress.regularizer,
            progress.images_per_second.unwrap_or(0.0),
            progress.data_wait_percent.unwrap_or(0.0),
            format::duration(progress.seconds_left.unwrap_or(0.0)),
        ));
    }

    fn on_epoch(&mut self, metrics: &EpochMetrics, progress: &Progress) {
        let text = epoch_text(metrics, progress);
        self.bars.suspend(|| output::status(&format!("{}{text}", self.label)));
        self.folder.log_metrics(metrics);
    }

    fn should_stop(&mut self) -> Result<bool> {
        Ok(self.stop.load(Ordering::Relaxed))
    }

    fn wants_checkpoint(&mut self, step: u64, must: bool) -> bool {
        let due = self.checkpoint_every > 0 && step.is_multiple_of(self.checkpoint_every);
        must || due || self.saved.elapsed() > CHECKPOINT_INTERVAL
    }

    fn save(&mut self, step: u64, checkpoint: &[u8], skipped: &[(String, String)]) -> Result<()> {
        self.folder.save(step, checkpoint)?;
        self.folder.write_skipped(skipped)?;
        self.saved = Instant::now();
        Ok(())
    }

    fn interrupted(&self, step: u64) -> Error {
        let why = format!("interrupted after step {step}; --resume continues from there");
        Error::file("training", files::display_path(&self.path), why)
    }
}

impl Drop for FolderObserver<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        // The steps before an error explain it; a resumed run cuts off what its checkpoint does not hold.
        self.folder.flush_metrics_after_error();
    }
}

fn progress_bar(progress: &Progress, label: &str) -> ProgressBar {
    let bar = ProgressBar::new(progress.total_steps).with_position(progress.step);
    bar.set_prefix(label.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{prefix}{bar:28} {pos}/{len} steps  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn epoch_text(metrics: &EpochMetrics, progress: &Progress) -> String {
    format!(
        "epoch {}/{}: accuracy {:.2} %, loss {:.4} (training {:.4}, regularizer {:.4}), {} left",
        metrics.epoch + 1,
        progress.total_steps / progress.steps_per_epoch.max(1),
        metrics.evaluation.accuracy,
        metrics.evaluation.loss,
        progress.loss,
        progress.regularizer,
        format::duration(progress.seconds_left.unwrap_or(0.0)),
    )
}
