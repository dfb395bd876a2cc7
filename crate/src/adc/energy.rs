//! ADC energy of all tiles, every tile counted once, as the paper counts ("per tile").

use serde::{Deserialize, Serialize};

use crate::config::{AdcModel, Resolution};
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::TileCount;
use crate::error::{Error, Result};

/// ADC energy before and after pruning, in one unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct AdcEnergy {
    /// With all rows active.
    pub dense: f64,
    /// With each tile at its own level.
    pub actual: f64,
    /// `dense / actual`; `None` if nothing is left to convert.
    pub improvement: Option<f64>,
}

impl AdcEnergy {
    /// From sums over tiles.
    pub fn new(dense: f64, actual: f64) -> Self {
        Self { dense, actual, improvement: (actual > 0.0).then(|| dense / actual) }
    }

    /// From counted tiles of a crossbar with `rows` rows, in bits, at the model's own resolution.
    pub fn from_tiles<'a>(
        model: AdcModel,
        rows: usize,
        counts: impl IntoIterator<Item = &'a TileCount>,
    ) -> Self {
        let resolution = model.resolution();
        let (mut dense, mut actual) = (0_u64, 0_u64);
        for count in counts {
            dense += u64::from(resolution.dense_bits_of_tile(rows, count));
            actual += u64::from(resolution.bits_of_tile(rows, count));
        }
        Self::new(dense as f64, actual as f64)
    }

    /// From a histogram of levels, as published runs state it, in bits, at the model's own resolution.
    ///
    /// # Errors
    /// If the histogram does not have one number per level of a crossbar with `rows` rows, or the model
    /// needs more than levels.
    ///
    /// ```
    /// use crossdub::adc::{AdcEnergy, AdcModel};
    ///
    /// // VGG11 on CIFAR-10, tile 32: the paper's 7.1x, and what is left of it without losing sums.
    /// let histogram = [61, 646, 827, 86, 767, 5481, 1134];
    /// let paper = AdcEnergy::from_histogram(AdcModel::Paper, 32, &histogram)?;
    /// let lossless = AdcEnergy::from_histogram(AdcModel::Lossless, 32, &histogram)?;
    /// assert!((paper.improvement.unwrap() - 7.134).abs() < 1e-3);
    /// assert!((lossless.improvement.unwrap() - 3.810).abs() < 1e-3);
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    pub fn from_histogram(model: AdcModel, rows: usize, histogram: &[u64]) -> Result<Self> {
        Self::from_levels(model.resolution(), rows, histogram, |bits| Ok(f64::from(bits)))
    }

    /// From a histogram of levels, where `cost` is the energy of a conversion of that many bits.
    ///
    /// # Errors
    /// If the histogram does not have one number per level of a crossbar with `rows` rows, the
    /// resolution needs more than levels, or `cost` fails.
    pub fn from_levels(
        resolution: Resolution,
        rows: usize,
        histogram: &[u64],
        cost: impl Fn(u32) -> Result<f64>,
    ) -> Result<Self> {
        let levels = Levels::new(rows).count();
        if histogram.len() != levels {
            let why = format!("tile {rows} has {levels} levels");
            return Err(Error::field("histogram", format!("{} values", histogram.len()), why));
        }
        let (mut tiles, mut actual) = (0.0, 0.0);
        for (level, &count) in histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
            tiles += count as f64;
            actual += count as f64 * cost(resolution.bits_of_level(rows, level)?)?;
        }
        Ok(Self::new(tiles * cost(resolution.bits_of_level(rows, 0)?)?, actual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's two headlines, from the authors' histograms.
    #[test]
    fn reproduces_the_headlines() {
        let check = |tile, histogram: &[u64], model, expected: f64| {
            let energy = AdcEnergy::from_histogram(model, tile, histogram).expect("fits");
            let improvement = energy.improvement.expect("something converts");
            assert!((improvement - expected).abs() < 5e-4, "{improvement} for {expected}");
        };
        let vgg11 = [61, 646, 827, 86, 767, 5481, 1134];
        check(32, &vgg11, AdcModel::Paper, 7.134);
        check(32, &vgg11, AdcModel::Lossless, 3.810);
        check(64, &[6, 1964, 757, 0, 0, 0, 0, 0], AdcModel::Paper, 1.269_95);
    }

    #[test]
    fn no_conversion_left_has_no_ratio() {
        let energy = AdcEnergy::from_histogram(AdcModel::Paper, 4, &[0, 0, 0, 3]).expect("fits");
        assert_eq!((energy.dense, energy.actual, energy.improvement), (6.0, 0.0, None));
        assert!(AdcEnergy::from_histogram(AdcModel::Paper, 4, &[1, 2]).is_err());
    }

    #[test]
    fn a_physical_model_weighs_the_same_levels() {
        let doubling = |bits: u32| Ok(if bits == 0 { 0.0 } else { 2_f64.powi(bits as i32) });
        // Tile 4, lossless: dense 3 bits; levels 1, 2 and empty need 2, 1 and none.
        let energy = AdcEnergy::from_levels(Resolution::Lossless, 4, &[0, 1, 1, 2], doubling).expect("fits");
        assert_eq!((energy.dense, energy.actual), (32.0, 6.0));
        let fixed = AdcEnergy::from_levels(Resolution::Bits(3), 4, &[0, 1, 1, 2], doubling).expect("fits");
        assert_eq!(fixed.improvement, Some(2.0), "tiles without an active row need no crossbar");
        assert!(AdcEnergy::from_levels(Resolution::LosslessSliced, 4, &[0, 1, 1, 2], doubling).is_err());
    }
}
