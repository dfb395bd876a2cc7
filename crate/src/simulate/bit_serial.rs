//! Ideal crossbars with converters of unit steps, all in integers: every column sum is a population count
//! that goes through its converter and is shifted and added digitally.
//!
//! A conversion of `b` bits returns `min(sum, 2^b - 1)`. If a pair of columns is subtracted in analog, one
//! of the bits is the sign, and it returns `clamp(sum, -(2^(b-1) - 1), 2^(b-1) - 1)`. 0 bits return 0.
//! The output is `sum over slices and input chunks of 2^(slice * c + chunk * d) * code`, positive minus
//! negative, minus what the offsets of weights and inputs added: `offset * sum u` and `z * sum w`.

use crossdub_kernels::bit_serial::{Column, Conversion, InputBits, LANES, Pair, Widths, convert};

use super::crossbars::{CrossbarLayout, Crossbars, WORD};
use crate::config::Subtraction;

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

/// Runs all windows of an input through a layer's crossbars.
///
/// # Shapes
/// - `patches`: `[positions, inputs]` integers `u`; `zero` is `z`, the integer of 0
/// - output: `[outputs, positions]` sums
pub fn simulate(crossbars: &Crossbars, patches: &[u16], zero: u16) -> Output {
    let layout = &crossbars.layout;
    let widths = Widths { dac: layout.dac_bits, cell: layout.cell_bits, words: layout.words };
    let planes = InputPlanes::pack(layout, patches, crossbars.weights.cols);
    let (sums, saturated) = convert_all(crossbars, &planes, widths);
    Output { sums: subtract_offsets(crossbars, patches, zero, &sums, planes.stride), saturated }
}

/// Makes all conversions: sums `[output][window]` in two's complement, and saturated conversions by tile.
fn convert_all(crossbars: &Crossbars, planes: &InputPlanes, widths: Widths) -> (Vec<u64>, Vec<u64>) {
    let layout = &crossbars.layout;
    let (stride, outputs) = (planes.stride, crossbars.weights.rows);
    let mut sums = vec![0_u64; outputs * stride];
    let mut saturated = vec![0; layout.tiling.len()];
    let cells_of_crossbar = widths.cell * widths.words;
    let inputs_of_group = layout.input_bits * widths.words * stride;
    let mut conversions = Vec::new();
    for (group, words) in planes.words.chunks_exact(inputs_of_group).enumerate() {
        for (output, sums) in sums.chunks_exact_mut(stride).enumerate() {
            let cells = crossbars.cells(group, output);
            let column = |crossbar: usize| &cells[crossbar * cells_of_crossbar..][..cells_of_crossbar];
            let shift = |slice| layout.slicing.shift(slice);
            conversions.clear();
            for (conversion, bits) in crossbars.bits(group, output).iter().enumerate() {
                let Some(bits) = *bits else { continue };
                if layout.subtraction == Subtraction::Analog {
                    conversions.push(Conversion::Pair(Pair {
                        positive: column(2 * conversion),
                        negative: column(2 * conversion + 1),
                        max_code: (1_i64 << bits.max(1) >> 1) - 1,
                        shift: shift(conversion),
                    }));
                    continue;
                }
                let polarities = layout.slicing.polarities();
                let (slice, negative) = (conversion / polarities, conversion % polarities == 1);
                let (cells, max_code) = (column(conversion), (1_u64 << bits) - 1);
                // A column without a set cell carries no current.
                if cells.iter().any(|&word| word != 0) {
                    let column = Column { cells, max_code, shift: shift(slice), negative };
                    conversions.push(Conversion::Column(column));
                }
            }
            let inputs = InputBits { words, stride };
            saturated[layout.tile(group, output)] += convert(inputs, &conversions, widths, sums);
        }
    }
    (sums, saturated)
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
