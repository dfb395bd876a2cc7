//! Bit slicing: how a quantized weight is spread over cells, and how many cells of a column are set.
//!
//! A weight of `P` bits is a sign and `P - 1` magnitude bits. A cell holds `c` of them, so there are
//! `ceil((P-1)/c)` slices, the lowest bits first; each slice and polarity has its own crossbar. An
//! offset mapping has one polarity and adds `2^(P-1)` to every weight: `ceil(P/c)` slices, and a
//! weight of 0 sets a cell.

use std::ops::Range;

use super::quantize::QuantizedMatrix;
use crate::config::{HardwareConfig, Subtraction};

/// How weights are spread over cells.
///
/// ```
/// use crossdub::config::HardwareConfig;
/// use crossdub::crossbar::bit_slicing::BitSlicing;
///
/// // A sign and 3 magnitude bits, 1 bit a cell: 3 slices, each for positive and negative weights.
/// let hardware = HardwareConfig { weight_precision: 4, cell_bits: 1, ..HardwareConfig::default() };
/// let slicing = BitSlicing::from(&hardware);
/// assert_eq!((slicing.slices(), slicing.polarities(), slicing.crossbars()), (3, 2, 6));
/// // 5 = 101: cells of the positive crossbars 0, 2 and 4, the lowest slice first.
/// assert_eq!([0, 2, 4].map(|crossbar| slicing.cell(5, crossbar)), [1, 0, 1]);
/// assert_eq!([1, 3, 5].map(|crossbar| slicing.cell(5, crossbar)), [0, 0, 0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitSlicing {
    /// Bits of a weight that are stored in cells.
    bits: u32,
    cell_bits: u32,
    /// Added to every weight.
    offset: i32,
}

impl From<&HardwareConfig> for BitSlicing {
    fn from(hardware: &HardwareConfig) -> Self {
        let (precision, cell_bits) = (hardware.weight_precision, hardware.cell_bits);
        match hardware.subtraction {
            Subtraction::Offset => Self { bits: precision, cell_bits, offset: 1 << (precision - 1) },
            Subtraction::Digital | Subtraction::Analog => Self { bits: precision - 1, cell_bits, offset: 0 },
        }
    }
}

impl BitSlicing {
    /// Slices of a weight.
    pub fn slices(self) -> usize {
        self.bits.div_ceil(self.cell_bits) as usize
    }

    /// Crossbars that hold one slice: one for each sign, or a single one with an offset.
    pub fn polarities(self) -> usize {
        if self.offset == 0 { 2 } else { 1 }
    }

    /// Crossbars of one tile. Crossbar `slice * polarities + polarity` holds that slice of the
    /// positive (polarity 0) or negative weights (polarity 1).
    pub fn crossbars(self) -> usize {
        self.slices() * self.polarities()
    }

    /// The offset added to every weight before it is cut into slices; 0 without an offset mapping.
    pub fn offset(self) -> i32 {
        self.offset
    }

    /// The lowest magnitude bit in `slice`: its cells count in units of `2^shift`.
    pub fn shift(self, slice: usize) -> u32 {
        slice as u32 * self.cell_bits
    }

    /// The part of a weight's magnitude that the crossbars of a polarity hold.
    pub fn magnitude(self, weight: i16, polarity: usize) -> u32 {
        let weight = i32::from(weight) + self.offset;
        let own = if polarity == 0 { weight } else { -weight };
        own.max(0).unsigned_abs()
    }

    /// The level of a weight's cell on a crossbar, 0 to `2^cell_bits - 1`.
    pub fn cell(self, weight: i16, crossbar: usize) -> u32 {
        let (slice, polarity) = (crossbar / self.polarities(), crossbar % self.polarities());
        (self.magnitude(weight, polarity) >> self.shift(slice)) & ((1 << self.cell_bits) - 1)
    }
}

/// The cells of one column of one crossbar within a range of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CellCount {
    /// Cells that are not at level 0.
    pub set: usize,
    /// Sum of their levels; equal to `set` with 1-bit cells.
    pub sum: usize,
}

/// Counts the cells of the crossbar columns `outputs` within the crossbar rows `inputs` (a tile, or
/// those of its rows that are active at once): `outputs.len() * crossbars` counts, column by column.
pub fn count_cells(
    weights: &QuantizedMatrix,
    outputs: Range<usize>,
    inputs: &Range<usize>,
    slicing: BitSlicing,
) -> Vec<CellCount> {
    let crossbars = slicing.crossbars();
    let mut counts = vec![CellCount::default(); outputs.len() * crossbars];
    for (output, counts) in outputs.zip(counts.chunks_exact_mut(crossbars)) {
        for &weight in &weights.row(output)[inputs.clone()] {
            // Empty cells count nowhere, and most cells of a pruned network are empty.
            if weight == 0 && slicing.offset == 0 {
                continue;
            }
            // The crossbars of the weight's own sign; the others hold none of it.
            let polarity = usize::from(slicing.offset == 0 && weight < 0);
            let mut left = slicing.magnitude(weight, polarity);
            for count in counts[polarity..].iter_mut().step_by(slicing.polarities()) {
                let level = (left & ((1 << slicing.cell_bits) - 1)) as usize;
                count.set += usize::from(level != 0);
                count.sum += level;
                left >>= slicing.cell_bits;
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hardware(weight_precision: u32, cell_bits: u32, subtraction: Subtraction) -> HardwareConfig {
        HardwareConfig { weight_precision, cell_bits, subtraction, ..HardwareConfig::default() }
    }

    /// The weight can be recovered from its cells with any precision, cell size and mapping.
    #[test]
    fn cells_add_up_to_the_weight() {
        for precision in 2..=9_u32 {
            for cell_bits in 1..precision {
                for subtraction in [Subtraction::Digital, Subtraction::Offset] {
                    let slicing = BitSlicing::from(&hardware(precision, cell_bits, subtraction));
                    let most = (1_i16 << (precision - 1)) - 1;
                    for weight in -most..=most {
                        let mut sum = -slicing.offset();
                        for crossbar in 0..slicing.crossbars() {
                            let slice = crossbar / slicing.polarities();
                            let sign = if crossbar % slicing.polarities() == 0 { 1 } else { -1 };
                            let level = slicing.cell(weight, crossbar) as i32;
                            assert!(level < 1 << cell_bits);
                            sum += sign * (level << slicing.shift(slice));
                        }
                        assert_eq!(sum, i32::from(weight), "{precision} {cell_bits} {subtraction:?}");
                    }
                }
            }
        }
    }

    /// By hand: 5 = 101, -6 = 110, with 3 magnitude bits.
    #[test]
    fn cells_are_counted_by_slice_and_polarity() {
        let weights = QuantizedMatrix { rows: 1, cols: 4, data: vec![5, -6, 0, 7], scales: vec![1.0] };
        let set = |cell_bits, subtraction, inputs| {
            let slicing = BitSlicing::from(&hardware(4, cell_bits, subtraction));
            let counts = count_cells(&weights, 0..1, &inputs, slicing);
            counts.into_iter().map(|count| (count.set, count.sum)).collect::<Vec<_>>()
        };
        let expected = [(2, 2), (0, 0), (1, 1), (1, 1), (2, 2), (1, 1)];
        assert_eq!(set(1, Subtraction::Digital, 0..4), expected);
        assert_eq!(set(1, Subtraction::Digital, 3..4), [(1, 1), (0, 0), (1, 1), (0, 0), (1, 1), (0, 0)]);
        // 5 = 1|01, 6 = 1|10, 7 = 1|11 with 2-bit cells.
        assert_eq!(set(2, Subtraction::Digital, 0..4), [(2, 4), (1, 2), (2, 2), (1, 1)]);
        // Shifted by 8: 13 = 1101, 2 = 0010, 8 = 1000, 15 = 1111.
        assert_eq!(set(1, Subtraction::Offset, 0..4), [(2, 2), (2, 2), (2, 2), (3, 3)]);
    }
}
