//! Sparsity counts: exact zeros and *almost zeros* (magnitudes up to a tolerance) of every tile and of
//! its least sparse column.

use super::levels::Levels;
use super::tiling::{Tile, TileShape, Tiling};
use crate::matrix::Matrix;
use crate::parallel;

/// Counts of one tile. Its level is that of its least sparse column, because one ADC resolution
/// serves the whole tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileCount {
    /// Crossbar rows (inputs) that the tile uses.
    pub rows: usize,
    /// Crossbar columns (outputs) that the tile uses.
    pub columns: usize,
    /// Exact zeros.
    pub zeros: usize,
    /// Weights of a magnitude up to the tolerance, exact zeros included.
    pub almost_zeros: usize,
    /// Active rows of the densest column, where only exact zeros are inactive.
    pub active: usize,
    /// Active rows of the densest column, where almost zeros are inactive as well.
    pub near_active: usize,
}

impl TileCount {
    /// The counts of a tile before its first column.
    fn new(tile: &Tile) -> Self {
        Self {
            rows: tile.rows(),
            columns: tile.columns(),
            zeros: 0,
            almost_zeros: 0,
            active: 0,
            near_active: 0,
        }
    }

    /// Adds one of its columns.
    #[inline(always)]
    fn add(&mut self, column: &[f32], tol: f32) {
        let (zeros, near) = count_column(column, tol);
        self.zeros += zeros;
        self.almost_zeros += near;
        self.active = self.active.max(self.rows - zeros);
        self.near_active = self.near_active.max(self.rows - near);
    }

    /// Sparsity of the least sparse column.
    pub fn sparsity(&self) -> f64 {
        1.0 - self.active as f64 / self.rows as f64
    }

    /// Sparsity of the least sparse column, almost zeros counted as zeros.
    pub fn almost_zero_sparsity(&self) -> f64 {
        1.0 - self.near_active as f64 / self.rows as f64
    }

    /// The tile's level, by exact zeros.
    pub fn level(&self, levels: Levels) -> usize {
        levels.level_of(self.active, self.rows)
    }

    /// The tile's level, almost zeros counted as zeros.
    pub fn almost_zero_level(&self, levels: Levels) -> usize {
        levels.level_of(self.near_active, self.rows)
    }
}

/// Counts one tile; magnitudes up to `tol` are almost zeros.
#[inline(always)]
pub fn count_tile(matrix: &Matrix, tile: &Tile, tol: f32) -> TileCount {
    let mut count = TileCount::new(tile);
    for column in tile.columns_of(matrix) {
        count.add(column, tol);
    }
    count
}

/// Exact zeros and almost zeros of a column. A tile has at most 4096 rows, and 32-bit lanes let
/// the compiler use the vector unit.
#[inline(always)]
fn count_column(column: &[f32], tol: f32) -> (usize, usize) {
    let (mut zeros, mut near) = (0_u32, 0_u32);
    for &weight in column {
        zeros += u32::from(weight == 0.0);
        near += u32::from(weight.abs() <= tol);
    }
    (zeros as usize, near as usize)
}

/// Counts all tiles of a matrix, in tile order; magnitudes up to `tol` are almost zeros.
///
/// ```
/// use crossdub::crossbar::levels::Levels;
/// use crossdub::crossbar::sparsity::count_tiles;
/// use crossdub::crossbar::tiling::TileShape;
/// use crossdub::matrix::Matrix;
///
/// // One column of four rows: a zero, an almost zero and two active rows.
/// let layer = Matrix::new("w", 1, 4, vec![0.0, 0.001, 0.5, -0.75])?;
/// let count = count_tiles(&layer, TileShape { rows: 4, columns: 4 }, 0.01)[0];
/// assert_eq!((count.zeros, count.almost_zeros), (1, 2));
/// assert_eq!((count.active, count.near_active), (3, 2));
/// assert_eq!((count.level(Levels::new(4)), count.almost_zero_level(Levels::new(4))), (0, 1));
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn count_tiles(matrix: &Matrix, shape: TileShape, tol: f32) -> Vec<TileCount> {
    let tiling = Tiling::new(matrix, shape);
    // One task per band of tiles: a single tile is too little work for another core.
    let bands = parallel::map(tiling.output_blocks(), |block| {
        let first = block * tiling.input_blocks();
        let tiles: Vec<_> = (first..first + tiling.input_blocks()).map(|index| tiling.tile(index)).collect();
        let mut counts: Vec<_> = tiles.iter().map(TileCount::new).collect();
        let outputs = tiles.first().map_or(0..0, |tile| tile.outputs.clone());
        parallel::vectorized(
            #[inline(always)]
            || {
                // Output by output: reading the weights in memory order is what takes time here.
                for output in outputs {
                    for (count, column) in counts.iter_mut().zip(matrix.row(output).chunks(shape.rows)) {
                        count.add(column, tol);
                    }
                }
            },
        );
        counts
    });
    bands.concat()
}
