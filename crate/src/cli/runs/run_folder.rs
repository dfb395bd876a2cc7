//! A run's folder: `config.toml`, `metrics.jsonl`, `checkpoints/`, `weights.safetensors`,
//! `report.json`. Every file is complete at all times.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::files;
use crate::cli::runs::tensorboard;
use crate::error::{Error, Result};
use crate::train::checkpoint::TrainingCheckpoint;

/// Checkpoints kept by default: the newest, and one more in case that is damaged.
pub const DEFAULT_CHECKPOINTS_KEPT: u16 = 2;

/// The folder of a run.
pub struct RunFolder {
    path: PathBuf,
    /// Whether this process created the folder.
    created: bool,
    keep: usize,
    /// Metrics not yet written; they are written with the checkpoint that covers their steps.
    pending: String,
    /// When this process started, and the seconds of work before that.
    started: Instant,
    previous_seconds: f64,
}

/// A line of `metrics.jsonl`, with the seconds of work so far.
#[derive(Serialize)]
struct MetricsLine<'a, T> {
    #[serde(flatten)]
    line: &'a T,
    seconds: f64,
}

impl RunFolder {
    /// Opens a folder, creating it if needed.
    ///
    /// # Errors
    /// If it can't be created.
    pub fn open(path: &Path) -> Result<Self> {
        let checkpoints = path.join("checkpoints");
        let created = !path.exists();
        fs::create_dir_all(&checkpoints).map_err(|why| {
            Error::file("creating a run's folder", files::display_path(&checkpoints), &why).with_source(why)
        })?;
        let (path, pending, keep) = (path.to_owned(), String::new(), usize::from(DEFAULT_CHECKPOINTS_KEPT));
        Ok(Self { path, created, keep, pending, started: Instant::now(), previous_seconds: 0.0 })
    }

    /// Whether this process created the folder.
    pub fn is_new(&self) -> bool {
        self.created
    }

    /// Removes the folders that are empty, after a run that could not start.
    pub fn remove_if_empty(&self) {
        let own = [self.path.join("checkpoints"), self.path.clone()];
        for empty in own.iter().take(if self.created { 2 } else { 1 }) {
            // Fails if the folder isn't empty; that is intended.
            let _ = fs::remove_dir(empty);
        }
    }

    /// The same folder, keeping this many checkpoints.
    #[must_use]
    pub fn with_checkpoints_kept(self, keep: usize) -> Self {
        Self { keep, ..self }
    }

    /// Seconds of work that led to the current state, without work lost to a kill.
    pub fn seconds(&self) -> f64 {
        self.previous_seconds + self.started.elapsed().as_secs_f64()
    }

    /// Path of the configuration.
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Writes `config.toml`: the run's configuration and where its data and weights came from.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write_config(&self, fields: &Map<String, Value>) -> Result<()> {
        let path = self.config_path();
        let text = toml::to_string(fields).map_err(|why| {
            Error::file("writing the configuration", files::display_path(&path), &why).with_source(why)
        })?;
        files::write("writing the configuration", &path, text.as_bytes())
    }

    /// Reads `config.toml`.
    ///
    /// # Errors
    /// If it is missing or not TOML.
    pub fn read_config(&self) -> Result<Map<String, Value>> {
        let path = self.config_path();
        read_toml(&path)
    }

    /// Adds a line to `metrics.jsonl`, written with the next checkpoint.
    pub fn log_metrics(&mut self, line: &impl Serialize) {
        let seconds = (1e3 * self.seconds()).round() / 1e3;
        if let Ok(text) = serde_json::to_string(&MetricsLine { line, seconds }) {
            self.pending.push_str(&text);
            self.pending.push('\n');
        }
    }

    /// Writes the metrics so far, then a checkpoint, then deletes old checkpoints. In this order a full disk
    /// leaves extra metrics, which a resumed run truncates and writes again, but never a gap.
    ///
    /// # Errors
    /// If the disk is full; older checkpoints are then untouched.
    pub fn save(&mut self, step: u64, checkpoint: &[u8]) -> Result<()> {
        let path = self.path.join("checkpoints").join(format!("step-{step:09}.safetensors"));
        self.flush_metrics()?;
        files::write("writing a checkpoint", &path, checkpoint)?;
        for (_, old) in self.checkpoints()?.into_iter().rev().skip(self.keep) {
            // An extra checkpoint does no harm; the next save tries again.
            drop(fs::remove_file(old));
        }
        Ok(())
    }

    /// Lists the skipped image files, one per line; writes no file if there are none.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write_skipped(&self, skipped: &[(String, String)]) -> Result<()> {
        if skipped.is_empty() {
            return Ok(());
        }
        let lines: String = skipped.iter().map(|(file, why)| format!("{file}: {why}\n")).collect();
        files::write("listing bad images", &self.path.join("skipped-images.txt"), lines.as_bytes())
    }

    /// Writes the metrics so far of a failed run; ignores errors, since the run has one already.
    pub fn flush_metrics_after_error(&mut self) {
        if !self.pending.is_empty() {
            drop(self.flush_metrics());
        }
    }

    /// Forgets the metrics since the last checkpoint.
    pub fn discard_metrics(&mut self) {
        self.pending.clear();
    }

    fn flush_metrics(&mut self) -> Result<()> {
        let path = self.path.join("metrics.jsonl");
        let fail = |why| Error::file("writing metrics", files::display_path(&path), why);
        let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(fail)?;
        file.write_all(self.pending.as_bytes()).map_err(fail)?;
        self.append_events()?;
        self.pending.clear();
        Ok(())
    }

    /// Writes the same metrics for TensorBoard.
    fn append_events(&self) -> Result<()> {
        let path = self.path.join(tensorboard::FILE_NAME);
        let fail = |why| Error::file("writing events", files::display_path(&path), why);
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        let opening = if path.exists() { Vec::new() } else { tensorboard::file_header(time) };
        let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(fail)?;
        let records = [opening, tensorboard::records_from_metrics(&self.pending, time)].concat();
        file.write_all(&records).map_err(fail)
    }

    fn truncate_events(&self, step: u64) -> Result<()> {
        let path = self.path.join(tensorboard::FILE_NAME);
        if !path.exists() {
            return Ok(());
        }
        let events = files::read("reading events", &path)?;
        files::write("writing events", &path, tensorboard::truncate_after_step(&events, step))
    }

    /// Drops the metrics after a step and an incomplete last line: a resumed run writes them again.
    ///
    /// # Errors
    /// If the file can't be read or written.
    pub fn truncate_metrics(&mut self, step: u64) -> Result<()> {
        self.truncate_events(step)?;
        let path = self.path.join("metrics.jsonl");
        if !path.exists() {
            return Ok(());
        }
        let text = files::read("reading metrics", &path)?;
        let text = String::from_utf8_lossy(&text);
        let mut previous_seconds = 0.0;
        let keep = |line: &&str| {
            let value: Value = serde_json::from_str(line).unwrap_or_default();
            let kept = value["step"].as_u64().is_some_and(|at| at <= step);
            if kept {
                previous_seconds = value["seconds"].as_f64().unwrap_or(previous_seconds);
            }
            kept
        };
        let kept: String = text.lines().filter(keep).flat_map(|line| [line, "\n"]).collect();
        self.previous_seconds = previous_seconds;
        files::write("writing metrics", &path, kept.as_bytes())
    }

    /// The newest intact checkpoint; damaged ones are skipped with a warning.
    ///
    /// # Errors
    /// If the folder can't be listed.
    pub fn newest_checkpoint(&self) -> Result<Option<TrainingCheckpoint>> {
        for (_, path) in self.checkpoints()?.into_iter().rev() {
            let read =
                files::read("reading a checkpoint", &path).and_then(|bytes| TrainingCheckpoint::read(&bytes));
            match read {
                Ok(checkpoint) => return Ok(Some(checkpoint)),
                Err(error) => {
                    tracing::warn!("skipped a checkpoint: {}", error.with_path(&files::display_path(&path)));
                }
            }
        }
        Ok(None)
    }

    /// Checkpoints by step, oldest first.
    fn checkpoints(&self) -> Result<Vec<(u64, PathBuf)>> {
        let folder = self.path.join("checkpoints");
        let entries = fs::read_dir(&folder).map_err(|why| {
            Error::file("listing checkpoints", files::display_path(&folder), &why).with_source(why)
        })?;
        let mut found: Vec<_> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let name = path.file_name()?.to_str()?;
                let step = name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()?;
                Some((step, path))
            })
            .collect();
        found.sort();
        Ok(found)
    }

    /// Writes a result file.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        files::write("writing a result", &self.path.join(name), bytes)
    }
}

/// Reads a TOML file of configuration fields.
///
/// # Errors
/// If it is missing or not TOML.
pub fn read_toml(path: &Path) -> Result<Map<String, Value>> {
    let bytes = files::read("reading the configuration", path)?;
    let fail = |why: &dyn std::fmt::Display| {
        Error::file("reading the configuration", files::display_path(path), why.to_string())
    };
    let text = std::str::from_utf8(&bytes).map_err(|why| fail(&why))?;
    toml::from_str(text).map_err(|why| fail(&why))
}
