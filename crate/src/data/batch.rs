//! The order of training images, and batches of standardized pixels.
//!
//! Everything random depends on the seed, the epoch and the place in the epoch alone, so that a
//! resumed run sees the same pixels.

use std::ops::Range;

use super::augment::Augmentation;
use super::{Dataset, IMAGE};
use crate::parallel;
use crate::rng::{rng_for, uniform_below};

/// The purposes of the random streams.
const SHUFFLE: u64 = u64::from_le_bytes(*b"shuffle\0");
const AUGMENT: u64 = u64::from_le_bytes(*b"augment\0");

/// Pixels that a network takes, and their labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// `labels.len() * 3 * side * side` values.
    pub images: Vec<f32>,
    /// A label for each image.
    pub labels: Vec<i32>,
}

/// What a training batch depends on, besides epoch and step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchConfig {
    /// Seed of order and augmentation.
    pub seed: u64,
    /// Images per batch.
    pub batch: usize,
    /// Whether images are cropped and flipped at random.
    pub augment: bool,
}

/// The order of the training images in one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochOrder {
    seed: u64,
    epoch: u64,
    indices: Vec<u32>,
}

impl EpochOrder {
    /// Shuffles `len` images.
    pub fn new(len: usize, seed: u64, epoch: u64) -> Self {
        let mut random = rng_for(seed, SHUFFLE, epoch, 0);
        let mut indices: Vec<u32> = (0..len as u32).collect();
        for last in (1..len).rev() {
            indices.swap(last, uniform_below(&mut random, last as u32 + 1) as usize);
        }
        Self { seed, epoch, indices }
    }

    /// The image at a position in the epoch.
    pub fn image(&self, place: usize) -> usize {
        self.indices[place] as usize
    }

    /// Whether it was drawn with this seed.
    pub fn is_of(&self, seed: u64) -> bool {
        self.seed == seed
    }
}

/// Steps per epoch: a partial last batch is dropped, unless it is the only one.
pub fn steps_per_epoch(images: usize, batch: usize) -> usize {
    (images / batch.max(1)).max(1)
}

/// Fills `images` with step `step`'s standardized pixels `[batch, 3, 32, 32]`, and `labels`.
pub fn training_batch(
    data: &Dataset,
    order: &EpochOrder,
    step: usize,
    batch: usize,
    augment: bool,
    images: &mut Vec<f32>,
    labels: &mut Vec<i32>,
) {
    let places = step * batch..((step + 1) * batch).min(order.indices.len());
    let pixels = parallel::map(places.len(), |at| {
        let place = places.start + at;
        let image = data.image(order.indices[place] as usize);
        let mut out = vec![0.0; IMAGE];
        if augment {
            let mut random = rng_for(order.seed, AUGMENT, order.epoch, place as u64);
            let mut moved = [0; IMAGE];
            Augmentation::draw(&mut random).apply(image, &mut moved);
            data.standardization.apply(&moved, 1, &mut out);
        } else {
            data.standardization.apply(image, 1, &mut out);
        }
        out
    });
    images.clear();
    for image in &pixels {
        images.extend_from_slice(image);
    }
    labels.clear();
    labels.extend(places.map(|place| i32::from(data.labels[order.indices[place] as usize])));
}

/// Fills `images` with the standardized pixels of a range of images, and `labels`.
pub fn evaluation_batch(data: &Dataset, range: Range<usize>, images: &mut Vec<f32>, labels: &mut Vec<i32>) {
    images.clear();
    images.resize(range.len() * IMAGE, 0.0);
    for (index, out) in range.clone().zip(images.chunks_exact_mut(IMAGE)) {
        data.standardization.apply(data.image(index), 1, out);
    }
    labels.clear();
    labels.extend(data.labels[range].iter().map(|&label| i32::from(label)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synthetic;

    #[test]
    fn an_epoch_takes_every_image_once_in_an_order_of_its_own() {
        let first = EpochOrder::new(1000, 3, 0);
        let mut sorted = first.indices.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
        assert_eq!(first, EpochOrder::new(1000, 3, 0));
        assert_ne!(first.indices, EpochOrder::new(1000, 3, 1).indices);
        assert_ne!(first.indices, EpochOrder::new(1000, 4, 0).indices);
    }

    #[test]
    fn partial_batches_are_dropped_unless_they_are_all_there_is() {
        assert_eq!([steps_per_epoch(100, 32), steps_per_epoch(96, 32), steps_per_epoch(5, 32)], [3, 3, 1]);
        let data = synthetic::generate(0, 5, 1).train;
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        training_batch(&data, &EpochOrder::new(5, 0, 0), 0, 32, true, &mut images, &mut labels);
        assert_eq!((images.len(), labels.len()), (5 * IMAGE, 5));
    }

    #[test]
    fn a_batch_depends_on_its_place_alone() {
        let data = synthetic::generate(0, 64, 1).train;
        let order = EpochOrder::new(64, 7, 2);
        let batch = |step, augment| {
            let (mut images, mut labels) = (vec![1.0; 3], vec![9]);
            training_batch(&data, &order, step, 16, augment, &mut images, &mut labels);
            (images, labels)
        };
        assert_eq!(batch(1, true), batch(1, true));
        assert_ne!(batch(1, true).0, batch(1, false).0);
        assert_eq!(batch(1, true).1, batch(1, false).1);
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        let index = order.indices[16] as usize;
        evaluation_batch(&data, index..index + 1, &mut images, &mut labels);
        assert_eq!(images, batch(1, false).0[..IMAGE]);
    }
}
