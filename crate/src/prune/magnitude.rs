//! The rules `magnitude` and `tiles`, baselines for D.U.B.: small weights are removed wherever they
//! lie, or whole tiles are.

use super::levels::tolerance;
use super::percentile::{layer_percentile, zero_up_to};
use super::{Cutoff, PruneStats};
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::count_tiles;
use crate::crossbar::tiling::{Tile, TileShape, Tiling};
use crate::matrix::Matrix;

/// Zeroes magnitudes up to the tolerance, or up to each layer's percentile.
pub(super) fn prune(layers: &mut [Matrix], shape: TileShape, cutoff: &Cutoff) -> PruneStats {
    let mut stats = PruneStats::default();
    for (at, layer) in layers.iter_mut().enumerate() {
        let limit = match cutoff {
            Cutoff::Ratios(ratios) => layer_percentile(layer, ratios[at]),
            Cutoff::Tolerance(tol) => tolerance(*tol),
        };
        let before = count_tiles(layer, shape, 0.0);
        zero_up_to(&mut layer.data, limit);
        stats.count(&before, &count_tiles(layer, shape, 0.0), Levels::new(shape.rows));
    }
    stats
}

/// Zeroes tiles without a magnitude above the tolerance, or the given percentage of each layer's
/// tiles, those of the smallest norm per weight.
pub(super) fn prune_tiles(layers: &mut [Matrix], shape: TileShape, cutoff: &Cutoff) -> PruneStats {
    let mut stats = PruneStats::default();
    for (at, layer) in layers.iter_mut().enumerate() {
        let tiling = Tiling::new(layer, shape);
        let before = count_tiles(layer, shape, 0.0);
        let chosen: Vec<usize> = match cutoff {
            Cutoff::Tolerance(tol) => {
                let counts = count_tiles(layer, shape, *tol as f32);
                (0..tiling.len()).filter(|&tile| counts[tile].near_active == 0).collect()
            }
            Cutoff::Ratios(ratios) => smallest(layer, &tiling, ratios[at]),
        };
        for index in chosen {
            clear(layer, &tiling.tile(index));
        }
        stats.count(&before, &count_tiles(layer, shape, 0.0), Levels::new(shape.rows));
    }
    stats
}

/// The `percent` of a layer's tiles with the smallest mean square; among equal ones the first.
fn smallest(layer: &Matrix, tiling: &Tiling, percent: f64) -> Vec<usize> {
    let mean_square = |index: usize| {
        let tile = tiling.tile(index);
        let sum: f64 = tile.columns_of(layer).flatten().map(|&w| f64::from(w) * f64::from(w)).sum();
        sum / (tile.rows() * tile.columns()) as f64
    };
    let squares: Vec<f64> = (0..tiling.len()).map(mean_square).collect();
    let mut order: Vec<usize> = (0..tiling.len()).collect();
    order.sort_by(|&a, &b| squares[a].total_cmp(&squares[b]));
    order.truncate((tiling.len() as f64 * percent / 100.0) as usize);
    order
}

fn clear(layer: &mut Matrix, tile: &Tile) {
    for output in tile.outputs.clone() {
        layer.row_mut(output)[tile.inputs.clone()].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: TileShape = TileShape { rows: 2, columns: 2 };

    fn layer() -> [Matrix; 1] {
        // Two tiles of 2 x 2 side by side: the right one is smaller.
        [Matrix::new("w", 2, 4, vec![0.9, 0.1, 0.3, 0.2, -0.8, 0.0, -0.05, 0.0]).expect("fits")]
    }

    #[test]
    fn small_magnitudes_are_removed_in_any_tile() {
        let mut layers = layer();
        prune(&mut layers, SHAPE, &Cutoff::Tolerance(0.25));
        assert_eq!(layers[0].data, [0.9, 0.0, 0.3, 0.0, -0.8, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_smaller_tile_is_removed_as_a_whole() {
        let mut layers = layer();
        let stats = prune_tiles(&mut layers, SHAPE, &Cutoff::Ratios(vec![50.0]));
        assert_eq!(layers[0].data, [0.9, 0.1, 0.0, 0.0, -0.8, 0.0, 0.0, 0.0]);
        assert_eq!((stats.emptied, stats.promoted, stats.kept_level), (1, 0, 1));
        let mut layers = layer();
        prune_tiles(&mut layers, SHAPE, &Cutoff::Tolerance(0.35));
        assert_eq!(layers[0].data[2..4], [0.0, 0.0]);
        assert_eq!(layers[0].data[0], 0.9);
    }
}
