//! The bytes of a set of images: read from a file, or drawn when they are first looked at.

use std::fmt::{Debug, Formatter};
use std::sync::OnceLock;

use super::{IMAGE, synthetic};

/// Images of `IMAGE` bytes each.
#[derive(Clone)]
pub(super) enum Pixels {
    /// One after the other.
    Read(Vec<u8>),
    /// Those that were looked at so far.
    Drawn(Box<DrawnPixels>),
}

/// Images that cost time to draw: a run begins with a few of them.
#[derive(Clone)]
pub(super) struct DrawnPixels {
    pub seed: u64,
    /// The random stream of the whole set.
    pub purpose: u64,
    /// Place of the first of these images in the whole set.
    pub first: usize,
    pub images: Vec<OnceLock<Box<[u8]>>>,
}

impl Pixels {
    /// The bytes of an image, which has this label.
    pub fn image(&self, index: usize, label: u8) -> &[u8] {
        match self {
            Self::Read(bytes) => &bytes[index * IMAGE..(index + 1) * IMAGE],
            Self::Drawn(drawn) => drawn.images[index]
                .get_or_init(|| synthetic::image(drawn.seed, drawn.purpose, drawn.first + index, label)),
        }
    }

    /// Removes all images from this one on, and returns them.
    pub fn split_off(&mut self, keep: usize) -> Self {
        match self {
            Self::Read(bytes) => Self::Read(bytes.split_off(keep * IMAGE)),
            Self::Drawn(drawn) => Self::Drawn(Box::new(DrawnPixels {
                first: drawn.first + keep,
                images: drawn.images.split_off(keep),
                ..**drawn
            })),
        }
    }
}

impl Debug for Pixels {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(bytes) => write!(formatter, "{} bytes", bytes.len()),
            Self::Drawn(drawn) => write!(formatter, "{} images to draw", drawn.images.len()),
        }
    }
}
