//! Energy of a tile's conversions from its set cells: what a budget of bit planes counts.

use super::resolution::{ColumnOccupancy, Readout, row_groups};
use super::tile_energy::conversion_costs;
use crate::config::{Granularity, HardwareConfig, Resolution, Subtraction};
use crate::crossbar::bit_slicing::BitSlicing;
use crate::error::{Error, Result};

/// Energy of the conversions of a tile by the set cells of its columns, at the bits that lose nothing
/// (`lossless-sliced`). Every crossbar of a slice and polarity counts once, divided among its columns.
#[derive(Debug, Clone)]
pub struct CellEnergy {
    hardware: HardwareConfig,
    readout: Readout,
    /// Energy of a conversion by its bits.
    costs: Vec<f64>,
}

impl CellEnergy {
    /// By the hardware's `adc`, of which `paper`, `lossless` and `lossless-sliced` count bits.
    ///
    /// # Errors
    /// If the mapping sets cells for weights of 0, the model has no value, or a conversion takes more bits than converters
    /// have.
    ///
    /// ```
    /// use crossdub::adc::CellEnergy;
    /// use crossdub::config::HardwareConfig;
    ///
    /// let hardware = HardwareConfig { tile: 32, weight_precision: 3, ..HardwareConfig::default() };
    /// let energy = CellEnergy::new(&hardware)?;
    /// // Two slices of two polarities, 6 bits each.
    /// assert_eq!(energy.dense(32), 24.0);
    /// let mut counts = energy.counts(32, 2);
    /// counts.add_column(&[3, 1, -2]);
    /// // Two positive cells in the lower slice: 0 to 2.
    /// assert_eq!((energy.of_slice(&counts, 0), energy.of_slice(&counts, 1)), (2.0, 2.0));
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    pub fn new(hardware: &HardwareConfig) -> Result<Self> {
        if hardware.subtraction == Subtraction::Offset {
            let why = "sets cells for weights of 0, so that caps save nothing; use digital or analog";
            return Err(Error::field("subtraction", "offset", why));
        }
        let readout = Readout::new(hardware);
        let costs = conversion_costs(hardware.adc, Resolution::LosslessSliced.dense_bits(&readout))?;
        Ok(Self { hardware: hardware.clone(), readout, costs })
    }

    /// Energy of a tile of `rows` rows with all cells set, at the hardware's `weight_precision`.
    pub fn dense(&self, rows: usize) -> f64 {
        let slices = BitSlicing::from(&self.hardware).slices();
        let groups = row_groups(&self.hardware, rows).map(|group| self.cost(group.len(), group.len()));
        groups.sum::<f64>() * (slices * self.polarities()) as f64
    }

    /// Conversions of a column of a slice, in a tile of `rows` rows: of each group of rows and polarity.
    pub fn conversions(&self, rows: usize) -> usize {
        row_groups(&self.hardware, rows).count() * self.polarities()
    }

    /// Polarities that are converted apart: 2, or 1 if one conversion serves both.
    fn polarities(&self) -> usize {
        if self.readout.subtraction == Subtraction::Analog { 1 } else { 2 }
    }

    /// Empty counts for a tile of so many rows and slices.
    pub fn counts(&self, rows: usize, slices: usize) -> CellCounts {
        let groups: Vec<usize> = row_groups(&self.hardware, rows).map(|group| group.len()).collect();
        let step = groups.first().copied().unwrap_or(1).max(1);
        CellCounts { groups, step, slices, cell_bits: self.hardware.cell_bits, columns: Vec::new() }
    }

    /// Energy of a slice.
    pub fn of_slice(&self, counts: &CellCounts, slice: usize) -> f64 {
        let mut sum = 0.0;
        let columns = counts.columns.chunks_exact(counts.a_column());
        let number = columns.len().max(1) as f64;
        for (group, &rows) in counts.groups.iter().enumerate() {
            for conversion in 0..self.polarities() {
                let set = |column: &[u16]| {
                    let of = |polarity: usize| column[counts.at(group, slice, polarity)];
                    usize::from(if self.polarities() == 1 { of(0).max(of(1)) } else { of(conversion) })
                };
                sum += match self.hardware.per {
                    Granularity::Tile => self.cost(columns.clone().map(set).max().unwrap_or(0), rows),
                    Granularity::Column => {
                        columns.clone().map(|column| self.cost(set(column), rows)).sum::<f64>() / number
                    }
                };
            }
        }
        sum
    }

    /// The same for a budget, whose caps all groups of rows of a tile share: where one resolution serves the tile, any group
    /// may become as full as the fullest.
    pub(crate) fn of_capped_slice(&self, counts: &CellCounts, slice: usize) -> f64 {
        if self.hardware.per == Granularity::Column {
            return self.of_slice(counts, slice);
        }
        let [positive, negative] = counts.most_of(slice);
        let most =
            if self.polarities() == 1 { vec![positive.max(negative)] } else { vec![positive, negative] };
        let groups = counts.groups.iter();
        groups.map(|&rows| most.iter().map(|&set| self.cost(set.min(rows), rows)).sum::<f64>()).sum()
    }

    /// The most set cells that a column may have at the bits of `set` of them, in a tile of `rows` rows.
    pub fn most_at_these_bits(&self, set: usize, rows: usize) -> usize {
        let bits = self.bits(set, rows);
        (set..=rows).take_while(|&more| self.bits(more, rows) == bits).last().unwrap_or(set)
    }

    /// The most set cells that a column may have in each polarity of a slice, so that no conversion takes more bits than
    /// with these counts. Groups of rows share them.
    pub(crate) fn caps(&self, counts: &CellCounts, slice: usize) -> [usize; 2] {
        let rows = counts.groups.first().copied().unwrap_or(0);
        let [positive, negative] = counts.most_of(slice);
        let most = if self.polarities() == 1 { [positive.max(negative); 2] } else { [positive, negative] };
        most.map(|most| self.most_at_these_bits(most, rows))
    }

    /// The most set cells of a column that needs fewer bits than one with `set` of them; 0 if `set` is.
    pub fn most_at_fewer_bits(&self, set: usize, rows: usize) -> usize {
        let bits = self.bits(set, rows);
        (0..set).rev().find(|&fewer| self.bits(fewer, rows) < bits).unwrap_or(0)
    }

    /// Energy of one conversion of a column with so many set cells.
    fn cost(&self, set: usize, rows: usize) -> f64 {
        self.costs[self.bits(set, rows) as usize]
    }

    fn bits(&self, set: usize, rows: usize) -> u32 {
        Resolution::LosslessSliced.bits(&self.readout, ColumnOccupancy { rows, active: set, set })
    }
}

/// The set cells of a tile's columns, by group of rows, slice and polarity.
#[derive(Debug, Clone)]
pub struct CellCounts {
    /// Rows of each group.
    groups: Vec<usize>,
    /// Rows of all groups but the last.
    step: usize,
    slices: usize,
    cell_bits: u32,
    /// `[column][group][slice][polarity]`.
    columns: Vec<u16>,
}

impl CellCounts {
    fn a_column(&self) -> usize {
        (self.groups.len() * self.slices * 2).max(1)
    }

    fn at(&self, group: usize, slice: usize, polarity: usize) -> usize {
        (group * self.slices + slice) * 2 + polarity
    }

    /// Counts the cells of a column's integers.
    pub fn add_column(&mut self, integers: &[i16]) {
        let start = self.columns.len();
        self.columns.resize(start + self.a_column(), 0);
        let mask = (1_u16 << self.cell_bits) - 1;
        for (row, &integer) in integers.iter().enumerate().filter(|(_, integer)| **integer != 0) {
            let (mut left, polarity) = (integer.unsigned_abs(), usize::from(integer < 0));
            for slice in 0..self.slices {
                let at = start + self.at(row / self.step, slice, polarity);
                self.columns[at] += u16::from(left & mask != 0);
                left >>= self.cell_bits;
            }
        }
    }

    /// Copies a column's counts from others of the same tile and slices.
    pub(crate) fn copy_column(&mut self, others: &Self, column: usize) {
        let own = column * self.a_column()..(column + 1) * self.a_column();
        self.columns.extend_from_slice(&others.columns[own]);
    }

    /// The most set cells that a conversion of a slice of this column sees.
    pub(crate) fn most_of_column(&self, column: usize, slice: usize) -> usize {
        let conversions = (0..self.groups.len()).flat_map(|group| [(group, 0), (group, 1)]);
        let counts = &self.columns[column * self.a_column()..];
        conversions.map(|(group, polarity)| counts[self.at(group, slice, polarity)]).max().unwrap_or(0).into()
    }

    /// The most set cells that a conversion of a slice sees.
    pub fn most(&self, slice: usize) -> usize {
        self.most_of(slice).into_iter().fold(0, usize::max)
    }

    /// The same for each polarity.
    fn most_of(&self, slice: usize) -> [usize; 2] {
        [0, 1].map(|polarity| {
            let of_column = |column: &[u16]| {
                let groups = 0..self.groups.len();
                groups.map(|group| usize::from(column[self.at(group, slice, polarity)])).max().unwrap_or(0)
            };
            self.columns.chunks_exact(self.a_column()).map(of_column).max().unwrap_or(0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AdcModel;

    #[test]
    fn a_cap_is_where_a_bit_is_saved() {
        let of = |hardware: HardwareConfig| CellEnergy::new(&hardware).expect("digital");
        let binary = of(HardwareConfig::default());
        let caps: Vec<usize> = [0, 1, 2, 3, 4, 31, 32].map(|set| binary.most_at_these_bits(set, 32)).to_vec();
        assert_eq!(caps, [0, 1, 3, 3, 7, 31, 32]);
        let fewer: Vec<usize> = [0, 1, 2, 3, 4, 32].map(|set| binary.most_at_fewer_bits(set, 32)).to_vec();
        assert_eq!(fewer, [0, 0, 1, 1, 3, 31]);
        // Cells of 2 bits: sums to 3, 6, 9, ...: 1 cell has 2 bits, 2 have 3, 3 to 5 have 4.
        let two = of(HardwareConfig { cell_bits: 2, ..HardwareConfig::default() });
        assert_eq!([1, 2, 3].map(|set| two.most_at_these_bits(set, 32)), [1, 2, 5]);
        assert_eq!(two.most_at_fewer_bits(5, 32), 2);
        // Sums of 128 cells of 4 bits times inputs of 8 bits; published converters end at 16 bits.
        let wide = HardwareConfig { tile: 128, dac_bits: 8, cell_bits: 4, ..HardwareConfig::default() };
        assert_eq!(of(wide.clone()).dense(128), 19.0 * 4.0);
        let error = CellEnergy::new(&HardwareConfig { adc: AdcModel::Puma, ..wide }).expect_err("too many");
        assert!(error.to_string().contains("takes 19"), "{error}");
        // A pair that is subtracted in analog shares a signed conversion.
        let analog = of(HardwareConfig { subtraction: Subtraction::Analog, ..HardwareConfig::default() });
        assert_eq!(analog.dense(32), 7.0 * 7.0);
        let mut counts = analog.counts(32, 7);
        counts.add_column(&[1, -1, -1]);
        assert_eq!(analog.of_slice(&counts, 0), 3.0);
        assert_eq!(analog.caps(&counts, 0), [3, 3]);
        let mut counts = binary.counts(32, 7);
        counts.add_column(&[1, -1, -1]);
        assert_eq!((binary.caps(&counts, 0), binary.caps(&counts, 1)), ([1, 3], [0, 0]));
    }
}
