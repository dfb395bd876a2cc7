//! Ideal crossbars with converters of unit steps, all in integers: every column sum is a population count
//! that goes through its converter and is shifted and added digitally.
//!
//! A conversion of `b` bits returns `min(sum, 2^b - 1)`. If a pair of columns is subtracted in analog, one
//! of the bits is the sign, and it returns `clamp(sum, -(2^(b-1) - 1), 2^(b-1) - 1)`. 0 bits return 0.
//! The output is `sum over slices and input chunks of 2^(slice * c + chunk * d) * code`, positive minus
//! negative, minus what the offsets of weights and inputs added: `offset * sum u` and `z * sum w`.

use super::crossbars::{CrossbarLayout, Crossbars, WORD};
use crate::config::Subtraction;
use crate::parallel;

/// Number of windows computed side by side, in one or two vector registers.
const LANES: usize = 8;

/// The output of a layer's crossbars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// `[outputs, positions]` integers, comparable with [`super::reference::integers`].
    pub sums: Vec<i64>,
    /// Conversions whose sum was beyond the largest code, by tile.
    pub saturated: Vec<u64>,
}

/// The inputs of all windows as bit planes.
struct InputPlanes {
    /// `[group][bit][word][window]`.
    words: Vec<u64>,
    /// Number of windows, rounded up to a multiple of `LANES`; the padding is zero.
    stride: usize,
}

impl InputPlanes {
    fn pack(layout: &CrossbarLayout, patches: &[u16], inputs: usize) -> Self {
        let stride = (patches.len() / inputs).next_multiple_of(LANES);
        let size = layout.input_bits * layout.words * stride;
        let mut words = vec![0; layout.groups.len() * size];
        for (planes, group) in words.chunks_exact_mut(size).zip(&layout.groups) {
            for (window, patch) in patches.chunks_exact(inputs).enumerate() {
                for (at, &input) in patch[group.inputs.clone()].iter().enumerate() {
                    // Most inputs are 0 after a ReLU.
                    if input != 0 {
                        for bit in 0..layout.input_bits {
                            planes[(bit * layout.words + at / WORD) * stride + window] |=
                                ((u64::from(input) >> bit) & 1) << (at % WORD);
                        }
                    }
                }
            }
        }
        Self { words, stride }
    }
}

/// The widths that determine the work of a conversion.
#[derive(Debug, Clone, Copy)]
struct Widths {
    dac: usize,
    cell: usize,
    words: usize,
}

/// Runs all windows of an input through a layer's crossbars.
///
/// # Shapes
/// - `patches`: `[positions, inputs]` integers `u`; `zero` is `z`, the integer of 0
/// - output: `[outputs, positions]` sums
pub fn simulate(crossbars: &Crossbars, patches: &[u16], zero: u16) -> Output {
    let layout = &crossbars.layout;
    let widths = Widths { dac: layout.dac_bits, cell: layout.cell_bits, words: layout.words };
    let planes = InputPlanes::pack(layout, patches, crossbars.weights.cols);
    let (sums, saturated) = parallel::vectorized(
        #[inline(always)]
        // Constant widths let the compiler unroll the loops.
        || match widths {
            Widths { dac: 1, cell: 1, words: 1 } => {
                convert(crossbars, &planes, Widths { dac: 1, cell: 1, words: 1 })
            }
            Widths { dac: 1, cell: 1, words: 2 } => {
                convert(crossbars, &planes, Widths { dac: 1, cell: 1, words: 2 })
            }
            widths => convert(crossbars, &planes, widths),
        },
    );
    Output { sums: subtract_offsets(crossbars, patches, zero, &sums, planes.stride), saturated }
}

/// Makes all conversions: sums `[output][window]` in two's complement, and saturated conversions by tile.
#[inline(always)]
fn convert(crossbars: &Crossbars, planes: &InputPlanes, widths: Widths) -> (Vec<u64>, Vec<u64>) {
    let layout = &crossbars.layout;
    let (stride, outputs) = (planes.stride, crossbars.weights.rows);
    let mut sums = vec![0_u64; outputs * stride];
    let mut saturated = vec![0; layout.tiling.len()];
    let cells_of_crossbar = widths.cell * widths.words;
    let inputs_of_group = layout.input_bits * widths.words * stride;
    for (group, words) in planes.words.chunks_exact(inputs_of_group).enumerate() {
        let inputs = GroupInputs { words, stride };
        for (output, sums) in sums.chunks_exact_mut(stride).enumerate() {
            let cells = crossbars.cells(group, output);
            let mut clipped = 0;
            for (conversion, bits) in crossbars.bits(group, output).iter().enumerate() {
                let Some(bits) = *bits else { continue };
                let shift = |slice| layout.slicing.shift(slice);
                let column = |crossbar: usize| &cells[crossbar * cells_of_crossbar..][..cells_of_crossbar];
                if layout.subtraction == Subtraction::Analog {
                    let pair = Pair {
                        positive: column(2 * conversion),
                        negative: column(2 * conversion + 1),
                        max_code: (1_i64 << bits.max(1) >> 1) - 1,
                        shift: shift(conversion),
                    };
                    clipped += convert_pair(inputs, pair, widths, sums);
                } else {
                    let polarities = layout.slicing.polarities();
                    let (slice, negative) = (conversion / polarities, conversion % polarities == 1);
                    let column = column(conversion);
                    // A column without a set cell carries no current.
                    if column.iter().any(|&word| word != 0) {
                        let max_code = (1_u64 << bits) - 1;
                        let column = Column { cells: column, max_code, shift: shift(slice), negative };
                        clipped += convert_column(inputs, column, widths, sums);
                    }
                }
            }
            saturated[layout.tile(group, output)] += clipped;
        }
    }
    (sums, saturated)
}

/// The input bits of one group of rows: `[bit][word][window]`.
#[derive(Clone, Copy)]
struct GroupInputs<'a> {
    words: &'a [u64],
    /// Number of windows, padding included.
    stride: usize,
}

impl<'a> GroupInputs<'a> {
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
#[derive(Clone, Copy)]
struct Column<'a> {
    /// `[plane][word]`.
    cells: &'a [u64],
    max_code: u64,
    /// The code counts `2^shift` in the output.
    shift: u32,
    /// Whether the code is subtracted.
    negative: bool,
}

/// Two columns that are subtracted before one conversion with a sign.
#[derive(Clone, Copy)]
struct Pair<'a> {
    positive: &'a [u64],
    negative: &'a [u64],
    max_code: i64,
    /// The code counts `2^shift` in the output.
    shift: u32,
}

/// Column sums of the `LANES` windows from `window` on, under the first `bits` bits of `inputs`.
#[inline(always)]
fn column_sums(
    inputs: GroupInputs<'_>,
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
fn convert_column(inputs: GroupInputs<'_>, column: Column<'_>, widths: Widths, sums: &mut [u64]) -> u64 {
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
fn convert_pair(inputs: GroupInputs<'_>, pair: Pair<'_>, widths: Widths, sums: &mut [u64]) -> u64 {
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

/// Subtracts what the offsets of inputs and weights added to the sums, which are in two's complement,
/// `stride` of them for each output.
pub(super) fn subtract_offsets(
    crossbars: &Crossbars,
    patches: &[u16],
    zero: u16,
    sums: &[u64],
    stride: usize,
) -> Vec<i64> {
    let (weights, offset) = (&crossbars.weights, i64::from(crossbars.layout.slicing.offset()));
    let input_sum = |window: &[u16]| window.iter().map(|&u| i64::from(u)).sum::<i64>();
    let windows = patches.chunks_exact(weights.cols);
    let offsets: Vec<i64> =
        windows.map(|window| if offset == 0 { 0 } else { offset * input_sum(window) }).collect();
    let mut exact = Vec::with_capacity(weights.rows * offsets.len());
    for (output, sums) in sums.chunks_exact(stride).enumerate() {
        let weight_sum: i64 = weights.row(output).iter().map(|&w| i64::from(w)).sum();
        let zeros = i64::from(zero) * weight_sum;
        exact.extend(sums.iter().zip(&offsets).map(|(&sum, offset)| sum as i64 - offset - zeros));
    }
    exact
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::config::{HardwareConfig, Resolution};
    use crate::matrix::Matrix;

    fn output(weights: &[f32], inputs: &[u16], change: impl FnOnce(&mut HardwareConfig)) -> Output {
        let mut hardware = HardwareConfig { tile: 4, ..HardwareConfig::default() };
        change(&mut hardware);
        let matrix = Matrix::new("w", weights.len() / inputs.len(), inputs.len(), weights.to_vec());
        simulate(&Crossbars::new(&matrix.expect("fits"), &hardware), inputs, 0)
    }

    /// One active row needs a bit, and the paper's count gives it none.
    #[test]
    fn the_paper_resolution_loses_columns_with_one_active_row() {
        let weights = [1.0, 0.0, 0.0, 0.0];
        let paper = output(&weights, &[3, 9, 9, 9], |h| h.resolution = Resolution::Paper);
        // 127 has 7 bits set, 3 has 2: 14 sums of 1.
        assert_eq!((paper.sums, paper.saturated), (vec![0], vec![14]));
        let lossless = output(&weights, &[3, 9, 9, 9], |h| h.resolution = Resolution::Lossless);
        assert_eq!((lossless.sums, lossless.saturated), (vec![3 * 127], vec![0]));
    }

    /// By hand: 3-bit weights 3, 3, 1 and -2; two bits of resolution clip the sums at 3.
    #[test]
    fn converters_clip_sums_above_the_largest_code() {
        let weights = [3.0, 3.0, 3.0, 3.0, 3.0, -3.0, -3.0, -3.0];
        let change = |bits| {
            move |h: &mut HardwareConfig| {
                (h.weight_precision, h.input_bits, h.resolution) = (3, 1, Resolution::Bits(bits));
            }
        };
        let exact = output(&weights, &[1; 4], change(3));
        assert_eq!((exact.sums, exact.saturated), (vec![12, -6], vec![0]));
        // Both slices of the first column sum to 4 and are read as 3.
        let clipped = output(&weights, &[1; 4], change(2));
        assert_eq!((clipped.sums, clipped.saturated), (vec![9, -6], vec![2]));
        let analog = |h: &mut HardwareConfig| {
            change(2)(h);
            h.subtraction = Subtraction::Analog;
        };
        // A sign and one bit: codes from -1 to 1, for sums of 4 and 1 - 3.
        let pair = output(&weights, &[1; 4], analog);
        assert_eq!((pair.sums, pair.saturated), (vec![3, -3], vec![4]));
    }
}
