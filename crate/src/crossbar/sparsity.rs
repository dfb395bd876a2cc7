//! Counted sparsity: exact zeros and "almost zeros" of every tile and its least sparse column.

use super::levels::Levels;
use super::tiling::{Tile, TileShape, Tiling};
use crate::matrix::Matrix;
use crate::parallel;

/// What a tile holds. Its level is that of its least sparse column, because one ADC resolution
/// serves the whole tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileCount {
    /// Rows the tile really uses.
    pub rows: usize,
    /// Columns the tile really uses.
    pub columns: usize,
    /// Exact zeros.
    pub zeros: usize,
    /// Weights of magnitude at most the tolerance, exact zeros among them.
    pub near_zeros: usize,
    /// Active rows of the densest column, when only exact zeros are inactive.
    pub active: usize,
    /// Active rows of the densest column, when almost zeros are inactive too.
    pub near_active: usize,
}

impl TileCount {
    /// A tile of which no column is counted yet.
    fn of(tile: &Tile) -> Self {
        Self {
            rows: tile.rows(),
            columns: tile.columns(),
            zeros: 0,
            near_zeros: 0,
            active: 0,
            near_active: 0,
        }
    }

    /// Counts one of its columns.
    #[inline(always)]
    fn add(&mut self, column: &[f32], tol: f32) {
        let (zeros, almost) = count_column(column, tol);
        self.zeros += zeros;
        self.near_zeros += almost;
        self.active = self.active.max(self.rows - zeros);
        self.near_active = self.near_active.max(self.rows - almost);
    }

    /// Sparsity of the least sparse column.
    pub fn sparsity(&self) -> f64 {
        1.0 - self.active as f64 / self.rows as f64
    }

    /// The same, almost zeros counted.
    pub fn near_zero_sparsity(&self) -> f64 {
        1.0 - self.near_active as f64 / self.rows as f64
    }

    /// The tile's level.
    pub fn level(&self, levels: Levels) -> usize {
        levels.level_of(self.active, self.rows)
    }

    /// The tile's level, almost zeros counted.
    pub fn near_zero_level(&self, levels: Levels) -> usize {
        levels.level_of(self.near_active, self.rows)
    }
}

/// Counts one tile.
#[inline(always)]
pub fn count_tile(matrix: &Matrix, tile: &Tile, tol: f32) -> TileCount {
    let mut count = TileCount::of(tile);
    for column in tile.columns_of(matrix) {
        count.add(column, tol);
    }
    count
}

/// Exact zeros and almost zeros of a column. A tile has at most 4096 rows, and 32-bit lanes let
/// the compiler use the vector unit.
#[inline(always)]
fn count_column(column: &[f32], tol: f32) -> (usize, usize) {
    let (mut zeros, mut almost) = (0_u32, 0_u32);
    for &weight in column {
        zeros += u32::from(weight == 0.0);
        almost += u32::from(weight.abs() <= tol);
    }
    (zeros as usize, almost as usize)
}

/// Counts all tiles of a matrix, in tile order.
pub fn count_tiles(matrix: &Matrix, shape: TileShape, tol: f32) -> Vec<TileCount> {
    let tiling = Tiling::new(matrix, shape);
    // A band of tiles a task: one tile is too little work to hand to another core.
    let bands = parallel::map(tiling.output_blocks(), |down| {
        let first = down * tiling.input_blocks();
        let tiles: Vec<_> = (first..first + tiling.input_blocks()).map(|index| tiling.tile(index)).collect();
        let mut counts: Vec<_> = tiles.iter().map(TileCount::of).collect();
        let outputs = tiles.first().map_or(0..0, |tile| tile.outputs.clone());
        parallel::vectorized(
            #[inline(always)]
            || {
                // Output by output: the weights are read as they lie in memory, which is all that
                // takes time here.
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
