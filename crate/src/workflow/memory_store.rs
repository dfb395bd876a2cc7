//! Runs a recipe in memory, without reading or writing files.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use serde_json::Value;

use super::executor::{Found, StageSlot, StageStore};
use super::observer::{EpochCurve, EpochMetrics, TrainObserver};
use super::report::DataDescription;
use super::stage::Stage;
use super::stage_report::{Epoch, StageResult};
use crate::checkpoint::Checkpoint;
use crate::data::TrainTest;
use crate::data::loader::DataLoader;
use crate::error::{Error, Result};
use crate::train::checkpoint::TrainingCheckpoint;
use crate::train::evaluate::Evaluation;
use crate::train::progress::Progress;

/// Images in memory that a recipe runs on. Its stages are not stored.
pub struct MemoryStore {
    images: TrainTest,
    memory: u64,
}

impl MemoryStore {
    /// A store of these images; a stage may take `memory` bytes.
    pub fn new(images: TrainTest, memory: u64) -> Self {
        Self { images, memory }
    }

    /// Describes the images, without a hash, as the data set of this name.
    pub fn description(&self, name: &str) -> DataDescription {
        DataDescription {
            name: name.to_owned(),
            train_images: self.images.train.len(),
            test_images: self.images.test.len(),
            classes: self.images.train.classes.len(),
            sha256: String::new(),
        }
    }
}

impl StageStore for MemoryStore {
    type Slot = MemorySlot;

    fn data(&self) -> Result<DataLoader> {
        Ok(self.images.clone().into())
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn weights(&self, name: &str) -> Result<(Checkpoint, String)> {
        Err(Error::field("weights", name, "a recipe that runs in memory reads no files"))
    }

    fn find(&self, _stage: &Stage, inputs: &Value) -> Result<Found<MemorySlot>> {
        let mut hasher = DefaultHasher::new();
        inputs.to_string().hash(&mut hasher);
        let id = format!("{:016x}", hasher.finish());
        Ok(Found::Pending(MemorySlot { id, curve: EpochCurve::default() }))
    }
}

/// A stage of a [`MemoryStore`].
pub struct MemorySlot {
    id: String,
    curve: EpochCurve,
}

impl TrainObserver for MemorySlot {
    fn on_step(&mut self, progress: &Progress) {
        self.curve.add_step(progress.loss, progress.regularizer);
    }

    fn on_epoch(&mut self, metrics: &EpochMetrics, _progress: &Progress) {
        self.curve.end_epoch(metrics.epoch, metrics.step, metrics.evaluation);
    }
}

impl StageSlot for MemorySlot {
    fn id(&self) -> &str {
        &self.id
    }

    fn resume(&mut self) -> Result<Option<TrainingCheckpoint>> {
        Ok(None)
    }

    fn epochs(&mut self) -> Result<(Vec<Epoch>, Option<Evaluation>)> {
        Ok(std::mem::take(&mut self.curve).finish())
    }

    fn complete(&mut self, weights: Checkpoint, _result: &StageResult) -> Result<Checkpoint> {
        Ok(weights)
    }
}
