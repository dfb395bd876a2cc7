//! [`AdcModel`]: the name of a published energy model of a converter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::Resolution;
use crate::error::{Error, Result};

/// A published energy model, by name. Their equations are in `adc::models`.
///
/// ```
/// use crossdub::config::AdcModel;
///
/// let model: AdcModel = "neurosim-sar".parse()?;
/// assert_eq!((model, model.id()), (AdcModel::NeurosimSar, "neurosim-sar"));
/// let error = "magic".parse::<AdcModel>().unwrap_err();
/// assert!(error.to_string().starts_with("invalid adc (magic): must be one of paper, lossless"));
/// # Ok::<(), crossdub::error::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(type = "string"))]
#[non_exhaustive]
pub enum AdcModel {
    /// Energy in bits; one bit fewer per level, as the paper counts.
    #[default]
    Paper,
    /// Energy in bits; enough to distinguish all sums of the active rows.
    Lossless,
    /// Energy in bits; enough to distinguish all sums of a weight slice's nonzero cells.
    LosslessSliced,
    /// The lower bound of the converters in Murmann's survey.
    Murmann,
    /// Walden's figure of merit times `2^b`.
    Walden,
    /// Accelergy's regression.
    Accelergy,
    /// ISAAC's table.
    Isaac,
    /// PUMA's constants.
    Puma,
    /// NeuroSim's successive-approximation converter.
    NeurosimSar,
    /// NeuroSim's flash converter.
    NeurosimFlash,
    /// MNSIM's list of converters.
    Mnsim,
}

impl AdcModel {
    /// All models, in the order of tables.
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

    /// The name in options, recipes and JSON.
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

    /// Whether its energies are numbers of bits rather than joules.
    pub fn is_unitless(self) -> bool {
        matches!(self, Self::Paper | Self::Lossless | Self::LosslessSliced)
    }

    /// The resolution that the model uses by default. Physical models have no resolution of their own and use the
    /// paper's.
    pub fn resolution(self) -> Resolution {
        match self {
            Self::Lossless => Resolution::Lossless,
            Self::LosslessSliced => Resolution::LosslessSliced,
            _ => Resolution::Paper,
        }
    }
}

impl fmt::Display for AdcModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for AdcModel {
    type Err = Error;

    /// # Errors
    /// If no model has this name.
    fn from_str(name: &str) -> Result<Self> {
        let known = || Self::ALL.map(Self::id).join(", ");
        let found = Self::ALL.into_iter().find(|model| model.id() == name);
        found.ok_or_else(|| Error::field("adc", name, format!("must be one of {}", known())))
    }
}

impl Serialize for AdcModel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for AdcModel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_to_its_model() {
        for model in AdcModel::ALL {
            assert_eq!(model.id().parse::<AdcModel>().expect("known"), model);
        }
        let error = "magic".parse::<AdcModel>().expect_err("unknown").to_string();
        assert!(error.contains("neurosim-sar"), "{error}");
    }
}
