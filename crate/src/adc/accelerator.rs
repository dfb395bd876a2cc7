//! The converters' share in a whole accelerator, before pruning: what is left of an improvement when the rest of the
//! chip spends as before.

use std::str::FromStr;

use crate::error::{Error, Result};

/// A share, and whose it is where it was published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdcFraction {
    /// Above 0, up to 1.
    pub fraction: f64,
    /// The publication; none for a share of the user's own.
    pub source: Option<&'static str>,
}

/// Power of the converters of one of ISAAC's tiles over the tile's: 12 multiply-accumulate units with 8 converters of
/// together 16 mW each, of 330 mW.
const ISAAC: AdcFraction = AdcFraction {
    fraction: 12.0 * 16.0 / 330.0,
    source: Some("ISAAC, 192 of a tile's 330 mW (A. Shafiee et al., ISCA 2016, Table I)"),
};

impl AdcFraction {
    /// A share of the user's own.
    ///
    /// # Errors
    /// When it is not above 0 and up to 1.
    pub fn new(fraction: f64) -> Result<Self> {
        if fraction > 0.0 && fraction <= 1.0 {
            Ok(Self { fraction, source: None })
        } else {
            Err(Error::field("adc_share", fraction, "takes more than 0, up to 1, or isaac"))
        }
    }
}

impl FromStr for AdcFraction {
    type Err = Error;

    /// A number, or the name of a published breakdown.
    fn from_str(text: &str) -> Result<Self> {
        match (text, text.parse()) {
            ("isaac", _) => Ok(ISAAC),
            (_, Ok(fraction)) => Self::new(fraction),
            (_, Err(_)) => Err(Error::field("adc_share", text, "takes more than 0, up to 1, or isaac")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_and_own_shares() {
        let isaac: AdcFraction = "isaac".parse().expect("known");
        // "58 % of the tile's power", as the paper says in words.
        assert!((isaac.fraction - 0.58).abs() < 0.005 && isaac.source.is_some());
        assert_eq!(
            "0.25".parse::<AdcFraction>().expect("a share"),
            AdcFraction { fraction: 0.25, source: None }
        );
        assert_eq!("1".parse::<AdcFraction>().expect("a share").fraction, 1.0);
        for bad in ["0", "-1", "1.01", "NaN", "inf", "", "puma"] {
            let why = bad.parse::<AdcFraction>().expect_err(bad).to_string();
            assert!(why.contains("adc_share"), "{why}");
        }
    }
}
