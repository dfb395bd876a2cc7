//! How pixels become the numbers that a network takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::field_value::serde_as_text;
use crate::error::{Error, Result};

const FIELD: &str = "standardize";

/// How pixels, scaled to 0 to 1, become the numbers that a network takes. A network answers well only to what it was
/// trained on.
///
/// ```
/// use crossdub::config::Standardize;
///
/// let constants: Standardize = "0.4914,0.4822,0.4465/0.247,0.2435,0.2616".parse()?;
/// assert_eq!(constants.to_string(), "0.4914,0.4822,0.4465/0.247,0.2435,0.2616");
/// assert_eq!("0.5/0.5".parse(), Ok(Standardize::Channels { mean: [0.5; 3], deviation: [0.5; 3] }));
/// assert!("0.5".parse::<Standardize>().is_err());
/// # Ok::<(), crossdub::error::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub enum Standardize {
    /// `image` for images of 32 x 32, `dataset` for image files.
    #[default]
    Auto,
    /// Each image to mean 0 and deviation 1 over all its values.
    Image,
    /// Mean and deviation of each channel over the data set: the published ones of CIFAR-10, CIFAR-100 and ImageNet (for
    /// all image files), else those of the training images.
    Dataset,
    /// Mean and deviation 0.5: values from -1 to 1.
    Half,
    /// As they are: values from 0 to 1.
    None,
    /// Mean and deviation of red, green and blue.
    Channels {
        /// Subtracted.
        mean: [f64; 3],
        /// What the difference is divided by.
        deviation: [f64; 3],
    },
}

impl FromStr for Standardize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::field(FIELD, text, why);
        match text {
            "auto" => return Ok(Self::Auto),
            "image" => return Ok(Self::Image),
            "dataset" => return Ok(Self::Dataset),
            "half" => return Ok(Self::Half),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let known =
            "must be auto, image, dataset, half, none, or MEAN/STD such as 0.49,0.48,0.45/0.25,0.24,0.26";
        let (mean, deviation) = text.split_once('/').ok_or_else(|| invalid(known))?;
        let (mean, deviation) = (
            channels(mean).ok_or_else(|| invalid(known))?,
            channels(deviation).ok_or_else(|| invalid(known))?,
        );
        if !mean.iter().all(|value| (0.0..=1.0).contains(value)) {
            return Err(invalid("must have means of 0 to 1, of pixels scaled to 0 to 1"));
        }
        if !deviation.iter().all(|value| (1e-6..=10.0).contains(value)) {
            return Err(invalid("must have deviations above 0, of pixels scaled to 0 to 1"));
        }
        Ok(Self::Channels { mean, deviation })
    }
}

/// One number for all channels, or three.
fn channels(text: &str) -> Option<[f64; 3]> {
    let numbers: Vec<f64> =
        text.split(',').map(|number| number.trim().parse().ok()).collect::<Option<_>>()?;
    match *numbers {
        [all] => Some([all; 3]),
        [red, green, blue] => Some([red, green, blue]),
        _ => None,
    }
}

impl fmt::Display for Standardize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Image => "image",
            Self::Dataset => "dataset",
            Self::Half => "half",
            Self::None => "none",
            Self::Channels { mean, deviation } => {
                let list = |values: &[f64; 3]| values.map(|value| value.to_string()).join(",");
                return write!(f, "{}/{}", list(mean), list(deviation));
            }
        })
    }
}

serde_as_text!(Standardize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_come_back_as_they_were_written() {
        for text in ["auto", "image", "dataset", "half", "none", "0.1,0.2,0.3/0.4,0.5,0.6"] {
            assert_eq!(text.parse::<Standardize>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn invalid_values_are_rejected() {
        for (text, expected) in [
            ("per-image", "must be auto"),
            ("0.5,0.5/0.5", "must be auto"),
            ("125.3,123,113.9/63,62.1,66.7", "means of 0 to 1"),
            ("0.5/0", "above 0"),
            ("0.5/NaN", "above 0"),
            ("nan/1", "means of 0 to 1"),
        ] {
            let why = text.parse::<Standardize>().expect_err(text).to_string();
            assert!(why.contains(expected), "{why}");
        }
    }
}
