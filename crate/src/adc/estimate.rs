//! What a model answers about one conversion: energy, area, time, and whether that is beyond its range.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most bits of a converter.
pub const MAX_BITS: u32 = crate::config::MAX_BITS;

/// The unit of an energy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EnergyUnit {
    /// Bits: the unitless models.
    Bits,
    /// Picojoules.
    #[serde(rename = "pJ")]
    Picojoules,
}

impl fmt::Display for EnergyUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bits => "bits",
            Self::Picojoules => "pJ",
        })
    }
}

/// A request outside the range that a model was made for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OutOfRange {
    /// The parameter, or `bits`.
    pub field: &'static str,
    /// The requested value.
    pub value: f64,
    /// What the model was made for.
    pub range: String,
}

impl OutOfRange {
    /// A request for `value` where the model was made for `range`.
    pub(super) fn new(field: &'static str, value: f64, range: impl Into<String>) -> Self {
        Self { field, value, range: range.into() }
    }
}

/// A model's answer about one conversion; energies are in the model's [`EnergyUnit`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelEstimate {
    /// Dynamic energy of one conversion, without leakage.
    pub energy: f64,
    /// Area of all converters, um2, if the source has it.
    pub area_um2: Option<f64>,
    /// Time of one conversion, ns, if the source has it.
    pub time_ns: Option<f64>,
    /// Where the request is beyond the model's range, if it is.
    pub out_of_range: Option<OutOfRange>,
}

impl ModelEstimate {
    /// An energy without area and time, within the model's range.
    pub(super) fn from_energy(energy: f64) -> Self {
        Self { energy, area_um2: None, time_ns: None, out_of_range: None }
    }

    /// Marks the answer if `bits` is not between `low` and `high`.
    pub(super) fn within_bits(mut self, bits: u32, low: u32, high: u32) -> Self {
        if self.out_of_range.is_none() && !(low..=high).contains(&bits) {
            self.out_of_range =
                Some(OutOfRange::new("bits", f64::from(bits), format!("{low} to {high} bits")));
        }
        self
    }
}
