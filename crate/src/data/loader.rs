//! The source of a run's images: memory, or files that are read during training.

use std::ops::Range;

use super::batch::{Batch, BatchConfig, EpochOrder, evaluation_batch, training_batch};
#[cfg(feature = "images")]
use super::imagenet::ImageNet;
use super::standardization::{InputMetadata, Standardization};
use super::{Dataset, SIDE, TrainTest};
use crate::config::DataSource;
use crate::error::Result;

/// Labelled images to evaluate on, in order.
pub trait LabeledDataset {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there is no image.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the classes, by label.
    fn classes(&self) -> &[String];

    /// Width and height of an image.
    fn side(&self) -> usize;

    /// How pixels become the numbers that a network takes.
    fn standardization(&self) -> Standardization;

    /// The images of a range, `size` at a time, without files that can't be read.
    ///
    /// # Errors
    /// If too many files can't be read.
    fn batches(&self, range: Range<usize>, size: usize) -> Box<dyn Iterator<Item = Result<Batch>> + '_>;
}

impl LabeledDataset for Dataset {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn side(&self) -> usize {
        SIDE
    }

    fn standardization(&self) -> Standardization {
        self.standardization
    }

    fn batches(&self, range: Range<usize>, size: usize) -> Box<dyn Iterator<Item = Result<Batch>> + '_> {
        let starts = range.clone().step_by(size.max(1));
        Box::new(starts.map(move |start| {
            let mut batch = Batch::default();
            let end = (start + size).min(range.end);
            evaluation_batch(self, start..end, &mut batch.images, &mut batch.labels);
            Ok(batch)
        }))
    }
}

/// A source of images.
#[cfg_attr(feature = "images", expect(clippy::large_enum_variant, reason = "a run has one"))]
pub enum DataLoader {
    /// All images are in memory.
    Memory(TrainTest, Option<(u64, EpochOrder)>),
    /// Files that are read, decoded and transformed when they are needed.
    #[cfg(feature = "images")]
    Files(Box<ImageNet>),
}

impl From<TrainTest> for DataLoader {
    fn from(split: TrainTest) -> Self {
        Self::Memory(split, None)
    }
}

#[cfg(feature = "images")]
impl From<ImageNet> for DataLoader {
    fn from(files: ImageNet) -> Self {
        Self::Files(Box::new(files))
    }
}

impl DataLoader {
    /// The images, if all of them are in memory.
    pub fn memory(&self) -> Option<&TrainTest> {
        match self {
            Self::Memory(split, _) => Some(split),
            #[cfg(feature = "images")]
            Self::Files(_) => None,
        }
    }

    /// Number of images to train on.
    pub fn train_len(&self) -> usize {
        match self {
            Self::Memory(split, _) => split.train.len(),
            #[cfg(feature = "images")]
            Self::Files(files) => files.index().train.len(),
        }
    }

    /// Images to evaluate on.
    pub fn test(&self) -> &dyn LabeledDataset {
        match self {
            Self::Memory(split, _) => &split.test,
            #[cfg(feature = "images")]
            Self::Files(files) => &**files,
        }
    }

    /// Names of the classes, by label.
    pub fn classes(&self) -> &[String] {
        self.test().classes()
    }

    /// Gives image files the labels of a network's outputs, see
    /// [`match_outputs`](crate::data::imagenet::outputs::match_outputs); returns what to say about it.
    ///
    /// # Errors
    /// If there are more classes than labels allow.
    #[cfg(feature = "images")]
    pub fn match_outputs(&mut self, outputs: usize, names: &[String]) -> Result<Option<String>> {
        match self {
            Self::Memory(..) => Ok(None),
            Self::Files(files) => files.match_outputs(outputs, (!names.is_empty()).then_some(names)),
        }
    }

    /// The metadata of weights that are trained on these images.
    pub fn input_metadata(&self, source: DataSource) -> InputMetadata {
        let standardize = self.test().standardization().into();
        let (classes, side) = (self.classes().to_vec(), Some(self.test().side()));
        InputMetadata { standardize, classes, data: Some(source), side }
    }

    /// The batch of a step. It depends on config, epoch and step alone.
    ///
    /// # Errors
    /// If too many files can't be read.
    pub fn training_batch(&mut self, config: BatchConfig, epoch: u64, step: u64) -> Result<Batch> {
        match self {
            Self::Memory(split, order) => {
                let train = &split.train;
                let fits = |(of, order): &(u64, EpochOrder)| *of == epoch && order.is_of(config.seed);
                let (_, order) = match order.take().filter(fits) {
                    Some(known) => order.insert(known),
                    None => order.insert((epoch, EpochOrder::new(train.len(), config.seed, epoch))),
                };
                let mut batch = Batch::default();
                let BatchConfig { batch: size, augment, .. } = config;
                training_batch(
                    train,
                    order,
                    step as usize,
                    size,
                    augment,
                    &mut batch.images,
                    &mut batch.labels,
                );
                Ok(batch)
            }
            #[cfg(feature = "images")]
            Self::Files(files) => files.training_batch(config, epoch, step),
        }
    }

    /// Training images, prepared as for evaluation, to calibrate ranges with: the first `count` from memory; from image
    /// files, which are sorted by class, a sample drawn with `seed`.
    ///
    /// # Errors
    /// If too many files can't be read.
    pub fn calibration(&mut self, count: usize, seed: u64) -> Result<Batch> {
        #[cfg(not(feature = "images"))]
        let _ = seed;
        match self {
            Self::Memory(split, _) => {
                let mut batch = Batch::default();
                let range = 0..count.min(split.train.len());
                evaluation_batch(&split.train, range, &mut batch.images, &mut batch.labels);
                Ok(batch)
            }
            #[cfg(feature = "images")]
            Self::Files(files) => {
                files.training_batch(BatchConfig { seed, batch: count, augment: false }, 0, 0)
            }
        }
    }

    /// Files skipped so far, with the reasons.
    pub fn skipped(&self) -> Vec<(String, String)> {
        match self {
            Self::Memory(..) => Vec::new(),
            #[cfg(feature = "images")]
            Self::Files(files) => files.skipped(),
        }
    }
}
