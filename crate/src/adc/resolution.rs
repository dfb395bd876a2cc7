//! The resolution, the "bit rule" of the paper: how many bits a conversion needs, from what its column holds.
//!
//! | [`Resolution`] | bits of a conversion |
//! | --- | --- |
//! | `paper` | `N - k`, `N = ceil(log2(rows))`, level `k` of the sparsity of the active rows (arXiv 2403.13082) |
//! | `lossless` | `ceil(log2(n * (2^b_in - 1) * (2^b_cell - 1) + 1))`, `n` the active rows: non-zero weights |
//! | `lossless-sliced` | the same, `n` the set cells of *this* weight slice and polarity |
//! | a number | that number, whatever the weights |
//!
//! The first three give 0 bits, no conversion, where nothing is active. The lossless ones add one bit
//! for the sign where two columns are subtracted in analog. In an offset mapping a zero weight still
//! sets a cell, so there every row counts as active and pruning saves nothing by `paper` and
//! `lossless`.
//!
//! A converter serves one column after another. Per tile, all columns take the bits of the column
//! that needs most, as in the paper; per column, each takes its own, which a converter can do that
//! stops early. Where fewer rows are active at once than the crossbar has, a column is converted in
//! groups of rows, and each conversion sees only its group.

use std::ops::Range;

use super::models::{lossless, paper};
use crate::config::{Granularity, HardwareConfig, Resolution, Subtraction};
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::TileCount;
use crate::error::{Error, Result};

/// How the sum of a column is formed, which bounds the values that a conversion must tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readout {
    /// Crossbar rows that are active at once.
    pub rows: usize,
    /// Input bits applied at a time.
    pub dac_bits: u32,
    /// Bits of a cell.
    pub cell_bits: u32,
    /// How negative weights are mapped.
    pub subtraction: Subtraction,
}

impl Readout {
    /// The hardware's readout of a full crossbar.
    pub fn new(hardware: &HardwareConfig) -> Self {
        Self {
            rows: hardware.rows_at_once(),
            dac_bits: hardware.dac_bits,
            cell_bits: hardware.cell_bits,
            subtraction: hardware.subtraction,
        }
    }

    /// All `rows` of a crossbar at once, with 1-bit inputs and cells: what the paper assumes.
    pub fn binary(rows: usize) -> Self {
        Self { rows, dac_bits: 1, cell_bits: 1, subtraction: Subtraction::Digital }
    }

    /// Bits that tell apart all sums of `n` cells.
    fn lossless_bits(&self, n: usize) -> u32 {
        match self.subtraction {
            Subtraction::Analog => lossless::signed_bits_for(n, self.dac_bits, self.cell_bits),
            Subtraction::Digital | Subtraction::Offset => {
                lossless::bits_for(n, self.dac_bits, self.cell_bits)
            }
        }
    }
}

/// What one conversion sees of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnOccupancy {
    /// Rows that are active at once.
    pub rows: usize,
    /// Non-zero weights among them. For `lossless`, of the quantized weights, since these are what
    /// the cells hold; a larger count is lossless as well.
    pub active: usize,
    /// Set cells among them in this weight slice and polarity; where two polarities are subtracted in
    /// analog, the larger of the two counts.
    pub set: usize,
}

impl ColumnOccupancy {
    /// Rows that are all active, with all cells set: before any pruning.
    pub fn dense(rows: usize) -> Self {
        Self { rows, active: rows, set: rows }
    }

    /// Rows of which `active` hold non-zero weights. Their number bounds the set cells.
    pub fn from_active(active: usize, rows: usize) -> Self {
        Self { rows, active, set: active }
    }
}

impl Resolution {
    /// Bits of one conversion; 0 means no conversion, whose result is 0.
    ///
    /// ```
    /// use crossdub::adc::resolution::{ColumnOccupancy, Readout};
    /// use crossdub::config::Resolution;
    ///
    /// let readout = Readout::binary(32);
    /// // 8 of 32 weights are not zero, and 3 of their cells in this slice are set.
    /// let column = ColumnOccupancy { rows: 32, active: 8, set: 3 };
    /// assert_eq!(Resolution::Paper.bits(&readout, column), 3); // level 2 of 5 bits
    /// assert_eq!(Resolution::Lossless.bits(&readout, column), 4); // sums from 0 to 8
    /// assert_eq!(Resolution::LosslessSliced.bits(&readout, column), 2); // sums from 0 to 3
    /// assert_eq!(Resolution::Bits(6).bits(&readout, column), 6);
    /// ```
    pub fn bits(self, readout: &Readout, column: ColumnOccupancy) -> u32 {
        let offset = readout.subtraction == Subtraction::Offset;
        let active = if offset { column.rows } else { column.active };
        match self {
            Self::Paper => {
                let levels = Levels::new(readout.rows);
                paper::bits(levels, levels.level_of(active, column.rows))
            }
            Self::Lossless => readout.lossless_bits(active),
            Self::LosslessSliced => readout.lossless_bits(column.set),
            Self::Bits(bits) => bits,
        }
    }

    /// Bits of a conversion of all rows of the readout, before any pruning.
    pub fn dense_bits(self, readout: &Readout) -> u32 {
        self.bits(readout, ColumnOccupancy::dense(readout.rows))
    }

    /// Bits of a counted tile of a crossbar with `rows` rows, 1-bit inputs and cells. `lossless-sliced`
    /// counts as `lossless`: a count of weights does not know their cells.
    pub fn bits_of_tile(self, rows: usize, count: &TileCount) -> u32 {
        self.bits(&Readout::binary(rows), ColumnOccupancy::from_active(count.active, count.rows))
    }

    /// Bits of the same tile before any pruning.
    pub fn dense_bits_of_tile(self, rows: usize, count: &TileCount) -> u32 {
        self.bits(&Readout::binary(rows), ColumnOccupancy::dense(count.rows))
    }

    /// Bits of a tile of which only the level is known, on a crossbar with `rows` rows, 1-bit inputs
    /// and cells. It is taken to have as many active rows as its level allows.
    ///
    /// # Errors
    /// For `lossless-sliced`: a level does not determine which cells of a weight slice are set.
    ///
    /// ```
    /// use crossdub::config::Resolution;
    ///
    /// assert_eq!(Resolution::Paper.bits_of_level(32, 2)?, 3);
    /// assert_eq!(Resolution::Lossless.bits_of_level(32, 2)?, 4);
    /// assert!(Resolution::LosslessSliced.bits_of_level(32, 2).is_err());
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    pub fn bits_of_level(self, rows: usize, level: usize) -> Result<u32> {
        if self == Self::LosslessSliced {
            let why =
                "a histogram of levels has no cell counts per weight slice; analyze the weights instead";
            return Err(Error::field("resolution", self, why));
        }
        if level >= Levels::new(rows).empty() {
            return Ok(0);
        }
        Ok(self.bits(&Readout::binary(rows), ColumnOccupancy::from_active(rows >> level, rows)))
    }
}

impl Granularity {
    /// Raises the bits of one tile's columns to what they share: per tile the largest of them, per
    /// column nothing.
    pub fn share_across_tile(self, columns: &mut [u32]) {
        if self == Self::Tile {
            let most = columns.iter().copied().max().unwrap_or(0);
            columns.fill(most);
        }
    }
}

/// The groups of rows in which a tile of `rows` rows is converted, one conversion per column each.
pub fn row_groups(hardware: &HardwareConfig, rows: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let step = hardware.rows_at_once().max(1);
    (0..rows).step_by(step).map(move |start| start..(start + step).min(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occupancy(active: usize, set: usize) -> ColumnOccupancy {
        ColumnOccupancy { rows: 32, active, set }
    }

    fn readout(change: impl FnOnce(&mut HardwareConfig)) -> Readout {
        let mut hardware = HardwareConfig::default();
        change(&mut hardware);
        Readout::new(&hardware)
    }

    #[test]
    fn each_resolution_has_its_own_count() {
        let bits =
            |resolution: Resolution, active, set| resolution.bits(&readout(|_| {}), occupancy(active, set));
        assert_eq!(bits(Resolution::Paper, 8, 3), 3, "level 2 of 5 bits");
        assert_eq!(bits(Resolution::Paper, 1, 1), 0, "generous: two values, no bit");
        assert_eq!(bits(Resolution::Lossless, 8, 3), 4, "0 to 8");
        assert_eq!(bits(Resolution::LosslessSliced, 8, 3), 2, "0 to 3");
        assert_eq!(bits(Resolution::LosslessSliced, 8, 0), 0, "an empty slice needs no conversion");
        assert_eq!(bits(Resolution::Bits(5), 0, 0), 5);
        assert_eq!(Resolution::Lossless.dense_bits(&readout(|_| {})), 6);
    }

    #[test]
    fn input_bits_cell_bits_and_a_sign_add_bits() {
        let resolution = Resolution::LosslessSliced;
        let wide = readout(|h| (h.dac_bits, h.cell_bits) = (2, 2));
        assert_eq!(resolution.bits(&wide, occupancy(9, 5)), 6, "0 to 5 * 3 * 3 = 45");
        let signed = readout(|h| h.subtraction = Subtraction::Analog);
        assert_eq!(resolution.bits(&signed, occupancy(9, 5)), 4, "-5 to 5");
        let offset = readout(|h| h.subtraction = Subtraction::Offset);
        assert_eq!(Resolution::Lossless.bits(&offset, occupancy(1, 9)), 6, "a zero weight sets a cell");
    }

    #[test]
    fn fewer_rows_at_once_need_more_and_smaller_conversions() {
        let hardware = HardwareConfig { tile: 128, active_rows: 32, ..HardwareConfig::default() };
        let groups: Vec<_> = row_groups(&hardware, 100).collect();
        assert_eq!(groups, [0..32, 32..64, 64..96, 96..100]);
        assert_eq!(Resolution::Paper.dense_bits(&Readout::new(&hardware)), 5, "the paper's N of 32 rows");
        let all = HardwareConfig { tile: 128, ..HardwareConfig::default() };
        assert_eq!(row_groups(&all, 100).map(|rows| rows.len()).collect::<Vec<_>>(), [100]);
    }

    #[test]
    fn columns_share_bits_per_tile_only() {
        let mut columns = [0, 3, 1];
        Granularity::Column.share_across_tile(&mut columns);
        assert_eq!(columns, [0, 3, 1]);
        Granularity::Tile.share_across_tile(&mut columns);
        assert_eq!(columns, [3, 3, 3]);
    }

    /// A tile that has as many active rows as its level allows is at that level, so levels and counts
    /// of rows give the same bits.
    #[test]
    fn levels_and_active_rows_agree() {
        for rows in [2, 7, 32, 48, 100, 256] {
            let levels = Levels::new(rows);
            for level in 0..levels.empty() {
                let bits = Resolution::Paper.bits_of_level(rows, level).expect("known");
                assert_eq!(bits, paper::bits(levels, level), "{rows} rows, level {level}");
            }
        }
    }
}
