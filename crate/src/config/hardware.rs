//! [`HardwareConfig`]: the crossbars and converters a network is mapped to, the same in a fair comparison.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::AdcModel;
use crate::error::{Error, Result};

/// The number of bits of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(type = "string"))]
pub enum Resolution {
    /// One bit fewer per level, as the paper counts. It can clip sums.
    #[default]
    Paper,
    /// Enough for every sum that the active rows of a column can produce.
    Lossless,
    /// Enough for every sum that the nonzero cells in a column of one weight slice can produce.
    LosslessSliced,
    /// The same number for all conversions.
    Bits(u32),
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paper => f.write_str("paper"),
            Self::Lossless => f.write_str("lossless"),
            Self::LosslessSliced => f.write_str("lossless-sliced"),
            Self::Bits(bits) => write!(f, "{bits}"),
        }
    }
}

impl std::str::FromStr for Resolution {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "paper" => Ok(Self::Paper),
            "lossless" => Ok(Self::Lossless),
            "lossless-sliced" => Ok(Self::LosslessSliced),
            number => match number.parse() {
                Ok(bits) if bits <= MAX_BITS => Ok(Self::Bits(bits)),
                _ => {
                    let why = format!("must be paper, lossless, lossless-sliced or 0 to {MAX_BITS} bits");
                    Err(Error::field("resolution", text, why))
                }
            },
        }
    }
}

impl Serialize for Resolution {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Resolution {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        /// A number stands for its digits.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum TextOrBits {
            Text(String),
            Number(u32),
        }
        let text = match TextOrBits::deserialize(deserializer)? {
            TextOrBits::Text(text) => text,
            TextOrBits::Number(bits) => bits.to_string(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What shares one resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// All columns of a tile, as in the paper.
    #[default]
    Tile,
    /// Each column has its own, as with converters that can stop early.
    Column,
}

impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tile => "tile",
            Self::Column => "column",
        })
    }
}

/// How crossbars represent negative weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Subtraction {
    /// A positive and a negative crossbar, each converted and then subtracted digitally.
    #[default]
    Digital,
    /// A pair of columns whose currents are subtracted before one signed conversion.
    Analog,
    /// One crossbar of shifted weights, where a zero weight is not a zero cell.
    Offset,
}

/// What shares one scale of the quantized weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum WeightScale {
    /// All weights of a layer.
    #[default]
    Layer,
    /// The weights of one output channel.
    Channel,
}

/// The hardware a network is mapped to, the same in a fair comparison.
///
/// ```
/// use crossdub::config::HardwareConfig;
///
/// let hardware = HardwareConfig { tile: 128, columns: 64, weight_bits: 2, ..HardwareConfig::default() };
/// hardware.validate()?;
/// assert_eq!((hardware.cells_across(), hardware.weight_columns()), (64, 32));
/// # Ok::<(), crossdub::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(default, deny_unknown_fields)]
pub struct HardwareConfig {
    /// Rows (word lines) of one crossbar.
    pub tile: usize,
    /// Columns of cells of one crossbar; 0 for as many as rows.
    pub columns: usize,
    /// Cells a weight takes, side by side; a tile then holds `columns / weight_bits` weight columns.
    pub weight_bits: usize,
    /// Weights of at most this magnitude count as "almost zero".
    pub tol: f64,
    /// Energy model of the converter.
    pub adc: AdcModel,
    /// The number of bits of a conversion.
    pub resolution: Resolution,
    /// What shares one resolution.
    pub per: Granularity,
    /// Bits of a quantized weight, including its sign.
    pub weight_precision: u32,
    /// What shares one scale of the quantized weights.
    pub weight_scale: WeightScale,
    /// Bits per cell.
    pub cell_bits: u32,
    /// Bits of a quantized input.
    pub input_bits: u32,
    /// Input bits applied at a time.
    pub dac_bits: u32,
    /// How crossbars represent negative weights.
    pub subtraction: Subtraction,
    /// Rows active at the same time; 0 for all of a crossbar.
    pub active_rows: usize,
}

impl Default for HardwareConfig {
    fn default() -> Self {
        Self {
            tile: 32,
            columns: 0,
            weight_bits: 1,
            tol: 1e-3,
            adc: AdcModel::Paper,
            resolution: Resolution::Paper,
            per: Granularity::Tile,
            weight_precision: 8,
            weight_scale: WeightScale::Layer,
            cell_bits: 1,
            input_bits: 8,
            dac_bits: 1,
            subtraction: Subtraction::Digital,
            active_rows: 0,
        }
    }
}

/// The most rows or columns of a crossbar.
const MAX_TILE: usize = 4096;
/// The most bits of a converter, a weight, an input or a cell.
pub(crate) const MAX_BITS: u32 = 16;

impl HardwareConfig {
    /// Whether weights lie on the same crossbars, however their conversions are counted.
    pub fn has_crossbars_of(&self, other: &Self) -> bool {
        let Self { adc, resolution, per, .. } = other.clone();
        Self { adc, resolution, per, ..self.clone() } == *other
    }

    /// Checks every field's range.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(2..=MAX_TILE).contains(&self.tile) {
            return Err(Error::field("tile", self.tile, format!("must be 2 to {MAX_TILE} rows")));
        }
        if self.columns != 0 && !(2..=MAX_TILE).contains(&self.columns) {
            let why = format!("must be 2 to {MAX_TILE}, or 0 for as many as rows");
            return Err(Error::field("columns", self.columns, why));
        }
        let (bits, cells) = (self.weight_bits, self.cells_across());
        if bits == 0 || !cells.is_multiple_of(bits) || cells / bits < 2 {
            let why = format!("must divide the tile ({cells}) and leave at least 2 columns");
            return Err(Error::field("weight_bits", bits, why));
        }
        if !(self.tol.is_finite() && self.tol >= 0.0) {
            return Err(Error::field("tol", self.tol, "must be a magnitude of 0 or more"));
        }
        if self.active_rows > self.tile {
            let why = format!("must be 0 for all, or at most the {} rows of a crossbar", self.tile);
            return Err(Error::field("active_rows", self.active_rows, why));
        }
        self.validate_bits()
    }

    fn validate_bits(&self) -> Result<()> {
        let between = |field, value: u32, low: u32, high: u32, whose: &str| {
            let why = format!("must be {low} to {high}{whose}");
            if (low..=high).contains(&value) { Ok(()) } else { Err(Error::field(field, value, why)) }
        };
        between("weight_precision", self.weight_precision, 2, MAX_BITS, "")?;
        between("input_bits", self.input_bits, 1, MAX_BITS, "")?;
        between("cell_bits", self.cell_bits, 1, self.weight_precision - 1, " (a weight's magnitude bits)")?;
        between("dac_bits", self.dac_bits, 1, self.input_bits, " (the input's bits)")
    }

    /// Rows of a full crossbar that are active at once.
    pub fn rows_at_once(&self) -> usize {
        if self.active_rows == 0 { self.tile } else { self.active_rows.min(self.tile) }
    }

    /// Cells side by side on one crossbar.
    pub fn cells_across(&self) -> usize {
        if self.columns == 0 { self.tile } else { self.columns }
    }

    /// Weight columns (outputs) that a tile holds.
    pub fn weight_columns(&self) -> usize {
        self.cells_across() / self.weight_bits
    }
}
