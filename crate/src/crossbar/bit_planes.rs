//! D.U.B. on bit planes: how many cells of a column may be set in each weight slice and polarity, and the integer
//! weights nearest to given ones that keep to it.
//!
//! What a conversion must tell apart is the number of set cells in its column, not that of non-zero weights. With at
//! most `2^b - 1` of them (**discrete**), in any of the rows that are active at once (**unstructured**), in every column
//! of a tile (**balanced**), `b` bits lose nothing.

use crossdub_kernels::column_projection::ColumnProjection;
use crossdub_kernels::rounding::squared_error;

use super::quantize::{QuantizedMatrix, most_of};
use super::tiling::{TileShape, Tiling};
use crate::config::HardwareConfig;
use crate::matrix::Matrix;
use crate::parallel;

/// Candidates for a step: so many fractions of the step at which the largest weight is the largest integer.
const STEP_CANDIDATES: usize = 17;
/// The smallest of these fractions.
const SMALLEST_STEP: f64 = 0.2;

/// How a layer's weights become integers.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerQuantization {
    /// Bits of a weight, its sign among them.
    pub precision: u32,
    /// The value of one unit: one number, or one for each output.
    pub steps: Vec<f32>,
    /// The most set cells of a column in each slice and polarity: one number for all, one a tile, one a tile and slice
    /// (the slices of a tile side by side, the lowest bits first), or one a tile, slice and polarity (positive first).
    /// Empty without a limit.
    pub caps: Vec<u32>,
}

/// The cells of a crossbar, as far as the integers depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellShape {
    /// The shape of a tile.
    pub tile: TileShape,
    /// Bits of a cell.
    pub cell_bits: u32,
    /// Rows that are active at once: a conversion sees the cells of so many rows of its column.
    pub rows_at_once: usize,
}

impl From<&HardwareConfig> for CellShape {
    fn from(hardware: &HardwareConfig) -> Self {
        Self {
            tile: TileShape::from(hardware),
            cell_bits: hardware.cell_bits,
            rows_at_once: hardware.rows_at_once(),
        }
    }
}

impl CellShape {
    /// What brings columns of weights of so many bits under their caps.
    pub(crate) fn projection(self, precision: u32) -> ColumnProjection {
        ColumnProjection::new(precision, self.cell_bits, self.rows_at_once)
    }
}

impl LayerQuantization {
    /// Steps for a layer that has none yet: of 17 candidates the one that loses the least squares by rounding, for the
    /// whole layer or for each output.
    ///
    /// ```
    /// use crossdub::crossbar::bit_planes::LayerQuantization;
    /// use crossdub::matrix::Matrix;
    ///
    /// let layer = Matrix::new("w", 1, 4, vec![1.5, -1.0, 0.5, 0.0])?;
    /// // 3 bits: integers from -3 to 3.
    /// assert_eq!(LayerQuantization::search_steps(&layer, 3, false), [0.5]);
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    pub fn search_steps(matrix: &Matrix, precision: u32, per_channel: bool) -> Vec<f32> {
        let largest = f64::from(largest_integer(precision));
        if !per_channel {
            return vec![best_step(&matrix.data, largest)];
        }
        parallel::map(matrix.rows, |row| best_step(matrix.row(row), largest))
    }

    /// The step of an output.
    pub fn step(&self, output: usize) -> f32 {
        self.steps[if self.steps.len() == 1 { 0 } else { output }]
    }

    /// Slices of a weight on these cells.
    pub fn slices(&self, cells: CellShape) -> usize {
        (self.precision - 1).div_ceil(cells.cell_bits) as usize
    }

    /// Whether there are as many caps as a layer of so many tiles can have.
    pub fn fits(&self, tiles: usize, cells: CellShape) -> bool {
        let slices = tiles * self.slices(cells);
        [0, 1, tiles, slices, 2 * slices].contains(&self.caps.len())
    }

    /// The caps of a tile, of so many tiles, for each slice and polarity; `usize::MAX` without a limit.
    fn caps_of(&self, tile: usize, tiles: usize, slices: usize) -> Vec<usize> {
        let at = |slice: usize, polarity: usize| match self.caps.len() {
            1 => 0,
            count if count == tiles => tile,
            count if count == tiles * slices => tile * slices + slice,
            _ => (tile * slices + slice) * 2 + polarity,
        };
        let cap = |slice: usize, polarity: usize| self.caps.get(at(slice, polarity));
        let caps = (0..slices).flat_map(|slice| [cap(slice, 0), cap(slice, 1)]);
        caps.map(|cap| cap.map_or(usize::MAX, |&cap| cap as usize)).collect()
    }

    /// The layer's integers: the nearest ones, brought under the caps column by column.
    ///
    /// ```
    /// use crossdub::crossbar::bit_planes::{CellShape, LayerQuantization};
    /// use crossdub::crossbar::tiling::TileShape;
    /// use crossdub::matrix::Matrix;
    ///
    /// let layer = Matrix::new("w", 1, 4, vec![1.1, 2.9, 1.2, -1.0])?;
    /// let cells = CellShape { tile: TileShape { rows: 4, columns: 2 }, cell_bits: 1, rows_at_once: 4 };
    /// let quantization = LayerQuantization { precision: 3, steps: vec![1.0], caps: vec![1] };
    /// // Three positive weights have their lowest bit set, and one may: 2.9 keeps its higher bit.
    /// assert_eq!(quantization.integers(&layer, cells).data, [0, 2, 1, -1]);
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    pub fn integers(&self, matrix: &Matrix, cells: CellShape) -> QuantizedMatrix {
        let tiling = Tiling::new(matrix, cells.tile);
        let (tiles, slices) = (tiling.len(), self.slices(cells));
        let bands = parallel::map(tiling.output_blocks(), |block| {
            let first = block * tiling.input_blocks();
            let outputs = tiling.tile(first).outputs;
            let mut band = Vec::with_capacity(outputs.len() * matrix.cols);
            let mut columns = cells.projection(self.precision);
            let caps: Vec<Vec<usize>> = (first..first + tiling.input_blocks())
                .map(|tile| self.caps_of(tile, tiles, slices))
                .collect();
            for output in outputs {
                let step = f64::from(self.step(output));
                let units: Vec<f64> =
                    matrix.row(output).iter().map(|&weight| f64::from(weight) / step).collect();
                for (block, caps) in caps.iter().enumerate() {
                    let inputs = tiling.tile(first + block).inputs;
                    band.extend_from_slice(columns.project(&units[inputs], caps));
                }
            }
            band
        });
        let scales = (0..matrix.rows).map(|output| f64::from(self.step(output))).collect();
        QuantizedMatrix { rows: matrix.rows, cols: matrix.cols, data: bands.concat(), scales }
    }

    /// The values of the integers, which [`QuantizedMatrix::from_integers`] reads back.
    pub fn values(&self, matrix: &Matrix, cells: CellShape) -> Vec<f32> {
        let integers = self.integers(matrix, cells);
        let mut values = Vec::with_capacity(integers.data.len());
        for output in 0..integers.rows {
            let step = self.step(output);
            values.extend(integers.row(output).iter().map(|&integer| f32::from(integer) * step));
        }
        values
    }
}

/// The largest integer of so many bits and a sign.
pub fn largest_integer(precision: u32) -> i16 {
    ((1_i32 << (precision - 1)) - 1) as i16
}

/// The step of least squares; 1 if all weights are 0.
fn best_step(weights: &[f32], largest: f64) -> f32 {
    let most = f64::from(most_of(weights));
    if most == 0.0 {
        return 1.0;
    }
    let candidates = (0..STEP_CANDIDATES).map(|at| {
        let share = SMALLEST_STEP + (1.0 - SMALLEST_STEP) * at as f64 / (STEP_CANDIDATES - 1) as f64;
        // Subnormal weights have no smaller step.
        ((most / largest * share) as f32).max(f32::MIN_POSITIVE)
    });
    let losses: Vec<(f32, f64)> =
        candidates.map(|step| (step, squared_error(weights, f64::from(step), largest))).collect();
    losses.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(1.0, |(step, _)| step)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::crossbar::bit_slicing::{BitSlicing, count_cells};
    use proptest::prelude::*;

    const SHAPE: TileShape = TileShape { rows: 8, columns: 4 };

    fn quantization(precision: u32, caps: Vec<u32>) -> LayerQuantization {
        LayerQuantization { precision, steps: vec![0.25], caps }
    }

    /// All integers of a column that keep to the cap.
    fn best_by_search(weights: &[f32], step: f64, precision: u32, cap: usize) -> f64 {
        let largest = i32::from(largest_integer(precision));
        let values = (2 * largest + 1) as usize;
        let mut best = f64::INFINITY;
        for code in 0..values.pow(weights.len() as u32) {
            let integers: Vec<i16> = (0..weights.len())
                .map(|at| (code / values.pow(at as u32) % values) as i16 - largest as i16)
                .collect();
            let set = |sign: i16, bit: u32| {
                integers.iter().filter(|i| i.signum() == sign && i.unsigned_abs() >> bit & 1 == 1).count()
            };
            let fits = (0..precision - 1).all(|bit| set(1, bit) <= cap && set(-1, bit) <= cap);
            if fits {
                let loss =
                    integers.iter().zip(weights).map(|(i, w)| (f64::from(*w) / step - f64::from(*i)).powi(2));
                best = best.min(loss.sum());
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_column_exceeds_its_cap(
            data in prop::collection::vec(-2.0_f32..2.0, 6 * 20), precision in 2_u32..6, caps in
            prop::collection::vec(0_u32..5, 6), cell_bits in 1_u32..3, per_slice in any::<bool>(),
        ) {
            let cell_bits = cell_bits.min(precision - 1);
            let matrix = Matrix::new("w", 6, 20, data).expect("fits");
            let cells = CellShape { tile: SHAPE, cell_bits, rows_at_once: 8 };
            let mut layer = quantization(precision, caps.clone());
            let slices = layer.slices(cells);
            if per_slice {
                layer.caps = caps.iter().flat_map(|&cap| (0..slices as u32).map(move |slice| cap.saturating_sub(slice))).collect();
            }
            prop_assert!(layer.fits(6, cells));
            let integers = layer.integers(&matrix, cells);
            let hardware = HardwareConfig { weight_precision: precision, cell_bits, ..HardwareConfig::default() };
            let tiling = Tiling::new(&matrix, SHAPE);
            for (index, &cap) in caps.iter().enumerate() {
                let tile = tiling.tile(index);
                let counts = count_cells(&integers, tile.outputs, &tile.inputs, BitSlicing::from(&hardware));
                for (crossbar, count) in counts.iter().enumerate() {
                    let slice = crossbar / 2 % slices;
                    let cap = if per_slice { cap.saturating_sub(slice as u32) } else { cap };
                    prop_assert!(count.set <= cap as usize, "tile {index}, slice {slice}");
                }
            }
            // Values read back as the same integers.
            let values = Matrix::new("w", 6, 20, layer.values(&matrix, cells)).expect("fits");
            let values = values.with_steps(layer.steps.clone()).expect("one step");
            let read = QuantizedMatrix::from_integers(&values, &hardware).expect("integers");
            prop_assert_eq!(&read.data, &integers.data);
            // What keeps to its caps stays as it is.
            prop_assert_eq!(layer.integers(&values, cells).data, read.data);
        }

        /// Against every choice of integers: exact for ternary weights, and never far off for 3 bits.
        #[test]
        fn the_projection_loses_little_more_than_the_best(
            data in prop::collection::vec(-1.0_f32..1.0, 4), cap in 1_usize..3, precision in 2_u32..4,
        ) {
            let matrix = Matrix::new("w", 1, 4, data.clone()).expect("fits");
            let cells = CellShape { tile: SHAPE, cell_bits: 1, rows_at_once: 8 };
            let integers = quantization(precision, vec![cap as u32]).integers(&matrix, cells);
            let loss: f64 =
                integers.data.iter().zip(&data).map(|(i, w)| (f64::from(*w) / 0.25 - f64::from(*i)).powi(2)).sum();
            let best = best_by_search(&data, 0.25, precision, cap);
            let allowed = if precision == 2 { 1e-9 } else { 1.0 + 0.5 * best };
            prop_assert!(loss <= best + allowed, "{loss} and {best}");
        }
    }

    #[test]
    fn steps_lose_the_least_squares() {
        let matrix = Matrix::new("w", 2, 4, vec![0.1, -0.1, 0.1, 0.9, 3.0, -3.0, 0.0, 3.0]).expect("fits");
        let channels = LayerQuantization::search_steps(&matrix, 2, true);
        assert!((channels[1] - 3.0).abs() < 1e-6, "{channels:?}");
        assert!(channels[0] > 0.4, "the large weight decides: {channels:?}");
        assert_eq!(LayerQuantization::search_steps(&matrix, 2, false).len(), 1);
        let zero = Matrix::new("w", 1, 2, vec![0.0; 2]).expect("fits");
        assert_eq!(LayerQuantization::search_steps(&zero, 2, false), [1.0]);
    }
}
