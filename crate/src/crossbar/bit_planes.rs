//! D.U.B. on bit planes: how many cells of a column may be set in each weight slice and polarity, and the integer
//! weights nearest to given ones that keep to it.
//!
//! What a conversion must tell apart is the number of set cells in its column, not that of non-zero weights. With at
//! most `2^b - 1` of them (**discrete**), in any of the rows that are active at once (**unstructured**), in every column
//! of a tile (**balanced**), `b` bits lose nothing.

use std::fmt;

use crossdub_kernels::column_projection::ColumnProjection;
use crossdub_kernels::rounding::squared_error;

use super::quantize::{QuantizedMatrix, largest_integer, most_of};
use super::tiling::{TileShape, Tiling};
use crate::config::HardwareConfig;
use crate::matrix::{Matrix, step_of};
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
    /// The most set cells of a column: one number for all, or one a tile, slice and polarity (the slices of a tile side
    /// by side, the lowest bits first, in each the positive polarity first). Empty without a limit.
    pub caps: Vec<u32>,
    /// The cells that caps by tile were chosen for; `None` if one cap serves all, or if a file doesn't say.
    pub cells: Option<CellShape>,
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

impl fmt::Display for CellShape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tile: TileShape { rows, columns }, cell_bits, rows_at_once } = self;
        write!(
            formatter,
            "{rows} rows ({rows_at_once} active at once), {columns} columns and {cell_bits}-bit cells"
        )
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
        step_of(&self.steps, output)
    }

    /// Slices of a weight on these cells.
    pub fn slices(&self, cells: CellShape) -> usize {
        (self.precision - 1).div_ceil(cells.cell_bits) as usize
    }

    /// Whether the caps are for a layer of so many tiles of these cells.
    pub fn fits(&self, tiles: usize, cells: CellShape) -> bool {
        let by_tile = 2 * tiles * self.slices(cells);
        match self.caps.len() {
            0 | 1 => true,
            count => count == by_tile && self.cells.is_none_or(|own| own == cells),
        }
    }

    /// The caps of a tile for each slice and polarity; `usize::MAX` without a limit.
    fn caps_of(&self, tile: usize, slices: usize) -> Vec<usize> {
        let own = 2 * slices * tile..2 * slices * (tile + 1);
        match &*self.caps {
            [] => vec![usize::MAX; own.len()],
            &[cap] => vec![cap as usize; own.len()],
            caps => caps[own].iter().map(|&cap| cap as usize).collect(),
        }
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
    /// let quantization = LayerQuantization { precision: 3, steps: vec![1.0], caps: vec![1], cells: None };
    /// // Three positive weights have their lowest bit set, and one may: 2.9 keeps its higher bit.
    /// assert_eq!(quantization.integers(&layer, cells).data, [0, 2, 1, -1]);
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    pub fn integers(&self, matrix: &Matrix, cells: CellShape) -> QuantizedMatrix {
        let tiling = Tiling::new(matrix, cells.tile);
        let slices = self.slices(cells);
        let bands = parallel::map(tiling.output_blocks(), |block| {
            let first = block * tiling.input_blocks();
            let outputs = tiling.tile(first).outputs;
            let mut band = Vec::with_capacity(outputs.len() * matrix.cols);
            let mut columns = cells.projection(self.precision);
            let caps: Vec<Vec<usize>> =
                (first..first + tiling.input_blocks()).map(|tile| self.caps_of(tile, slices)).collect();
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
        LayerQuantization { precision, steps: vec![0.25], caps, cells: None }
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
            prop::collection::vec(0_u32..5, 6), cell_bits in 1_u32..3,
        ) {
            let cell_bits = cell_bits.min(precision - 1);
            let matrix = Matrix::new("w", 6, 20, data).expect("fits");
            let cells = CellShape { tile: SHAPE, cell_bits, rows_at_once: 8 };
            let mut layer = quantization(precision, vec![]);
            let slices = layer.slices(cells);
            let of_crossbar = |cap: u32, crossbar: usize| cap.saturating_sub(crossbar as u32 / 2) + crossbar as u32 % 2;
            layer.caps =
                caps.iter().flat_map(|&cap| (0..2 * slices).map(move |crossbar| of_crossbar(cap, crossbar))).collect();
            prop_assert!(layer.fits(6, cells) && !layer.fits(12, cells) && !layer.fits(3, cells));
            let integers = layer.integers(&matrix, cells);
            let hardware = HardwareConfig { weight_precision: precision, cell_bits, ..HardwareConfig::default() };
            let tiling = Tiling::new(&matrix, SHAPE);
            for (index, &cap) in caps.iter().enumerate() {
                let tile = tiling.tile(index);
                let counts = count_cells(&integers, tile.outputs, &tile.inputs, BitSlicing::from(&hardware));
                for (at, count) in counts.iter().enumerate() {
                    let crossbar = at % (2 * slices);
                    prop_assert!(count.set <= of_crossbar(cap, crossbar) as usize, "tile {index}, crossbar {crossbar}");
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

    /// A layer of 32 x 32 weights has eight tiles of 16 x 8 as well as of 8 x 16.
    #[test]
    fn caps_of_other_cells_do_not_fit() {
        let cells = |rows: usize, columns: usize| CellShape {
            tile: TileShape { rows, columns },
            cell_bits: 1,
            rows_at_once: rows,
        };
        let layer = LayerQuantization { cells: Some(cells(16, 8)), ..quantization(3, vec![7; 8 * 2 * 2]) };
        assert!(layer.fits(8, cells(16, 8)) && !layer.fits(8, cells(8, 16)));
        assert!(!LayerQuantization { precision: 2, ..layer }.fits(8, cells(16, 8)), "other slices");
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
