//! ImageNet and data sets like it: an index of image files, decoded and transformed on all cores
//! while the device computes. Files are opened by whoever implements [`ReadImage`].

pub mod archive;
pub mod decode;
pub mod devkit;
mod jpeg_rows;
mod mat_file;
#[cfg(test)]
pub(crate) mod mat_fixture;
pub mod outputs;
pub mod prefetch;
pub mod skipped;
pub mod transform;
pub mod webdataset;

use super::folders::{MemoryTree, tree};
pub use super::folders::{index, labels};

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use super::batch::{Batch, BatchConfig, EpochOrder, steps_per_epoch};
use super::loader::LabeledDataset;
use super::standardization::{IMAGENET, Standardization};
use crate::error::{Error, Result};
use crate::rng::rng_for;
use index::{ImageRef, Index, Listing};
use prefetch::{BatchPipeline, Prefetch};
use skipped::Skipped;

/// Purpose of the random stream that crops and mirrors.
const AUGMENT: u64 = u64::from_le_bytes(*b"imagenet");

/// Gets the bytes of image files.
pub trait ReadImage: Send + Sync {
    /// Reads one file; the error is the reason.
    ///
    /// # Errors
    /// If it is missing or unreadable.
    fn read_image(&self, image: ImageRef<'_>) -> std::result::Result<Vec<u8>, String>;

    /// The size of a file in bytes; `None` if it can't be told.
    fn size(&self, image: ImageRef<'_>) -> Option<u64> {
        image.span.map(|(_, size)| u64::from(size))
    }

    /// Reads the first bytes of a file, 16 or more if it has them.
    ///
    /// # Errors
    /// If it is missing or unreadable.
    fn read_head(&self, image: ImageRef<'_>) -> std::result::Result<Vec<u8>, String> {
        self.read_image(image)
    }
}

impl ReadImage for MemoryTree {
    fn read_image(&self, image: ImageRef<'_>) -> std::result::Result<Vec<u8>, String> {
        let bytes = self.get(&tree::join(image.container, image.name));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| "it is not in the archive".to_owned())
    }

    fn size(&self, image: ImageRef<'_>) -> Option<u64> {
        Some(self.get(&tree::join(image.container, image.name))?.len() as u64)
    }
}

/// How images are read, apart from what decides their pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoaderConfig {
    /// Threads that decode.
    pub threads: usize,
    /// Batches that are made ahead.
    pub ahead: usize,
    /// Share of all images that may be unreadable, in percent.
    pub max_bad: f64,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads, ahead: 3, max_bad: 0.1 }
    }
}

/// Images of a run, from files.
pub struct ImageNet {
    files: Arc<Files>,
    training: Option<(BatchConfig, Prefetch<Training>)>,
}

/// State that all workers share.
struct Files {
    index: Index,
    reader: Box<dyn ReadImage>,
    side: usize,
    standardization: Standardization,
    loader_config: LoaderConfig,
    skipped: Skipped,
}

impl ImageNet {
    /// The images of an index, brought to `side` x `side` pixels.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn new(
        index: Index,
        reader: Box<dyn ReadImage>,
        side: usize,
        loader_config: LoaderConfig,
    ) -> Result<Self> {
        if !(loader_config.max_bad.is_finite() && (0.0..=100.0).contains(&loader_config.max_bad)) {
            return Err(Error::field("max_bad", loader_config.max_bad, "must be 0 to 100 %"));
        }
        let skipped = Skipped::new(index.train.len() + index.val.len(), loader_config.max_bad);
        Ok(Self {
            files: Arc::new(Files { index, reader, side, standardization: IMAGENET, loader_config, skipped }),
            training: None,
        })
    }

    /// The same images, standardized in another way than ImageNet's.
    #[must_use]
    pub fn standardized(mut self, standardization: Standardization) -> Self {
        // Nobody reads yet, so nobody else holds the files.
        if let Some(files) = Arc::get_mut(&mut self.files) {
            files.standardization = standardization;
        }
        self
    }

    /// Gives the images the labels of a network's outputs, see [`outputs::match_outputs`].
    ///
    /// # Errors
    /// If there are more classes than labels allow.
    pub fn match_outputs(&mut self, outputs: usize, names: Option<&[String]>) -> Result<Option<String>> {
        self.training = None;
        let Some(files) = Arc::get_mut(&mut self.files) else { return Ok(None) };
        outputs::match_outputs(&mut files.index, outputs, names)
    }

    /// Where the images lie.
    pub fn reader(&self) -> &dyn ReadImage {
        &*self.files.reader
    }

    /// Where each image is.
    pub fn index(&self) -> &Index {
        &self.files.index
    }

    /// Width and height of the images that networks get.
    pub fn side(&self) -> usize {
        self.files.side
    }

    /// Files skipped so far, with the reasons.
    pub fn skipped(&self) -> Vec<(String, String)> {
        self.files.skipped.files()
    }

    /// What is wrong with a file, by its first bytes; `None` if it may be a picture.
    pub fn unreadable_reason(&self, image: ImageRef<'_>) -> Option<String> {
        match self.files.reader.read_head(image) {
            Ok(bytes) => decode::unreadable_reason(&bytes),
            Err(why) => Some(why),
        }
    }

    /// The batch of a step; workers prepare the next ones meanwhile.
    ///
    /// # Errors
    /// If too many files are unreadable.
    pub fn training_batch(&mut self, config: BatchConfig, epoch: u64, step: u64) -> Result<Batch> {
        let number = epoch * self.steps(config.batch) + step;
        let fits =
            |(of, made): &(BatchConfig, Prefetch<Training>)| *of == config && made.next_batch() == number;
        if !self.training.as_ref().is_some_and(fits) {
            // Stops the workers at the old position before new ones start.
            self.training = None;
            let LoaderConfig { threads, ahead, .. } = self.files.loader_config;
            let files = Arc::clone(&self.files);
            let pipeline = Training { files, config, orders: Mutex::default() };
            self.training = Some((config, Prefetch::start(pipeline, number, threads, ahead)));
        }
        let batch = self.training.as_mut().and_then(|(_, made)| made.take());
        let batch = batch.ok_or_else(|| Error::file("reading images", "", "the readers stopped"))?;
        self.files.checked(batch)
    }

    fn steps(&self, batch: usize) -> u64 {
        steps_per_epoch(self.files.index.train.len(), batch) as u64
    }
}

impl LabeledDataset for ImageNet {
    fn len(&self) -> usize {
        self.files.index.val.len()
    }

    fn classes(&self) -> &[String] {
        &self.files.index.classes
    }

    fn side(&self) -> usize {
        self.files.side
    }

    fn standardization(&self) -> Standardization {
        self.files.standardization
    }

    fn batches(&self, range: Range<usize>, size: usize) -> Box<dyn Iterator<Item = Result<Batch>> + '_> {
        let LoaderConfig { threads, ahead, .. } = self.files.loader_config;
        let pipeline = Evaluating { files: Arc::clone(&self.files), range, size };
        let mut made = Prefetch::start(pipeline, 0, threads, ahead);
        Box::new(std::iter::from_fn(move || Some(self.files.checked(made.take()?))))
    }
}

/// Pixels and label of an image; `None` if it was skipped.
type Item = Option<(Vec<u8>, i32)>;

impl Files {
    /// An image's pixels after `transform`, which takes the file.
    fn item(
        &self,
        listing: &Listing,
        index: usize,
        transform: impl FnOnce(&[u8]) -> std::result::Result<Vec<u8>, String>,
    ) -> Item {
        let image = listing.image(index);
        let made = catch_unwind(AssertUnwindSafe(|| {
            let bytes = self.reader.read_image(image)?;
            transform(&bytes)
        }));
        match made.unwrap_or_else(|_| Err("reading it failed".to_owned())) {
            Ok(pixels) => Some((pixels, image.label as i32)),
            Err(why) => {
                self.skipped.note(&format!("{}/{}", image.container, image.name), &why);
                None
            }
        }
    }

    fn batch(&self, items: Vec<Item>) -> Batch {
        let (pixels, labels): (Vec<_>, Vec<_>) = items.into_iter().flatten().unzip();
        Batch { images: transform::normalize(&pixels, self.side, self.standardization), labels }
    }

    /// The batch, unless it is empty or too many files are unreadable.
    fn checked(&self, batch: Batch) -> Result<Batch> {
        self.skipped.check()?;
        if batch.labels.is_empty() {
            return Err(Error::file("reading images", "", "none of a whole batch can be read"));
        }
        Ok(batch)
    }
}

/// Makes training batches, numbered through all epochs.
struct Training {
    files: Arc<Files>,
    config: BatchConfig,
    /// Orders of the last epochs: at an epoch's end, workers need two of them.
    orders: Mutex<VecDeque<(u64, Arc<EpochOrder>)>>,
}

impl Training {
    fn order(&self, epoch: u64) -> Arc<EpochOrder> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = orders.iter().find(|(of, _)| *of == epoch) {
            return Arc::clone(order);
        }
        let order = Arc::new(EpochOrder::new(self.files.index.train.len(), self.config.seed, epoch));
        orders.push_back((epoch, Arc::clone(&order)));
        while orders.len() > 2 {
            orders.pop_front();
        }
        order
    }

    /// Epoch and step of a batch.
    fn place(&self, batch: u64) -> (u64, usize) {
        let steps = steps_per_epoch(self.files.index.train.len(), self.config.batch) as u64;
        (batch / steps, (batch % steps) as usize)
    }
}

impl BatchPipeline for Training {
    type Item = Item;
    type Batch = Batch;

    fn items(&self, _: u64) -> Option<usize> {
        // Only a data set smaller than a batch has a smaller batch.
        Some(self.config.batch.min(self.files.index.train.len()))
    }

    fn item(&self, batch: u64, at: usize) -> Item {
        let (epoch, step) = self.place(batch);
        let place = step * self.config.batch + at;
        let index = self.order(epoch).image(place);
        let side = self.files.side;
        self.files.item(&self.files.index.train, index, |file| {
            if !self.config.augment {
                return transform::evaluation(file, side);
            }
            let mut random = rng_for(self.config.seed, AUGMENT, epoch, place as u64);
            transform::training(file, side, &mut random)
        })
    }

    fn batch(&self, items: Vec<Item>) -> Batch {
        self.files.batch(items)
    }
}

/// Makes batches of images in order.
struct Evaluating {
    files: Arc<Files>,
    range: Range<usize>,
    size: usize,
}

impl BatchPipeline for Evaluating {
    type Item = Item;
    type Batch = Batch;

    fn items(&self, batch: u64) -> Option<usize> {
        let begin = usize::try_from(batch).ok()?.checked_mul(self.size)?;
        let left = self.range.len().checked_sub(begin)?;
        (left > 0).then_some(left.min(self.size))
    }

    fn item(&self, batch: u64, at: usize) -> Item {
        let index = self.range.start + batch as usize * self.size + at;
        let side = self.files.side;
        self.files.item(&self.files.index.val, index, |file| transform::evaluation(file, side))
    }

    fn batch(&self, items: Vec<Item>) -> Batch {
        self.files.batch(items)
    }
}

#[cfg(test)]
mod tests;
