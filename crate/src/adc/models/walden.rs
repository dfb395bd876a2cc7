//! Walden's figure of merit: `E = FOM_W * 2^ENOB`.
//!
//! Source: B. Murmann, ADC Performance Survey (bmurmann/ADC-survey), revision 2025-06-09; FOM_W in
//! fJ a conversion step at high input frequency: the best of all 0.354, the best at 0.5 to 2 GS/s
//! 4.33, the best at 2 to 10 GS/s 6.9, the median 203. In pJ a conversion; no area, no time. ENOB is
//! taken to be the bits; as for the survey's floor, 2 to 16 bits are within.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::adc::estimate::ModelEstimate;
use crate::error::{Error, Result};

/// Walden's figure of merit of a converter.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum WaldenFom {
    /// The best of all converters.
    #[default]
    Best,
    /// The best at 0.5 to 2 GS/s.
    BestAt1Gs,
    /// The best at 2 to 10 GS/s.
    BestAt5Gs,
    /// The median.
    Median,
    /// Another one, fJ a conversion step.
    Femtojoules(f64),
}

impl WaldenFom {
    /// fJ a conversion step.
    pub fn femtojoules(self) -> f64 {
        match self {
            Self::Best => 0.354,
            Self::BestAt1Gs => 4.33,
            Self::BestAt5Gs => 6.9,
            Self::Median => 203.0,
            Self::Femtojoules(fom) => fom,
        }
    }

    /// # Errors
    /// If it is not positive and finite.
    pub(crate) fn validate(self) -> Result<()> {
        match self.femtojoules() {
            fom if fom > 0.0 && fom <= 1e9 => Ok(()),
            fom => Err(Error::field("walden_fom", fom, "must be a positive number of fJ, at most 1e9")),
        }
    }
}

impl fmt::Display for WaldenFom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("best"),
            Self::BestAt1Gs => f.write_str("best-1gs"),
            Self::BestAt5Gs => f.write_str("best-5gs"),
            Self::Median => f.write_str("median"),
            Self::Femtojoules(fom) => write!(f, "{fom}"),
        }
    }
}

impl std::str::FromStr for WaldenFom {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "best" => Ok(Self::Best),
            "best-1gs" => Ok(Self::BestAt1Gs),
            "best-5gs" => Ok(Self::BestAt5Gs),
            "median" => Ok(Self::Median),
            number => number.parse().map(Self::Femtojoules).map_err(|_| {
                Error::field("walden_fom", text, "must be best, best-1gs, best-5gs, median, or fJ a step")
            }),
        }
    }
}

impl Serialize for WaldenFom {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WaldenFom {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a conversion costs.
pub(crate) fn estimate(bits: u32, figure: WaldenFom) -> ModelEstimate {
    let picojoules = figure.femtojoules() * 1e-3 * 2_f64.powi(bits as i32);
    ModelEstimate::from_energy(picojoules).within_bits(bits, 2, 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_doubles_the_energy() {
        assert!((estimate(8, WaldenFom::Best).energy - 0.090_624).abs() < 1e-9);
        assert!((estimate(8, WaldenFom::Median).energy - 51.968).abs() < 1e-9);
        assert!((estimate(10, WaldenFom::BestAt1Gs).energy - 4.433_92).abs() < 1e-9);
    }

    #[test]
    fn names_and_numbers_parse() {
        for text in ["best", "best-1gs", "best-5gs", "median", "12.5"] {
            assert_eq!(text.parse::<WaldenFom>().map(|f| f.to_string()), Ok(text.to_owned()));
        }
        assert!("cheap".parse::<WaldenFom>().is_err());
        assert!(WaldenFom::Femtojoules(-1.0).validate().is_err());
    }
}
