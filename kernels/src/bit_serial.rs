//! Columns of ideal crossbars and their converters, in integers: every column sum is a population count that goes through
//! its converter and is shifted and added.
//!
//! A conversion returns `min(sum, largest code)`, or with a sign `clamp(sum, -largest, largest)`.

use crate::parallel::vectorized;

/// Number of windows computed side by side, in one or two vector registers.
pub const LANES: usize = 8;

/// The widths that determine the work of a conversion.
#[derive(Debug, Clone, Copy)]
pub struct Widths {
    /// Input bits that are applied at once.
    pub dac: usize,
    /// Bits of a cell.
    pub cell: usize,
    /// Words of 64 rows.
    pub words: usize,
}

/// The input bits of one group of rows.
#[derive(Debug, Clone, Copy)]
pub struct InputBits<'a> {
    /// `[bit][word][window]`.
    pub words: &'a [u64],
    /// Number of windows, a multiple of [`LANES`].
    pub stride: usize,
}

impl<'a> InputBits<'a> {
    /// The inputs from bit `first` on.
    #[inline(always)]
    fn skip_bits(self, first: usize, widths: Widths) -> Self {
        Self { words: &self.words[first * widths.words * self.stride..], ..self }
    }

    /// Number of input bits.
    #[inline(always)]
    fn bits(self, widths: Widths) -> usize {
        self.words.len() / (widths.words * self.stride)
    }
}

/// A column with its own conversion.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// `[plane][word]`.
    pub cells: &'a [u64],
    /// The largest code.
    pub max_code: u64,
    /// The code counts `2^shift` in the output.
    pub shift: u32,
    /// Whether the code is subtracted.
    pub negative: bool,
}

/// Two columns that are subtracted before one conversion with a sign.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// `[plane][word]`.
    pub positive: &'a [u64],
    /// `[plane][word]`.
    pub negative: &'a [u64],
    /// The largest code.
    pub max_code: i64,
    /// The code counts `2^shift` in the output.
    pub shift: u32,
}

/// What is converted at once.
#[derive(Debug, Clone, Copy)]
pub enum Conversion<'a> {
    /// A column.
    Column(Column<'a>),
    /// The difference of two.
    Pair(Pair<'a>),
}

/// Makes these conversions of one output for all windows, and adds their codes to `sums`, one a window in two's complement.
/// Returns the number of conversions whose sum was beyond the largest code.
pub fn convert(
    inputs: InputBits<'_>,
    conversions: &[Conversion<'_>],
    widths: Widths,
    sums: &mut [u64],
) -> u64 {
    vectorized(
        #[inline(always)]
        // Constant widths let the compiler unroll the loops.
        || match widths {
            Widths { dac: 1, cell: 1, words: 1 } => {
                convert_all(inputs, conversions, Widths { dac: 1, cell: 1, words: 1 }, sums)
            }
            Widths { dac: 1, cell: 1, words: 2 } => {
                convert_all(inputs, conversions, Widths { dac: 1, cell: 1, words: 2 }, sums)
            }
            widths => convert_all(inputs, conversions, widths, sums),
        },
    )
}

#[inline(always)]
fn convert_all(
    inputs: InputBits<'_>,
    conversions: &[Conversion<'_>],
    widths: Widths,
    sums: &mut [u64],
) -> u64 {
    let mut saturated = 0;
    // A closure over the conversions would not be inlined, and then lack the vector unit.
    for conversion in conversions {
        saturated += match *conversion {
            Conversion::Column(column) => convert_column(inputs, column, widths, sums),
            Conversion::Pair(pair) => convert_pair(inputs, pair, widths, sums),
        };
    }
    saturated
}

/// Column sums of the `LANES` windows from `window` on, under the first `bits` bits of `inputs`.
#[inline(always)]
fn column_sums(
    inputs: InputBits<'_>,
    window: usize,
    cells: &[u64],
    bits: usize,
    widths: Widths,
) -> [u64; LANES] {
    let mut sums = [0; LANES];
    for bit in 0..bits {
        for plane in 0..widths.cell {
            for word in 0..widths.words {
                let start = (bit * widths.words + word) * inputs.stride + window;
                let Some(inputs) = inputs.words[start..].first_chunk::<LANES>() else { continue };
                let cells = cells[plane * widths.words + word];
                for lane in 0..LANES {
                    sums[lane] += u64::from((inputs[lane] & cells).count_ones()) << (bit + plane);
                }
            }
        }
    }
    sums
}

/// The chunks of input bits, highest first, each with its first bit and its width.
#[inline(always)]
fn chunks(inputs: usize, widths: Widths) -> impl Iterator<Item = (usize, usize)> {
    let count = inputs.div_ceil(widths.dac);
    (0..count).rev().map(move |chunk| {
        let first = chunk * widths.dac;
        (first, widths.dac.min(inputs - first))
    })
}

/// Converts one column for all windows. Returns the number of saturated conversions.
#[inline(always)]
fn convert_column(inputs: InputBits<'_>, column: Column<'_>, widths: Widths, sums: &mut [u64]) -> u64 {
    let mut saturated = [0_u64; LANES];
    for (at, sums) in sums.chunks_exact_mut(LANES).enumerate() {
        let mut total = [0_u64; LANES];
        for (first, bits) in chunks(inputs.bits(widths), widths) {
            let inputs = inputs.skip_bits(first, widths);
            let sum = column_sums(inputs, at * LANES, column.cells, bits, widths);
            for lane in 0..LANES {
                saturated[lane] += u64::from(sum[lane] > column.max_code);
                total[lane] = (total[lane] << widths.dac) + sum[lane].min(column.max_code);
            }
        }
        for (sum, total) in sums.iter_mut().zip(total) {
            let total = total << column.shift;
            *sum = if column.negative { sum.wrapping_sub(total) } else { sum.wrapping_add(total) };
        }
    }
    saturated.iter().sum()
}

/// Converts a pair of columns for all windows. Returns the number of saturated conversions.
#[inline(always)]
fn convert_pair(inputs: InputBits<'_>, pair: Pair<'_>, widths: Widths, sums: &mut [u64]) -> u64 {
    let mut saturated = [0_u64; LANES];
    for (at, sums) in sums.chunks_exact_mut(LANES).enumerate() {
        let mut total = [0_i64; LANES];
        for (first, bits) in chunks(inputs.bits(widths), widths) {
            let inputs = inputs.skip_bits(first, widths);
            let plus = column_sums(inputs, at * LANES, pair.positive, bits, widths);
            let minus = column_sums(inputs, at * LANES, pair.negative, bits, widths);
            for lane in 0..LANES {
                let sum = plus[lane] as i64 - minus[lane] as i64;
                saturated[lane] += u64::from(sum.abs() > pair.max_code);
                total[lane] = (total[lane] << widths.dac) + sum.clamp(-pair.max_code, pair.max_code);
            }
        }
        for (sum, total) in sums.iter_mut().zip(total) {
            *sum = sum.wrapping_add((total << pair.shift) as u64);
        }
    }
    saturated.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against sums row by row, for one word and two, single bits and several, with and without a sign.
    #[test]
    fn codes_are_those_of_sums_row_by_row() {
        for widths in [
            Widths { dac: 1, cell: 1, words: 1 },
            Widths { dac: 1, cell: 1, words: 2 },
            Widths { dac: 2, cell: 3, words: 2 },
        ] {
            let (bits, stride) = (4, LANES);
            let random = |at: usize| (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
            let words: Vec<u64> = (0..bits * widths.words * stride).map(random).collect();
            let cells: Vec<u64> = (0..2 * widths.cell * widths.words).map(|at| random(at + 999)).collect();
            let (positive, negative) = cells.split_at(widths.cell * widths.words);
            let level = |cells: &[u64], row: usize| -> i64 {
                let plane = |plane: usize| (cells[plane * widths.words + row / 64] >> (row % 64) & 1) as i64;
                (0..widths.cell).map(|at| plane(at) << at).sum()
            };
            let (max_code, shift) = (9, 3);
            let column = Conversion::Column(Column { cells: positive, max_code: 9, shift, negative: true });
            let pair = Conversion::Pair(Pair { positive, negative, max_code, shift });
            let mut got = vec![7_u64; stride];
            let clipped = convert(InputBits { words: &words, stride }, &[column, pair], widths, &mut got);
            let (mut expected_clipped, mut expected) = (0, vec![7_i64; stride]);
            for (window, expected) in expected.iter_mut().enumerate() {
                for chunk in 0..bits / widths.dac {
                    let input = |row: usize| -> i64 {
                        let bit = |bit: usize| {
                            let word =
                                ((chunk * widths.dac + bit) * widths.words + row / 64) * stride + window;
                            (words[word] >> (row % 64) & 1) as i64
                        };
                        (0..widths.dac).map(|at| bit(at) << at).sum()
                    };
                    let sum = |cells: &[u64]| -> i64 {
                        (0..64 * widths.words).map(|row| level(cells, row) * input(row)).sum()
                    };
                    let (plus, minus) = (sum(positive), sum(negative));
                    expected_clipped +=
                        u64::from(plus > max_code) + u64::from((plus - minus).abs() > max_code);
                    let codes = (plus - minus).clamp(-max_code, max_code) - plus.min(max_code);
                    *expected += codes << (shift as usize + chunk * widths.dac);
                }
            }
            let got: Vec<i64> = got.into_iter().map(|sum| sum as i64).collect();
            assert_eq!((got, clipped), (expected, expected_clipped), "{widths:?}");
        }
    }
}
