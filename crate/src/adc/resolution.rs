//! Resolution policies: how many bits a conversion gets, from what its column holds.
//!
//! | policy | bits of a conversion |
//! | --- | --- |
//! | `paper` | `N - k`, `N = ceil(log2(rows))`, level `k` of the sparsity of the active rows (arXiv 2403.13082) |
//! | `lossless` | `ceil(log2(n * (2^b_in - 1) * (2^b_cell - 1) + 1))`, `n` the active rows: non-zero weights |
//! | `lossless-sliced` | the same, `n` the set cells of *this* weight slice and polarity |
//! | a number | that many, whatever is there |
//!
//! The three that follow from the weights give 0 bits, no conversion, where nothing is active. The
//! lossless ones have one bit more for the sign where two columns are subtracted in analog. An
//! offset mapping makes no zero cell of a zero weight, so there every row counts as active and pruning
//! saves nothing by `paper` and `lossless`.
//!
//! A converter serves one column after another: `per` tile, all columns take the bits of the column
//! that needs most, as in the paper; per column, each takes its own, as a converter can that stops
//! early. Where fewer rows are active at once than the crossbar has, a column is converted in
//! groups of rows and each conversion sees only its group.

use std::ops::Range;

use super::models::{lossless, paper};
use crate::config::{Granularity, HardwareConfig, Resolution, Subtraction};
use crate::crossbar::levels::Levels;

/// What one conversion sees of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnOccupancy {
    /// Rows that are active at once.
    pub rows: usize,
    /// Weights among them that are not zero: once quantized where a lossless policy asks, since that
    /// is what the cells hold; any larger count is lossless too.
    pub active: usize,
    /// Cells among them that are set, in this weight slice and polarity; where two polarities are
    /// subtracted in analog, the larger of both counts.
    pub set: usize,
}

impl ColumnOccupancy {
    /// A group of rows with all cells set, as before any pruning.
    pub fn dense(rows: usize) -> Self {
        Self { rows, active: rows, set: rows }
    }
}

/// A resolution policy on given hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What decides the bits.
    pub resolution: Resolution,
    /// What shares them.
    pub per: Granularity,
    levels: Levels,
    dac_bits: u32,
    cell_bits: u32,
    subtraction: Subtraction,
}

impl Policy {
    /// The policy that the hardware names.
    pub fn of(hardware: &HardwareConfig) -> Self {
        Self::new(hardware, hardware.resolution, hardware.per)
    }

    /// Another policy on the same hardware.
    pub fn new(hardware: &HardwareConfig, resolution: Resolution, per: Granularity) -> Self {
        Self {
            resolution,
            per,
            levels: Levels::new(rows_at_once(hardware)),
            dac_bits: hardware.dac_bits,
            cell_bits: hardware.cell_bits,
            subtraction: hardware.subtraction,
        }
    }

    /// Bits of one conversion; 0 is no conversion, whose result is 0.
    pub fn bits(&self, seen: ColumnOccupancy) -> u32 {
        let offset = self.subtraction == Subtraction::Offset;
        let active = if offset { seen.rows } else { seen.active };
        match self.resolution {
            Resolution::Paper => paper::bits(self.levels, self.levels.level_of(active, seen.rows)),
            Resolution::Lossless => self.exact(active),
            Resolution::LosslessSliced => self.exact(seen.set),
            Resolution::Bits(bits) => bits,
        }
    }

    /// Bits of the same conversion before any pruning.
    pub fn dense_bits(&self, rows: usize) -> u32 {
        self.bits(ColumnOccupancy::dense(rows))
    }

    /// Lets the columns of one tile share what they share, after each got its own bits.
    pub fn share_across_tile(&self, columns: &mut [u32]) {
        if self.per == Granularity::Tile {
            let most = columns.iter().copied().max().unwrap_or(0);
            columns.fill(most);
        }
    }

    fn exact(&self, n: usize) -> u32 {
        if self.subtraction == Subtraction::Analog {
            lossless::signed_bits_for(n, self.dac_bits, self.cell_bits)
        } else {
            lossless::bits_for(n, self.dac_bits, self.cell_bits)
        }
    }
}

/// Rows of a full crossbar that are active at once.
pub fn rows_at_once(hardware: &HardwareConfig) -> usize {
    if hardware.active_rows == 0 { hardware.tile } else { hardware.active_rows.min(hardware.tile) }
}

/// The groups of rows in which a tile of `rows` rows is converted, one conversion a column each.
pub fn row_groups(hardware: &HardwareConfig, rows: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let step = rows_at_once(hardware).max(1);
    (0..rows).step_by(step).map(move |start| start..(start + step).min(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(resolution: Resolution, change: impl FnOnce(&mut HardwareConfig)) -> Policy {
        let mut hardware = HardwareConfig { resolution, ..HardwareConfig::default() };
        change(&mut hardware);
        Policy::of(&hardware)
    }

    fn seen(active: usize, set: usize) -> ColumnOccupancy {
        ColumnOccupancy { rows: 32, active, set }
    }

    #[test]
    fn each_policy_counts_its_own_way() {
        let bits = |resolution, active, set| policy(resolution, |_| {}).bits(seen(active, set));
        assert_eq!(bits(Resolution::Paper, 8, 3), 3, "level 2 of 5 bits");
        assert_eq!(bits(Resolution::Paper, 1, 1), 0, "generous: two values, no bit");
        assert_eq!(bits(Resolution::Lossless, 8, 3), 4, "0 to 8");
        assert_eq!(bits(Resolution::LosslessSliced, 8, 3), 2, "0 to 3");
        assert_eq!(bits(Resolution::LosslessSliced, 8, 0), 0, "an empty slice needs no conversion");
        assert_eq!(bits(Resolution::Bits(5), 0, 0), 5);
        assert_eq!(policy(Resolution::Lossless, |_| {}).dense_bits(32), 6);
    }

    #[test]
    fn more_input_and_cell_bits_and_a_sign_take_more() {
        let resolution = Resolution::LosslessSliced;
        let wide = policy(resolution, |h| (h.dac_bits, h.cell_bits) = (2, 2));
        assert_eq!(wide.bits(seen(9, 5)), 6, "0 to 5 * 3 * 3 = 45");
        let signed = policy(resolution, |h| h.subtraction = Subtraction::Analog);
        assert_eq!(signed.bits(seen(9, 5)), 4, "-5 to 5");
        let offset = policy(Resolution::Lossless, |h| h.subtraction = Subtraction::Offset);
        assert_eq!(offset.bits(seen(1, 9)), 6, "a zero weight is no zero cell");
    }

    #[test]
    fn fewer_rows_at_once_make_more_and_smaller_conversions() {
        let hardware = HardwareConfig { tile: 128, active_rows: 32, ..HardwareConfig::default() };
        let groups: Vec<_> = row_groups(&hardware, 100).collect();
        assert_eq!(groups, [0..32, 32..64, 64..96, 96..100]);
        assert_eq!(Policy::of(&hardware).dense_bits(32), 5, "the paper's N of 32 rows");
        let all = HardwareConfig { tile: 128, ..HardwareConfig::default() };
        assert_eq!(row_groups(&all, 100).map(|rows| rows.len()).collect::<Vec<_>>(), [100]);
    }

    #[test]
    fn a_tile_shares_and_columns_do_not() {
        let mut columns = [0, 3, 1];
        policy(Resolution::Lossless, |h| h.per = Granularity::Column).share_across_tile(&mut columns);
        assert_eq!(columns, [0, 3, 1]);
        policy(Resolution::Lossless, |_| {}).share_across_tile(&mut columns);
        assert_eq!(columns, [3, 3, 3]);
    }
}
