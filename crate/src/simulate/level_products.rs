//! Column sums as products of levels: the same conversions as [`bit_serial`](super::bit_serial), faster where cells and
//! input chunks have many bits.
//!
//! A sum of `n` cells of `c` bits under chunks of `d` bits takes `c d` population counts of 64 rows there, and `n`
//! multiplications here. They are done in `f32`, which holds every sum exactly as long as it stays below `2^24`.

use crossdub_kernels::matrix_product::{product, width};

use super::bit_serial::{Output, subtract_offsets};
use super::crossbars::{CrossbarLayout, Crossbars};
use crate::config::Subtraction;

/// Population counts a conversion from which on products are faster: measured on AVX2, 1.5 to 3 times at 8.
const LEAST_COUNTS: usize = 8;
/// Beyond this, `f32` skips integers.
const EXACT: u64 = 1 << 24;

/// Whether products are exact for a layer, and faster than counts.
pub(crate) fn pays(layout: &CrossbarLayout) -> bool {
    let rows = layout.groups.iter().map(|group| group.inputs.len()).max().unwrap_or(0) as u64;
    let largest_input = (1_u64 << layout.dac_bits.min(layout.input_bits)) - 1;
    let largest =
        rows.checked_mul(u64::from(layout.max_level())).and_then(|sum| sum.checked_mul(largest_input));
    let counts = layout.cell_bits * layout.dac_bits * layout.words;
    counts >= LEAST_COUNTS && largest.is_some_and(|largest| largest < EXACT)
}

/// A column with its own conversion, or a pair of them.
struct Column {
    output: usize,
    tile: usize,
    /// The smallest and the largest code.
    codes: (f32, f32),
    /// What a code counts in the output.
    unit: i64,
}

/// The columns of a group of rows that convert anything, and their levels, `[column][row]`.
struct GroupColumns {
    columns: Vec<Column>,
    levels: Vec<f32>,
}

impl GroupColumns {
    fn new(crossbars: &Crossbars, group: usize) -> Self {
        let layout = &crossbars.layout;
        let inputs = layout.groups[group].inputs.clone();
        let (mut columns, mut levels) = (Vec::new(), Vec::new());
        for output in 0..crossbars.weights.rows {
            let weights = &crossbars.weights.row(output)[inputs.clone()];
            for (conversion, bits) in crossbars.bits(group, output).iter().enumerate() {
                let Some(bits) = *bits else { continue };
                let cell = |weight: i16, crossbar: usize| layout.slicing.cell(weight, crossbar) as f32;
                let start = levels.len();
                let (slice, codes, sign) = if layout.subtraction == Subtraction::Analog {
                    let pair = (2 * conversion, 2 * conversion + 1);
                    levels.extend(weights.iter().map(|&weight| cell(weight, pair.0) - cell(weight, pair.1)));
                    let largest = ((1_i64 << bits.max(1) >> 1) - 1) as f32;
                    (conversion, (-largest, largest), 1)
                } else {
                    levels.extend(weights.iter().map(|&weight| cell(weight, conversion)));
                    let polarities = layout.slicing.polarities();
                    let sign = if conversion % polarities == 1 { -1 } else { 1 };
                    (conversion / polarities, (0.0, ((1_u64 << bits) - 1) as f32), sign)
                };
                // A column without a set cell carries no current.
                if levels[start..].iter().all(|&level| level == 0.0) {
                    levels.truncate(start);
                    continue;
                }
                let unit = sign * (1_i64 << layout.slicing.shift(slice));
                columns.push(Column { output, tile: layout.tile(group, output), codes, unit });
            }
        }
        Self { columns, levels }
    }
}

/// Runs all windows of an input through a layer's crossbars, for which it [`pays`].
///
/// # Shapes
/// - `patches`: `[positions, inputs]` integers `u`; `zero` is `z`, the integer of 0
/// - output: `[outputs, positions]` sums
pub(crate) fn simulate(crossbars: &Crossbars, patches: &[u16], zero: u16) -> Output {
    let (layout, inputs, windows) = (&crossbars.layout, crossbars.weights.cols, width());
    let stride = (patches.len() / inputs).next_multiple_of(windows);
    let mut sums = vec![0_u64; crossbars.weights.rows * stride];
    let mut saturated = vec![0_u64; layout.tiling.len()];
    for group in 0..layout.groups.len() {
        let GroupColumns { columns, levels } = GroupColumns::new(crossbars, group);
        let mut products = vec![0.0; columns.len() * windows];
        for start in (0..stride).step_by(windows) {
            for (chunk, inputs) in
                chunks_of_windows(layout, group, patches, (inputs, start)).iter().enumerate()
            {
                product(&levels, inputs, &mut products);
                for (column, products) in columns.iter().zip(products.chunks_exact(windows)) {
                    let sums = &mut sums[column.output * stride + start..][..windows];
                    saturated[column.tile] += column.convert(products, chunk * layout.dac_bits, sums);
                }
            }
        }
    }
    Output { sums: subtract_offsets(crossbars, patches, zero, &sums, stride), saturated }
}

impl Column {
    /// Adds the codes of its sums. Returns how many saturate.
    fn convert(&self, products: &[f32], shift: usize, sums: &mut [u64]) -> u64 {
        let ((low, high), unit) = (self.codes, self.unit << shift);
        let mut saturated = 0;
        for (sum, &product) in sums.iter_mut().zip(products) {
            saturated += u64::from(product > high || product < low);
            // Below `2^24`.
            let code = product.clamp(low, high) as i32;
            *sum = sum.wrapping_add((i64::from(code) * unit).cast_unsigned());
        }
        saturated
    }
}

/// The chunks of the inputs of the `width()` windows from `start` on, `[chunk][row][window]`, lowest bits first. Windows
/// beyond the last are 0.
fn chunks_of_windows(
    layout: &CrossbarLayout,
    group: usize,
    patches: &[u16],
    (inputs, start): (usize, usize),
) -> Vec<Vec<f32>> {
    let (range, windows) = (layout.groups[group].inputs.clone(), width());
    let mut chunks = vec![vec![0.0; range.len() * windows]; layout.chunks()];
    let mask = u16::MAX >> (u16::BITS as usize - layout.dac_bits.min(u16::BITS as usize));
    for (window, patch) in patches.chunks_exact(inputs).skip(start).take(windows).enumerate() {
        for (row, &input) in patch[range.clone()].iter().enumerate() {
            for (chunk, rows) in chunks.iter_mut().enumerate() {
                rows[row * windows + window] = f32::from((input >> (chunk * layout.dac_bits)) & mask);
            }
        }
    }
    chunks
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{HardwareConfig, Resolution};
    use crate::matrix::Matrix;
    use crate::simulate::bit_serial;

    proptest! {
        /// Against population counts, whatever the widths.
        #[test]
        fn sums_are_those_of_the_counts(
            weights in prop::collection::vec(-1.0_f32..1.0, 5 * 21), inputs in prop::collection::vec(any::<u16>(), 19 * 21),
            cell_bits in 1_u32..8, (input_bits, dac_bits) in (1_u32..12).prop_flat_map(|bits| (Just(bits), 1..=bits)),
            active_rows in 0_usize..9, mapping in 0_usize..3, resolution in 0_usize..4, zero in 0_u16..9,
        ) {
            let subtraction = [Subtraction::Digital, Subtraction::Analog, Subtraction::Offset][mapping];
            let resolution =
                [Resolution::Lossless, Resolution::LosslessSliced, Resolution::Bits(4), Resolution::Paper][resolution];
            let hardware = HardwareConfig {
                tile: 16, columns: 4, cell_bits, input_bits, dac_bits, active_rows, subtraction, resolution,
                ..HardwareConfig::default()
            };
            let matrix = Matrix::new("w", 5, 21, weights).expect("fits");
            let crossbars = Crossbars::new(&matrix, &hardware);
            let inputs: Vec<u16> = inputs.iter().map(|input| input % (1 << input_bits)).collect();
            let counted = bit_serial::simulate(&crossbars, &inputs, zero);
            prop_assert_eq!(simulate(&crossbars, &inputs, zero), counted);
        }
    }

    #[test]
    fn sums_beyond_exact_floats_are_counted() {
        let layout = |tile: usize, cell_bits: u32, dac_bits: u32| {
            let hardware = HardwareConfig { tile, cell_bits, dac_bits, ..HardwareConfig::default() };
            CrossbarLayout::new(8, 4096, &hardware)
        };
        assert!(!pays(&layout(64, 1, 1)) && pays(&layout(64, 7, 8)) && !pays(&layout(4096, 7, 8)));
        assert!(pays(&layout(4096, 4, 8)), "4096 x 15 x 255 is below 2^24");
    }
}
