//! ADC energy of all tiles, every tile counted once, as the paper counts ("per tile").

use serde::{Deserialize, Serialize};

use super::AdcModel;
use super::models::{lossless, paper};
use crate::config::Resolution;
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::TileCount;
use crate::error::{Error, Result};

/// ADC energy before and after pruning.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdcEnergy {
    /// With all rows active.
    pub dense: f64,
    /// At each tile's own level.
    pub actual: f64,
    /// `dense / actual`; none when nothing is left to convert.
    pub improvement: Option<f64>,
}

impl AdcEnergy {
    /// From sums over tiles.
    pub fn new(dense: f64, actual: f64) -> Self {
        Self { dense, actual, improvement: (actual > 0.0).then(|| dense / actual) }
    }

    /// Of counted tiles of a crossbar with `tile` rows, by a unitless model.
    pub fn from_tiles<'a>(
        model: AdcModel,
        tile: usize,
        counts: impl IntoIterator<Item = &'a TileCount>,
    ) -> Self {
        let (mut dense, mut actual) = (0_u64, 0_u64);
        for count in counts {
            dense += u64::from(model.bits_of_dense_tile(tile, count));
            actual += u64::from(model.bits_of_tile(tile, count));
        }
        Self::new(dense as f64, actual as f64)
    }

    /// Of a histogram of levels, as published runs state it, by a unitless model.
    ///
    /// # Errors
    /// When the histogram has not one bin a level of that tile.
    pub fn from_histogram(model: AdcModel, tile: usize, histogram: &[u64]) -> Result<Self> {
        Self::from_levels(model.resolution(), tile, histogram, |bits| Ok(f64::from(bits)))
    }

    /// Of a histogram of levels, where `cost` is the energy of a conversion of that many bits.
    ///
    /// # Errors
    /// When the histogram has not one bin a level of that tile, the resolution needs more than
    /// levels, or `cost` refuses.
    pub fn from_levels(
        resolution: Resolution,
        tile: usize,
        histogram: &[u64],
        cost: impl Fn(u32) -> Result<f64>,
    ) -> Result<Self> {
        let bins = Levels::new(tile).bins();
        if histogram.len() != bins {
            let why = format!("tile {tile} has {bins} levels");
            return Err(Error::field("histogram", format!("{} values", histogram.len()), why));
        }
        let (mut tiles, mut actual) = (0.0, 0.0);
        for (bin, &count) in histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
            tiles += count as f64;
            actual += count as f64 * cost(bits_of_level(resolution, tile, bin)?)?;
        }
        Ok(Self::new(tiles * cost(bits_of_level(resolution, tile, 0)?)?, actual))
    }
}

/// Bits of a tile at level `bin` of a histogram, where only the level is known.
///
/// # Errors
/// For `lossless-sliced`: a level does not tell which cells of a weight slice are set.
pub fn bits_of_level(resolution: Resolution, tile: usize, bin: usize) -> Result<u32> {
    let levels = Levels::new(tile);
    let empty = bin == levels.empty();
    match resolution {
        Resolution::Paper => Ok(paper::bits(levels, bin)),
        Resolution::Lossless => Ok(lossless::bits(if empty { 0 } else { tile >> bin })),
        Resolution::Bits(bits) => Ok(if empty { 0 } else { bits }),
        Resolution::LosslessSliced => {
            let why =
                "a histogram of levels does not tell a weight slice's cells; give the weights to analyze";
            Err(Error::field("resolution", resolution, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's two headlines, from the authors' histograms.
    #[test]
    fn the_headlines_come_out() {
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
    fn nothing_left_to_convert_has_no_ratio() {
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
