//! The standardization constants of a data set, written once: used for training, evaluation and simulation.

use std::collections::BTreeMap;

use super::{Dataset, PIXELS};
use crate::config::{DataSource, Standardize};
use crate::error::Result;

/// Mean and deviation of ImageNet's channels, as torchvision's networks were trained.
pub const IMAGENET: Standardization =
    Standardization::Channels { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };
/// Those of CIFAR-10's training images.
pub const CIFAR10: Standardization =
    Standardization::Channels { mean: [0.4914, 0.4822, 0.4465], deviation: [0.2470, 0.2435, 0.2616] };
/// Those of CIFAR-100's training images.
pub const CIFAR100: Standardization =
    Standardization::Channels { mean: [0.5071, 0.4865, 0.4409], deviation: [0.2673, 0.2564, 0.2762] };

/// A [`Standardize`] whose numbers are known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Standardization {
    /// Each image to mean 0 and deviation 1.
    #[default]
    Image,
    /// The same mean and deviation of each channel for all images, of pixels scaled to 0 to 1.
    Channels {
        /// Subtracted.
        mean: [f64; 3],
        /// What the difference is divided by.
        deviation: [f64; 3],
    },
}

impl Standardization {
    /// What `standardize` means for data of this kind; `train` are its images, where they are in memory.
    pub fn new(standardize: Standardize, source: DataSource, train: Option<&Dataset>) -> Self {
        let all = |mean, deviation| Self::Channels { mean: [mean; 3], deviation: [deviation; 3] };
        match (standardize, source) {
            (Standardize::Image, _) => Self::Image,
            (Standardize::Half, _) => all(0.5, 0.5),
            (Standardize::None, _) => all(0.0, 1.0),
            (Standardize::Channels { mean, deviation }, _) => Self::Channels { mean, deviation },
            (Standardize::Auto | Standardize::Dataset, DataSource::ImageNet) => IMAGENET,
            (Standardize::Auto, _) => Self::Image,
            (Standardize::Dataset, DataSource::Cifar10) => CIFAR10,
            (Standardize::Dataset, DataSource::Cifar100) => CIFAR100,
            (Standardize::Dataset, _) => train.map_or(Self::Image, measure),
        }
    }

    /// Writes the standardized values of an image whose channels are `stride` apart: 1 for planes that follow each
    /// other as in [`Dataset`], 3 for interleaved pixels. `out` has planes.
    ///
    /// # Shapes
    /// - `image`, `out`: three times the same number of pixels
    pub fn apply(&self, image: &[u8], stride: usize, out: &mut [f32]) {
        let pixels = image.len() / 3;
        let tables = match self {
            Self::Image => {
                let (mean, deviation) = image_statistics(image);
                // In bytes, so that the sums stay exact.
                [table(|value| (value - mean) / 255.0 / deviation); 3]
            }
            Self::Channels { mean, deviation } => std::array::from_fn(|channel| {
                table(|value| (value / 255.0 - mean[channel]) / deviation[channel])
            }),
        };
        let step = if stride == 1 { pixels } else { 1 };
        for (channel, (out, table)) in out.chunks_exact_mut(pixels.max(1)).zip(&tables).enumerate() {
            let values = image[(channel * step).min(image.len())..].iter().step_by(stride);
            for (out, &value) in out.iter_mut().zip(values) {
                *out = table[usize::from(value)];
            }
        }
    }
}

/// As a setting: weights carry it.
impl From<Standardization> for Standardize {
    fn from(known: Standardization) -> Self {
        match known {
            Standardization::Image => Self::Image,
            Standardization::Channels { mean, deviation } => Self::Channels { mean, deviation },
        }
    }
}

/// A byte has 256 values: a table costs less than thousands of divisions.
fn table(value: impl Fn(f64) -> f64) -> [f32; 256] {
    std::array::from_fn(|byte| value(byte as f64) as f32)
}

/// The mean of an image's bytes, and the deviation of its values scaled to 0 to 1: unbiased and at least
/// `1 / sqrt(values)`, as in the reference run. Sums of bytes are exact, so every platform agrees.
fn image_statistics(image: &[u8]) -> (f64, f64) {
    let count = image.len() as f64;
    let sum: u64 = image.iter().map(|&value| u64::from(value)).sum();
    let squares: u64 = image.iter().map(|&value| u64::from(value).pow(2)).sum();
    let mean = sum as f64 / count;
    let variance = (squares as f64 - mean * sum as f64) / (count - 1.0);
    (mean, (variance.max(0.0).sqrt() / 255.0).max(1.0 / count.sqrt()))
}

/// Mean and deviation of each channel of images, to four decimals like the published ones.
fn measure(images: &Dataset) -> Standardization {
    let count = (images.len() * PIXELS).max(1) as f64;
    let (mut sums, mut squares) = ([0_u64; 3], [0_u64; 3]);
    for image in images.images() {
        for (channel, plane) in image.chunks_exact(PIXELS).enumerate() {
            sums[channel] += plane.iter().map(|&value| u64::from(value)).sum::<u64>();
            squares[channel] += plane.iter().map(|&value| u64::from(value).pow(2)).sum::<u64>();
        }
    }
    let round = |value: f64| (value * 1e4).round() / 1e4;
    let mean = sums.map(|sum| sum as f64 / count);
    let variance = |channel: usize| squares[channel] as f64 / count - mean[channel].powi(2);
    let deviation = std::array::from_fn(|channel| round(variance(channel).max(0.0).sqrt() / 255.0).max(1e-4));
    Standardization::Channels { mean: mean.map(|mean| round(mean / 255.0)), deviation }
}

/// What weights say about the images they were trained on, in the metadata of their file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InputMetadata {
    /// How pixels were standardized; [`Standardize::Auto`] if the file does not say it.
    pub standardize: Standardize,
    /// Names of the classes, by output; empty if the file does not say them.
    pub classes: Vec<String>,
    /// Where the images came from.
    pub data: Option<DataSource>,
    /// Their width and height.
    pub side: Option<usize>,
}

impl InputMetadata {
    /// The entries of a file's metadata.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let mut map = BTreeMap::from([("standardize".to_owned(), self.standardize.to_string())]);
        if !self.classes.is_empty() {
            map.insert("classes".to_owned(), serde_json::json!(self.classes).to_string());
        }
        if let Some(serde_json::Value::String(data)) =
            self.data.and_then(|data| serde_json::to_value(data).ok())
        {
            map.insert("data".to_owned(), data);
        }
        if let Some(side) = self.side {
            map.insert("side".to_owned(), side.to_string());
        }
        map
    }

    /// Reads the entries of a file's metadata.
    ///
    /// # Errors
    /// If the standardization is not one that [`Standardize`] takes.
    pub fn from_map(map: &BTreeMap<String, String>) -> Result<Self> {
        Ok(Self {
            standardize: map.get("standardize").map_or(Ok(Standardize::Auto), |text| text.parse())?,
            classes: map.get("classes").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
            ..Self::images_from_map(map)
        })
    }

    /// The source and size of the images alone, for what needs no pixels.
    pub fn images_from_map(map: &BTreeMap<String, String>) -> Self {
        Self {
            data: map.get("data").and_then(|data| serde_json::from_value(data.as_str().into()).ok()),
            side: map.get("side").and_then(|side| side.parse().ok()),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::IMAGE;
    use crate::data::synthetic;

    fn planes(standardization: Standardization, image: &[u8]) -> Vec<f32> {
        let mut out = vec![0.0; image.len()];
        standardization.apply(image, 1, &mut out);
        out
    }

    #[test]
    fn an_image_gets_mean_0_and_deviation_1() {
        let image: Vec<u8> = (0..IMAGE).map(|at| (at * 7919 % 251) as u8).collect();
        let out = planes(Standardization::Image, &image);
        let mean = out.iter().map(|&v| f64::from(v)).sum::<f64>() / IMAGE as f64;
        let variance = out.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / (IMAGE - 1) as f64;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-6, "{mean} {variance}");
        assert!(planes(Standardization::Image, &[77; IMAGE]).iter().all(|&value| value == 0.0));
    }

    #[test]
    fn channels_have_their_own_constants() {
        let image = [0, 255, 128, 51, 255, 0];
        let none = planes(Standardization::new(Standardize::None, DataSource::Cifar10, None), &image);
        assert_eq!(none, [0.0, 1.0, 128.0 / 255.0, 0.2, 1.0, 0.0]);
        let half = planes(Standardization::new(Standardize::Half, DataSource::Builtin, None), &image);
        assert_eq!((half[0], half[1], half[5]), (-1.0, 1.0, -1.0));
        let cifar = planes(Standardization::new(Standardize::Dataset, DataSource::Cifar10, None), &image);
        assert!((f64::from(cifar[1]) - (1.0 - 0.4914) / 0.2470).abs() < 1e-6);
        assert!((f64::from(cifar[4]) - (1.0 - 0.4465) / 0.2616).abs() < 1e-6);
    }

    #[test]
    fn interleaved_pixels_give_the_same_planes() {
        let image: Vec<u8> = (0..48).map(|at| (at * 37 % 256) as u8).collect();
        let interleaved: Vec<u8> = (0..48).map(|at| image[at % 3 * 16 + at / 3]).collect();
        for standardization in [Standardization::Image, IMAGENET] {
            let mut out = vec![0.0; 48];
            standardization.apply(&interleaved, 3, &mut out);
            assert_eq!(out, planes(standardization, &image));
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_data() {
        let of = |source| Standardization::new(Standardize::Auto, source, None);
        assert_eq!(of(DataSource::Cifar10), Standardization::Image);
        assert_eq!(of(DataSource::ImageNet), IMAGENET);
    }

    #[test]
    fn the_built_in_images_are_measured() {
        let train = synthetic::generate(0, 50, 1).train;
        let known = Standardization::new(Standardize::Dataset, DataSource::Builtin, Some(&train));
        let mut sums = [0.0; 3];
        for image in train.images() {
            for (channel, plane) in planes(known, image).chunks_exact(PIXELS).enumerate() {
                sums[channel] += plane.iter().map(|&value| f64::from(value)).sum::<f64>();
            }
        }
        assert!(sums.iter().all(|sum| (sum / (50 * PIXELS) as f64).abs() < 1e-3), "{sums:?}");
    }

    #[test]
    fn weights_remember_their_images() {
        let metadata = InputMetadata {
            standardize: CIFAR10.into(),
            classes: vec!["a \"b\"".to_owned(), "c".to_owned()],
            data: Some(DataSource::Cifar100),
            side: Some(32),
        };
        assert_eq!(InputMetadata::from_map(&metadata.to_map()), Ok(metadata));
        assert_eq!(InputMetadata::from_map(&BTreeMap::new()), Ok(InputMetadata::default()));
        let wrong = BTreeMap::from([("standardize".to_owned(), "mine".to_owned())]);
        assert!(InputMetadata::from_map(&wrong).is_err());
    }
}
