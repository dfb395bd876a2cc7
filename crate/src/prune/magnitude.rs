//! The rules `magnitude` and `tiles`: what D.U.B. is compared with. Small weights go wherever they
//! lie, or whole tiles go.

use super::{PruneStats, Threshold, below, layer_percentile, zero_up_to};
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::{TileCount, count_tiles};
use crate::crossbar::tiling::{Tile, TileShape, Tiling};
use crate::matrix::Matrix;

/// Zeroes magnitudes up to the tolerance, or up to each layer's ratio-percentile.
pub(super) fn prune(layers: &mut [Matrix], shape: TileShape, threshold: &Threshold) -> PruneStats {
    let mut stats = PruneStats::default();
    for (at, layer) in layers.iter_mut().enumerate() {
        let limit = match threshold {
            Threshold::Ratios(ratios) => layer_percentile(layer, ratios[at]),
            Threshold::Tolerance(tol) => *tol,
            Threshold::Target(_) => continue,
        };
        let before = count_tiles(layer, shape, 0.0);
        zero_up_to(&mut layer.data, limit);
        stats.count(&before, &count_tiles(layer, shape, 0.0), Levels::new(shape.rows));
    }
    stats
}

/// Zeroes tiles that hold nothing above the tolerance, or of each layer the given percentage of
/// tiles, those of the smallest norm per weight first.
pub(super) fn prune_tiles(layers: &mut [Matrix], shape: TileShape, threshold: &Threshold) -> PruneStats {
    let mut stats = PruneStats::default();
    for (at, layer) in layers.iter_mut().enumerate() {
        let tiling = Tiling::new(layer, shape);
        let before = count_tiles(layer, shape, 0.0);
        let chosen: Vec<usize> = match threshold {
            Threshold::Tolerance(tol) => {
                let counts = count_tiles(layer, shape, below(*tol));
                (0..tiling.len()).filter(|&tile| counts[tile].near_active == 0).collect()
            }
            Threshold::Ratios(ratios) => smallest(layer, &tiling, ratios[at]),
            Threshold::Target(_) => continue,
        };
        for index in chosen {
            clear(layer, &tiling.tile(index));
        }
        stats.count(&before, &count_tiles(layer, shape, 0.0), Levels::new(shape.rows));
    }
    stats
}

/// The `percent` of a layer's tiles with the least mean square; of equal ones the first.
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

impl PruneStats {
    /// Counts tiles by what pruning made of them.
    pub(super) fn count(&mut self, before: &[TileCount], after: &[TileCount], levels: Levels) {
        for (before, after) in before.iter().zip(after) {
            if after.active == 0 {
                self.emptied += 1;
            } else if after.level(levels) > before.level(levels) {
                self.promoted += 1;
            } else {
                self.kept_level += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Rule, prune};
    use super::*;

    fn layer() -> [Matrix; 1] {
        // Two tiles of 2 x 2 side by side: the right one is smaller.
        [Matrix::new("w", 2, 4, vec![0.9, 0.1, 0.3, 0.2, -0.8, 0.0, -0.05, 0.0]).expect("fits")]
    }

    #[test]
    fn magnitudes_go_wherever_they_lie() {
        let mut layers = layer();
        let shape = TileShape { rows: 2, columns: 2 };
        prune(&mut layers, shape, Rule::Magnitude, &Threshold::Tolerance(0.25)).expect("in range");
        assert_eq!(layers[0].data, [0.9, 0.0, 0.3, 0.0, -0.8, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_smaller_tile_goes_as_a_whole() {
        let mut layers = layer();
        let shape = TileShape { rows: 2, columns: 2 };
        let stats = prune(&mut layers, shape, Rule::Tiles, &Threshold::Ratios(vec![50.0])).expect("in range");
        assert_eq!(layers[0].data, [0.9, 0.1, 0.0, 0.0, -0.8, 0.0, 0.0, 0.0]);
        assert_eq!((stats.emptied, stats.promoted, stats.kept_level), (1, 0, 1));
        let mut layers = layer();
        prune(&mut layers, shape, Rule::Tiles, &Threshold::Tolerance(0.35)).expect("in range");
        assert_eq!(layers[0].data[2..4], [0.0, 0.0]);
        assert_eq!(layers[0].data[0], 0.9);
    }
}
