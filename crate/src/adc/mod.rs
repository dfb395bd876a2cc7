//! ADC energy: how many bits a tile's conversions need and what a conversion of that many bits
//! costs. One file a published model, each opening with its source, equation and units.

pub mod lossless;
pub mod paper;
pub mod policy;

use serde::Serialize;

use crate::crossbar::count::TileCount;
use crate::crossbar::level::Levels;
use crate::error::{Error, Result};

/// The models of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// One bit less a level, as the paper counts.
    Paper,
    /// As many bits as it takes to tell all sums apart.
    Lossless,
}

impl Model {
    /// All models, in the order shown.
    pub const ALL: [Self; 2] = [Self::Paper, Self::Lossless];

    /// The name in options and JSON.
    pub fn id(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Lossless => "lossless",
        }
    }

    /// The model of a name.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_id(id: &str) -> Result<Self> {
        let known = || Self::ALL.map(Self::id).join(", ");
        let found = Self::ALL.into_iter().find(|model| model.id() == id);
        found.ok_or_else(|| Error::field("adc", id, format!("known are {}", known())))
    }

    /// Bits of a tile at level `bin` of a histogram, where only the level is known.
    pub fn bits_of_level(self, tile: usize, bin: usize) -> u32 {
        match self {
            Self::Paper => paper::bits(Levels::of_tile(tile), bin),
            Self::Lossless => {
                lossless::bits(if bin == Levels::of_tile(tile).last() { 0 } else { tile >> bin })
            }
        }
    }

    /// Bits of a counted tile of a crossbar with `tile` rows.
    pub fn bits_of_tile(self, tile: usize, count: &TileCount) -> u32 {
        let levels = Levels::of_tile(tile);
        match self {
            Self::Paper => paper::bits(levels, count.bin(levels)),
            Self::Lossless => lossless::bits(count.active),
        }
    }

    /// Bits of the same tile before any pruning: all its rows active.
    pub fn bits_of_dense_tile(self, tile: usize, count: &TileCount) -> u32 {
        match self {
            Self::Paper => Levels::of_tile(tile).bits(),
            Self::Lossless => lossless::bits(count.rows),
        }
    }
}

/// ADC energy of all tiles, every tile counted once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Energy {
    /// With all rows active.
    pub dense: f64,
    /// At each tile's own level.
    pub actual: f64,
    /// `dense / actual`; none when nothing is left to convert.
    pub improvement: Option<f64>,
}

impl Energy {
    /// From sums over tiles.
    pub fn new(dense: f64, actual: f64) -> Self {
        Self { dense, actual, improvement: (actual > 0.0).then(|| dense / actual) }
    }

    /// Of counted tiles of a crossbar with `tile` rows.
    pub fn of_tiles<'a>(model: Model, tile: usize, counts: impl IntoIterator<Item = &'a TileCount>) -> Self {
        let (mut dense, mut actual) = (0_u64, 0_u64);
        for count in counts {
            dense += u64::from(model.bits_of_dense_tile(tile, count));
            actual += u64::from(model.bits_of_tile(tile, count));
        }
        Self::new(dense as f64, actual as f64)
    }

    /// Of a histogram of levels, as published runs state it.
    ///
    /// # Errors
    /// When the histogram has not one bin a level of that tile.
    pub fn of_histogram(model: Model, tile: usize, histogram: &[u64]) -> Result<Self> {
        let bins = Levels::of_tile(tile).bins();
        if histogram.len() != bins {
            let why = format!("tile {tile} has {bins} levels");
            return Err(Error::field("histogram", format!("{} values", histogram.len()), why));
        }
        let tiles: f64 = histogram.iter().map(|&n| n as f64).sum();
        let actual = histogram
            .iter()
            .enumerate()
            .map(|(bin, &n)| n as f64 * f64::from(model.bits_of_level(tile, bin)))
            .sum();
        Ok(Self::new(tiles * f64::from(model.bits_of_level(tile, 0)), actual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's two headlines, from the authors' histograms (method.md, section 6).
    #[test]
    fn the_headlines_come_out() {
        let check = |tile, histogram: &[u64], model, expected: f64| {
            let energy = Energy::of_histogram(model, tile, histogram).expect("fits");
            let improvement = energy.improvement.expect("something converts");
            assert!((improvement - expected).abs() < 5e-4, "{improvement} for {expected}");
        };
        let vgg11 = [61, 646, 827, 86, 767, 5481, 1134];
        check(32, &vgg11, Model::Paper, 7.134);
        check(32, &vgg11, Model::Lossless, 3.810);
        check(64, &[6, 1964, 757, 0, 0, 0, 0, 0], Model::Paper, 1.269_95);
    }

    #[test]
    fn nothing_left_to_convert_has_no_ratio() {
        let energy = Energy::of_histogram(Model::Paper, 4, &[0, 0, 0, 3]).expect("fits");
        assert_eq!((energy.dense, energy.actual, energy.improvement), (6.0, 0.0, None));
        assert!(Energy::of_histogram(Model::Paper, 4, &[1, 2]).is_err());
    }
}
