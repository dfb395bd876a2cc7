//! The converters' fraction of a whole accelerator's energy before pruning: it limits what a saving of ADC energy means
//! for the chip, whose other parts spend as before (Amdahl's law).

use std::str::FromStr;

use super::energy::AdcEnergy;
use crate::error::{Error, Result};

/// The converters' fraction of an accelerator's energy, and where it was published.
///
/// ```
/// use crossdub::adc::AdcEnergy;
/// use crossdub::adc::accelerator::AdcFraction;
///
/// let isaac: AdcFraction = "isaac".parse()?;
/// assert_eq!(isaac.fraction, 192.0 / 330.0);
/// // Converters that take 7 times less energy save this much of the whole:
/// assert!((isaac.whole_improvement(&AdcEnergy::new(7.0, 1.0)).unwrap() - 1.995).abs() < 1e-3);
/// assert!("1.5".parse::<AdcFraction>().is_err());
/// # Ok::<(), crossdub::error::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdcFraction {
    /// Above 0, up to 1.
    pub fraction: f64,
    /// The publication; `None` for the user's own number.
    pub source: Option<&'static str>,
}

/// Power of the converters of one of ISAAC's tiles over the tile's: 12 multiply-accumulate units with 8 converters of
/// together 16 mW each, of 330 mW.
const ISAAC: AdcFraction = AdcFraction {
    fraction: 12.0 * 16.0 / 330.0,
    source: Some("ISAAC, 192 of a tile's 330 mW (A. Shafiee et al., ISCA 2016, Table I)"),
};

impl AdcFraction {
    /// A fraction above 0, up to 1.
    ///
    /// # Errors
    /// If it is out of that range.
    pub fn new(fraction: f64) -> Result<Self> {
        if fraction > 0.0 && fraction <= 1.0 {
            Ok(Self { fraction, source: None })
        } else {
            Err(Error::field("adc_share", fraction, "must be more than 0, up to 1, or isaac"))
        }
    }

    /// Improvement of the whole accelerator's energy by what its converters save; `None` if nothing
    /// would be left.
    pub fn whole_improvement(&self, energy: &AdcEnergy) -> Option<f64> {
        let left = (1.0 - self.fraction) * energy.dense + self.fraction * energy.actual;
        Some(energy.dense / left).filter(|ratio| ratio.is_finite())
    }
}

impl FromStr for AdcFraction {
    type Err = Error;

    /// Parses a number or the name of a published breakdown, `isaac`.
    fn from_str(text: &str) -> Result<Self> {
        match (text, text.parse()) {
            ("isaac", _) => Ok(ISAAC),
            (_, Ok(fraction)) => Self::new(fraction),
            (_, Err(_)) => Err(Error::field("adc_share", text, "must be more than 0, up to 1, or isaac")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_parse() {
        let isaac: AdcFraction = "isaac".parse().expect("known");
        // "58 % of the tile's power", as the paper says in words.
        assert!((isaac.fraction - 0.58).abs() < 0.005 && isaac.source.is_some());
        assert_eq!(
            "0.25".parse::<AdcFraction>().expect("a fraction"),
            AdcFraction { fraction: 0.25, source: None }
        );
        assert_eq!("1".parse::<AdcFraction>().expect("a fraction").fraction, 1.0);
        for bad in ["0", "-1", "1.01", "NaN", "inf", "", "puma"] {
            let error = bad.parse::<AdcFraction>().expect_err(bad).to_string();
            assert!(error.contains("adc_share"), "{error}");
        }
    }
}
