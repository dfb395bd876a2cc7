//! Ideal crossbars in the granular range, all in integers: every column sum is a population count,
//! goes through its converter, and is shifted and added digitally.
//!
//! A conversion of `b` bits gives `min(sum, 2^b - 1)`; where a pair of columns is subtracted in
//! analog, its sign is one of the bits and it gives `clamp(sum, -(2^(b-1) - 1), 2^(b-1) - 1)`. 0 bits
//! give 0. The output is `sum over slices and input chunks of 2^(slice * c + chunk * d) * code`, positive less
//! negative, less what the shifts of weights and inputs added: `offset * sum u` and `z * sum w`.

use super::crossbars::{Crossbars, Layout, WORD};
use crate::config::Subtraction;
use crate::parallel;

/// Windows that are computed side by side, in one or two vector registers.
const LANES: usize = 8;

/// What a layer's crossbars gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// `[outputs, positions]` integers, as [`super::reference::integers`] gives them.
    pub sums: Vec<i64>,
    /// Conversions whose sum had no code of its own, by tile.
    pub saturated: Vec<u64>,
}

/// The bits of all windows' inputs.
struct Planes {
    /// `[group][bit][word][window]`.
    words: Vec<u64>,
    /// Windows, rounded up to whole lanes of zeros.
    stride: usize,
}

impl Planes {
    fn pack(layout: &Layout, patches: &[u16], inputs: usize) -> Self {
        let stride = (patches.len() / inputs).next_multiple_of(LANES);
        let size = layout.input_bits * layout.words * stride;
        let mut words = vec![0; layout.groups.len() * size];
        for (planes, group) in words.chunks_exact_mut(size).zip(&layout.groups) {
            for (window, patch) in patches.chunks_exact(inputs).enumerate() {
                for (at, &input) in patch[group.inputs.clone()].iter().enumerate() {
                    // What a ReLU cut off has no bit to set.
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

/// The widths that decide how much work a conversion is.
#[derive(Debug, Clone, Copy)]
struct Widths {
    dac: usize,
    cell: usize,
    words: usize,
}

/// Runs all windows of an input through a layer's crossbars.
///
/// # Shapes
/// - `patches`: `[positions, inputs]` integers `u`; `zero` is the integer of 0
pub fn simulate(crossbars: &Crossbars, patches: &[u16], zero: u16) -> Output {
    let layout = &crossbars.layout;
    let widths = Widths { dac: layout.dac_bits, cell: layout.cell_bits, words: layout.words };
    simulate_with(crossbars, patches, zero, widths, true)
}

fn simulate_with(crossbars: &Crossbars, patches: &[u16], zero: u16, widths: Widths, special: bool) -> Output {
    let inputs = crossbars.weights.cols;
    let planes = Planes::pack(&crossbars.layout, patches, inputs);
    let (sums, saturated) = parallel::vectorized(
        #[inline(always)]
        // Known widths unroll the loops inside.
        || match widths {
            Widths { dac: 1, cell: 1, words: 1 } if special => {
                convert(crossbars, &planes, Widths { dac: 1, cell: 1, words: 1 })
            }
            Widths { dac: 1, cell: 1, words: 2 } if special => {
                convert(crossbars, &planes, Widths { dac: 1, cell: 1, words: 2 })
            }
            widths => convert(crossbars, &planes, widths),
        },
    );
    Output { sums: without_shifts(crossbars, patches, zero, &sums, planes.stride), saturated }
}

/// All conversions: sums `[output][window]` in two's complement, and saturations by tile.
#[inline(always)]
fn convert(crossbars: &Crossbars, planes: &Planes, widths: Widths) -> (Vec<u64>, Vec<u64>) {
    let layout = &crossbars.layout;
    let (stride, outputs) = (planes.stride, crossbars.weights.rows);
    let mut sums = vec![0_u64; outputs * stride];
    let mut saturated = vec![0; layout.tiling.len()];
    let cells_of_crossbar = widths.cell * widths.words;
    let inputs_of_group = layout.input_bits * widths.words * stride;
    for (group, inputs) in planes.words.chunks_exact(inputs_of_group).enumerate() {
        for (output, sums) in sums.chunks_exact_mut(stride).enumerate() {
            let cells = crossbars.cells(group, output);
            let mut over = 0;
            for (conversion, bits) in crossbars.bits(group, output).iter().enumerate() {
                let Some(bits) = *bits else { continue };
                let shift = |slice| layout.slicing.shift(slice);
                let column = |crossbar: usize| &cells[crossbar * cells_of_crossbar..][..cells_of_crossbar];
                if layout.subtraction == Subtraction::Analog {
                    let pair = [column(2 * conversion), column(2 * conversion + 1)];
                    let most = (1_i64 << bits.max(1) >> 1) - 1;
                    over += convert_pair(inputs, stride, pair, most, shift(conversion), widths, sums);
                } else {
                    let polarities = layout.slicing.polarities();
                    let (slice, negative) = (conversion / polarities, conversion % polarities == 1);
                    let column = column(conversion);
                    // Without a cell there is no current.
                    if column.iter().any(|&word| word != 0) {
                        let most = (1_u64 << bits) - 1;
                        over +=
                            convert_one(inputs, stride, column, most, (shift(slice), negative), widths, sums);
                    }
                }
            }
            saturated[layout.tile(group, output)] += over;
        }
    }
    (sums, saturated)
}

/// Column sums of `LANES` windows under one chunk of input bits, which starts at `inputs`' row `at`.
#[inline(always)]
fn column_sums(
    inputs: &[u64],
    at: usize,
    stride: usize,
    cells: &[u64],
    bits: usize,
    widths: Widths,
) -> [u64; LANES] {
    let mut sums = [0; LANES];
    for bit in 0..bits {
        for plane in 0..widths.cell {
            for word in 0..widths.words {
                let start = (bit * widths.words + word) * stride + at;
                let Some(inputs) = inputs[start..].first_chunk::<LANES>() else { continue };
                let cells = cells[plane * widths.words + word];
                for lane in 0..LANES {
                    sums[lane] += u64::from((inputs[lane] & cells).count_ones()) << (bit + plane);
                }
            }
        }
    }
    sums
}

/// The chunks of input bits, highest first, each as its first bit's place and its width.
#[inline(always)]
fn chunks(inputs: usize, widths: Widths) -> impl Iterator<Item = (usize, usize)> {
    let count = inputs.div_ceil(widths.dac);
    (0..count).rev().map(move |chunk| {
        let first = chunk * widths.dac;
        (first, widths.dac.min(inputs - first))
    })
}

/// One column through its converter, for all windows; gives how often it saturated.
#[inline(always)]
fn convert_one(
    inputs: &[u64],
    stride: usize,
    cells: &[u64],
    most: u64,
    (shift, negative): (u32, bool),
    widths: Widths,
    sums: &mut [u64],
) -> u64 {
    let input_bits = inputs.len() / (widths.words * stride);
    let mut saturated = [0_u64; LANES];
    for (at, sums) in sums.chunks_exact_mut(LANES).enumerate() {
        let mut total = [0_u64; LANES];
        for (first, bits) in chunks(input_bits, widths) {
            let inputs = &inputs[first * widths.words * stride..];
            let sum = column_sums(inputs, at * LANES, stride, cells, bits, widths);
            for lane in 0..LANES {
                saturated[lane] += u64::from(sum[lane] > most);
                total[lane] = (total[lane] << widths.dac) + sum[lane].min(most);
            }
        }
        for (sum, total) in sums.iter_mut().zip(total) {
            let total = total << shift;
            *sum = if negative { sum.wrapping_sub(total) } else { sum.wrapping_add(total) };
        }
    }
    saturated.iter().sum()
}

/// A pair of columns, subtracted before one conversion with a sign.
#[inline(always)]
fn convert_pair(
    inputs: &[u64],
    stride: usize,
    [positive, negative]: [&[u64]; 2],
    most: i64,
    shift: u32,
    widths: Widths,
    sums: &mut [u64],
) -> u64 {
    let input_bits = inputs.len() / (widths.words * stride);
    let mut saturated = [0_u64; LANES];
    for (at, sums) in sums.chunks_exact_mut(LANES).enumerate() {
        let mut total = [0_i64; LANES];
        for (first, bits) in chunks(input_bits, widths) {
            let inputs = &inputs[first * widths.words * stride..];
            let plus = column_sums(inputs, at * LANES, stride, positive, bits, widths);
            let minus = column_sums(inputs, at * LANES, stride, negative, bits, widths);
            for lane in 0..LANES {
                let sum = plus[lane] as i64 - minus[lane] as i64;
                saturated[lane] += u64::from(sum.abs() > most);
                total[lane] = (total[lane] << widths.dac) + sum.clamp(-most, most);
            }
        }
        for (sum, total) in sums.iter_mut().zip(total) {
            *sum = sum.wrapping_add((total << shift) as u64);
        }
    }
    saturated.iter().sum()
}

/// Takes away what the shifted inputs and weights added to sums in two's complement, `stride` of
/// them for each output.
pub(super) fn without_shifts(
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
    let mut left = Vec::with_capacity(weights.rows * offsets.len());
    for (output, sums) in sums.chunks_exact(stride).enumerate() {
        let weight_sum: i64 = weights.row(output).iter().map(|&w| i64::from(w)).sum();
        let zeros = i64::from(zero) * weight_sum;
        left.extend(sums.iter().zip(&offsets).map(|(&sum, offset)| sum as i64 - offset - zeros));
    }
    left
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

    /// One active row needs a bit to be read at all, and by the paper's count it gets none.
    #[test]
    fn paper_loses_a_column_with_one_active_row() {
        let weights = [1.0, 0.0, 0.0, 0.0];
        let paper = output(&weights, &[3, 9, 9, 9], |h| h.resolution = Resolution::Paper);
        // 127 has 7 set bits and 3 has 2: 14 sums of 1.
        assert_eq!((paper.sums, paper.saturated), (vec![0], vec![14]));
        let lossless = output(&weights, &[3, 9, 9, 9], |h| h.resolution = Resolution::Lossless);
        assert_eq!((lossless.sums, lossless.saturated), (vec![3 * 127], vec![0]));
    }

    /// By hand: 3-bit weights 3, 3, 1 and -2; two bits of resolution clip the sums at 3.
    #[test]
    fn a_converter_clips_what_has_no_code() {
        let weights = [3.0, 3.0, 3.0, 3.0, 3.0, -3.0, -3.0, -3.0];
        let change = |bits| {
            move |h: &mut HardwareConfig| {
                (h.weight_precision, h.input_bits, h.resolution) = (3, 1, Resolution::Bits(bits));
            }
        };
        let exact = output(&weights, &[1; 4], change(3));
        assert_eq!((exact.sums, exact.saturated), (vec![12, -6], vec![0]));
        // Both slices of the first column sum up to 4 and read 3.
        let clipped = output(&weights, &[1; 4], change(2));
        assert_eq!((clipped.sums, clipped.saturated), (vec![9, -6], vec![2]));
        let analog = |h: &mut HardwareConfig| {
            change(2)(h);
            h.subtraction = Subtraction::Analog;
        };
        // A sign and one bit: -1 to 1, for 4 and for 1 - 3.
        let pair = output(&weights, &[1; 4], analog);
        assert_eq!((pair.sums, pair.saturated), (vec![3, -3], vec![4]));
    }
}
