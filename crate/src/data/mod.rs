//! Data sets, their standardization and augmentation, and batches. This module takes bytes; only the command line opens
//! files.

pub mod augment;
pub mod batch;
pub mod cifar;
pub mod folders;
#[cfg(feature = "images")]
pub mod imagenet;
pub mod loader;
pub mod pictures;
mod pixels;
pub mod standardization;
pub mod synthetic;
pub mod unpack;

use std::sync::OnceLock;

use crate::config::{DataSource, TrainConfig};
use crate::error::{Error, Result};
use pixels::Pixels;
use standardization::Standardization;

/// Pixels of one channel of an image, 32 x 32.
pub const PIXELS: usize = 32 * 32;
/// Values of one image: the planes red, green, blue.
pub const IMAGE: usize = 3 * PIXELS;
/// The width and height of an image.
pub const SIDE: usize = 32;

/// Labelled 32 x 32 colour images in CIFAR-10's layout (planes R, G, B).
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Names of the classes, by label.
    pub classes: Vec<String>,
    pixels: Pixels,
    /// A label for each image.
    pub labels: Vec<u8>,
    /// How the pixels become the numbers that a network takes.
    pub standardization: Standardization,
}

impl Dataset {
    /// Images of these classes, each standardized by itself: `IMAGE` bytes for each label.
    pub fn new(classes: Vec<String>, images: Vec<u8>, labels: Vec<u8>) -> Self {
        Self { classes, pixels: Pixels::Read(images), labels, standardization: Standardization::Image }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The bytes of image `index`.
    pub fn image(&self, index: usize) -> &[u8] {
        self.pixels.image(index, self.labels[index])
    }

    /// The bytes of every image.
    pub fn images(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.image(index))
    }

    /// Appends an image of `IMAGE` bytes.
    pub fn push(&mut self, image: &[u8], label: u8) {
        debug_assert_eq!(image.len(), IMAGE);
        match &mut self.pixels {
            Pixels::Read(bytes) => bytes.extend_from_slice(image),
            Pixels::Drawn(drawn) => drawn.images.push(OnceLock::from(Box::from(image))),
        }
        self.labels.push(label);
    }

    /// Makes room for `count` more images.
    fn reserve(&mut self, count: usize) {
        if let Pixels::Read(bytes) = &mut self.pixels {
            bytes.reserve_exact(count * IMAGE);
        }
        self.labels.reserve_exact(count);
    }

    /// Removes the last `count` images and returns them.
    #[must_use]
    pub fn split_off(&mut self, count: usize) -> Self {
        let keep = self.len().saturating_sub(count);
        Self {
            classes: self.classes.clone(),
            pixels: self.pixels.split_off(keep),
            labels: self.labels.split_off(keep),
            standardization: self.standardization,
        }
    }
}

impl PartialEq for Dataset {
    fn eq(&self, other: &Self) -> bool {
        self.classes == other.classes
            && self.labels == other.labels
            && self.standardization == other.standardization
            && self.images().eq(other.images())
    }
}

/// Training and test images of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainTest {
    /// Images to train on.
    pub train: Dataset,
    /// Images to evaluate on, never trained on.
    pub test: Dataset,
}

impl TrainTest {
    /// The same, standardized as the run says, with only the first images to train on if it has a limit.
    #[must_use]
    pub fn prepared(mut self, config: &TrainConfig) -> Self {
        let standardization = Standardization::new(config.standardize, config.data, Some(&self.train));
        (self.train.standardization, self.test.standardization) = (standardization, standardization);
        if config.limit > 0 {
            drop(self.train.split_off(self.train.len().saturating_sub(config.limit)));
        }
        self
    }
}

/// The data of a run, generated or read from these files.
///
/// # Errors
/// If files are damaged or missing, or a holdout takes all images.
pub fn open(config: &TrainConfig, files: unpack::NamedFiles) -> Result<TrainTest> {
    Ok(whole(config, files)?.prepared(config))
}

/// The data of a run, not yet standardized, and without its limit.
fn whole(config: &TrainConfig, files: unpack::NamedFiles) -> Result<TrainTest> {
    match config.data {
        DataSource::ImageNet => {
            let why = "image files are read by the command line, not into memory";
            Err(Error::field("data", "imagenet", why))
        }
        DataSource::Folder if config.holdout > 0 => Err(Error::field(
            "holdout",
            config.holdout,
            "not supported for pictures: every fifth one of each class is held out",
        )),
        DataSource::Folder => pictures::from_files(&files),
        DataSource::Cifar10 | DataSource::Cifar100 => {
            let cifar::Cifar { source, split } = cifar::from_files(files, config.holdout)?;
            if source == config.data {
                return Ok(split);
            }
            let name =
                |source| serde_json::to_value(source).ok().and_then(|name| Some(name.as_str()?.to_owned()));
            let (asked, found) = (name(config.data).unwrap_or_default(), name(source).unwrap_or_default());
            Err(Error::field("data", asked, format!("the files are {found}'s")))
        }
        DataSource::Builtin if config.holdout == 0 => {
            Ok(synthetic::generate(config.seed, synthetic::TRAIN_IMAGES, synthetic::TEST_IMAGES))
        }
        DataSource::Builtin => {
            if config.holdout >= synthetic::TRAIN_IMAGES {
                let why = format!(
                    "leaves nothing to train on: there are {} training images",
                    synthetic::TRAIN_IMAGES
                );
                return Err(Error::field("holdout", config.holdout, why));
            }
            let mut train = synthetic::generate(config.seed, synthetic::TRAIN_IMAGES, 0).train;
            let test = train.split_off(config.holdout);
            Ok(TrainTest { train, test })
        }
    }
}
