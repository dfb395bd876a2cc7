//! ADC energy: how many bits a conversion needs ([`policy`]) and what a conversion of that many bits
//! costs ([`converter`]). One file a published model, each opening with its source, equation, units
//! and range. A conversion of 0 bits is none and costs 0 in every model.

pub mod accelerator;
pub mod conversions;
pub mod converter;
mod energy;
pub mod models;
pub mod resolution;

pub use energy::{AdcEnergy, bits_of_level};

use self::models::{lossless, paper};
use crate::config::Resolution;
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::TileCount;
use crate::error::{Error, Result};

/// The published models of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdcModel {
    /// Energy is bits; one bit less a level, as the paper counts.
    Paper,
    /// Energy is bits; as many as it takes to tell all sums of the active rows apart.
    Lossless,
    /// Energy is bits; as many as it takes to tell all sums of a weight slice's set cells apart.
    LosslessSliced,
    /// The floor of the survey's converters.
    Murmann,
    /// A figure of merit times `2^b`.
    Walden,
    /// Accelergy's regression.
    Accelergy,
    /// ISAAC's table.
    Isaac,
    /// PUMA's constants.
    Puma,
    /// NeuroSim's successive approximation.
    NeurosimSar,
    /// NeuroSim's flash.
    NeurosimFlash,
    /// MNSIM's list.
    Mnsim,
}

impl AdcModel {
    /// All models, in the order shown.
    pub const ALL: [Self; 11] = [
        Self::Paper,
        Self::Lossless,
        Self::LosslessSliced,
        Self::Murmann,
        Self::Walden,
        Self::Accelergy,
        Self::Isaac,
        Self::Puma,
        Self::NeurosimSar,
        Self::NeurosimFlash,
        Self::Mnsim,
    ];

    /// The name in options and JSON.
    pub fn id(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Lossless => "lossless",
            Self::LosslessSliced => "lossless-sliced",
            Self::Murmann => "murmann",
            Self::Walden => "walden",
            Self::Accelergy => "accelergy",
            Self::Isaac => "isaac",
            Self::Puma => "puma",
            Self::NeurosimSar => "neurosim-sar",
            Self::NeurosimFlash => "neurosim-flash",
            Self::Mnsim => "mnsim",
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

    /// Whether its energy is a number of bits, not of joules.
    pub fn is_unitless(self) -> bool {
        matches!(self, Self::Paper | Self::Lossless | Self::LosslessSliced)
    }

    /// The resolution it counts at when none is named; the physical models have none of their own
    /// and follow the paper.
    pub fn resolution(self) -> Resolution {
        match self {
            Self::Lossless => Resolution::Lossless,
            Self::LosslessSliced => Resolution::LosslessSliced,
            _ => Resolution::Paper,
        }
    }

    /// Bits of a counted tile of a crossbar with `tile` rows, 1-bit inputs and cells.
    pub fn bits_of_tile(self, tile: usize, count: &TileCount) -> u32 {
        let levels = Levels::new(tile);
        match self.resolution() {
            Resolution::Paper => paper::bits(levels, count.level(levels)),
            // The active rows bound the set cells, which a count of weights does not know.
            _ => lossless::bits(count.active),
        }
    }

    /// Bits of the same tile before any pruning: all its rows active.
    pub fn bits_of_dense_tile(self, tile: usize, count: &TileCount) -> u32 {
        match self.resolution() {
            Resolution::Paper => Levels::new(tile).bits(),
            _ => lossless::bits(count.rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for model in AdcModel::ALL {
            assert_eq!(AdcModel::from_id(model.id()), Ok(model));
        }
        let said = AdcModel::from_id("magic").expect_err("unknown").to_string();
        assert!(said.contains("neurosim-sar"), "{said}");
    }
}
