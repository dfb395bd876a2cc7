//! Hoyer density: a column's effective number of active rows, which the regularizer lowers and
//! balances over the columns of a tile.

use super::tiling::{Tile, TileShape, Tiling};
use crate::matrix::Matrix;
use crate::parallel;

/// Keeps the density of an all-zero column finite; the value of the paper's authors.
pub const EPSILON: f64 = 1e-6;

/// Hoyer-square of a column, `(sum |w|)^2 / (sum w^2 + 1e-6)`: 1 with one active row, `n` with `n`
/// rows of equal magnitude.
///
/// ```
/// use crossdub::crossbar::hoyer::hoyer_square;
///
/// assert!((hoyer_square(&[0.5, 0.0, -0.5, 0.0]) - 2.0).abs() < 1e-5);
/// ```
pub fn hoyer_square(column: &[f32]) -> f64 {
    let (mut sum, mut squares) = (0.0_f32, 0.0_f32);
    for &weight in column {
        sum += weight.abs();
        squares += weight * weight;
    }
    f64::from(sum).powi(2) / (f64::from(squares) + EPSILON)
}

/// How dense a tile is and how balanced its columns are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TileDensity {
    /// Mean Hoyer density of the tile's columns over its rows, 0 to about 1.
    pub density: f64,
    /// Standard deviation of the columns' Hoyer densities, in effective rows.
    pub imbalance: f64,
    /// The regularizer's term for this tile: unbiased variance over the columns of a full tile,
    /// unused columns counting as 0.
    pub variance: f64,
}

/// Density of one tile; `full` is the number of columns of a full tile.
pub fn tile_density(matrix: &Matrix, tile: &Tile, full: usize) -> TileDensity {
    let (mut sum, mut squares) = (0.0, 0.0);
    for column in tile.columns_of(matrix) {
        let density = hoyer_square(column);
        sum += density;
        squares += density * density;
    }
    let columns = tile.columns() as f64;
    let spread = (squares / columns - (sum / columns).powi(2)).max(0.0);
    let full = full as f64;
    TileDensity {
        density: sum / columns / tile.rows() as f64,
        imbalance: spread.sqrt(),
        variance: ((squares - sum * sum / full) / (full - 1.0)).max(0.0),
    }
}

/// Densities of all tiles of a matrix, in tile order.
///
/// ```
/// use crossdub::crossbar::hoyer::tile_densities;
/// use crossdub::crossbar::tiling::TileShape;
/// use crossdub::matrix::Matrix;
///
/// // One tile of two columns: one row active in the first, both in the second.
/// let layer = Matrix::new("w", 2, 2, vec![1.0, 0.0, 1.0, 1.0])?;
/// let tile = tile_densities(&layer, TileShape { rows: 2, columns: 2 })[0];
/// assert!((tile.density - 0.75).abs() < 1e-5);
/// assert!((tile.imbalance - 0.5).abs() < 1e-5);
/// assert!((tile.variance - 0.5).abs() < 1e-5);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn tile_densities(matrix: &Matrix, shape: TileShape) -> Vec<TileDensity> {
    let tiling = Tiling::new(matrix, shape);
    parallel::map(tiling.len(), |index| tile_density(matrix, &tiling.tile(index), shape.columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hoyer_counts_effective_rows() {
        assert!((hoyer_square(&[0.0, 3.0, 0.0, 0.0]) - 1.0).abs() < 1e-6);
        assert!((hoyer_square(&[-2.0; 8]) - 8.0).abs() < 1e-5);
        assert!(hoyer_square(&[0.0; 8]).abs() < 1e-12);
    }

    #[test]
    fn a_balanced_tile_has_no_variance() {
        let matrix = Matrix::new("w", 4, 8, vec![0.5; 32]).expect("fits");
        let shape = TileShape { rows: 8, columns: 4 };
        let density = tile_densities(&matrix, shape)[0];
        assert!(density.variance < 1e-9 && density.imbalance < 1e-4, "{density:?}");
        assert!((density.density - 1.0).abs() < 1e-5);
    }
}
