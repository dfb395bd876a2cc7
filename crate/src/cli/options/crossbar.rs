//! Options about crossbars.

use std::str::FromStr;

use clap::Args;

use crate::config::{ConfigFields, ConversionFields, CrossbarFields, HardwareConfig, TrainConfig};
use crate::error::{Error, Result};

/// The crossbar.
#[derive(Debug, Clone, Args)]
pub struct CrossbarOptions {
    /// Rows of a crossbar, or rows and columns of cells (128x64) [default: 32]
    #[arg(long, value_name = "ROWS[xCOLUMNS]")]
    tile: Option<TileSize>,
    #[command(flatten)]
    fields: CrossbarFields,
}

/// Rows and columns of a crossbar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TileSize {
    rows: usize,
    /// 0 for as many as rows.
    columns: usize,
}

impl FromStr for TileSize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |part: &str| part.trim().parse::<usize>().ok();
        let (rows, columns) = match text.split_once('x') {
            None => (number(text), Some(0)),
            // 0 columns would silently mean a square.
            Some((rows, columns)) => (number(rows), number(columns).filter(|columns| *columns > 0)),
        };
        match (rows, columns) {
            (Some(rows), Some(columns)) => Ok(Self { rows, columns }),
            _ => Err(Error::field("tile", text, "must be rows, or rows and columns as in 128x64")),
        }
    }
}

impl CrossbarOptions {
    /// The fields that the options set.
    pub fn fields(&self) -> CrossbarFields {
        let mut fields = self.fields.clone();
        if let Some(TileSize { rows, columns }) = self.tile {
            (fields.tile, fields.columns) = (Some(rows), Some(columns));
        }
        fields
    }

    /// The hardware with these crossbars and conversions, and defaults for the rest.
    ///
    /// # Errors
    /// Names the option that is out of range.
    pub fn hardware(&self, conversions: ConversionFields) -> Result<HardwareConfig> {
        let fields = ConfigFields { crossbar: self.fields(), conversions, ..ConfigFields::default() };
        Ok(fields.apply(&TrainConfig::default(), &HardwareConfig::default())?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_rows_or_rows_and_columns() {
        assert_eq!("64".parse(), Ok(TileSize { rows: 64, columns: 0 }));
        assert_eq!("128x64".parse(), Ok(TileSize { rows: 128, columns: 64 }));
        for bad in ["", "x", "64x", "x64", "64x0", "-1", "64x64x64", "1.5"] {
            assert!(bad.parse::<TileSize>().is_err(), "{bad}");
        }
    }
}
