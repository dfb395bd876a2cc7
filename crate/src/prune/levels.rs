//! Pruning to the nearest level: chooses each tile's level from its almost zeros and brings the tile's
//! columns to it.

use super::exact::keep_largest;
use super::percentile::{cut_at_percentile, layer_percentile, zero_up_to};
use super::{Cutoff, PruneStats};
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::{TileCount, count_tile};
use crate::crossbar::tiling::{Tile, TileShape, Tiling};
use crate::matrix::Matrix;
use crate::parallel;

/// How a column is brought to its tile's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnCut {
    /// Keeps exactly its share of largest magnitudes.
    Exact,
    /// Zeroes up to the authors' percentile.
    Percentile,
}

/// What happens to a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TileAction {
    /// All weights are almost zeros: they become zero.
    Clear,
    /// The whole tile becomes zero.
    Zero,
    /// Every column is cut to this level, which is above the tile's own if `promoted`.
    Cut { level: usize, promoted: bool },
}

/// How one layer is pruned.
#[derive(Clone, Copy)]
struct LayerCut {
    cut: ColumnCut,
    levels: Levels,
    /// Magnitudes up to this are almost zeros.
    limit: f64,
    /// Whether tiles at the second to last level become zero (tolerance) or are cut (ratios).
    zero_last: bool,
}

/// Prunes the layers in place.
pub(super) fn prune(layers: &mut [Matrix], shape: TileShape, cut: ColumnCut, cutoff: &Cutoff) -> PruneStats {
    let levels = Levels::new(shape.rows);
    let mut stats = PruneStats::default();
    for (at, layer) in layers.iter_mut().enumerate() {
        let (limit, zero_last) = match cutoff {
            Cutoff::Tolerance(tol) => (tolerance(*tol), true),
            Cutoff::Ratios(ratios) => (layer_percentile(layer, ratios[at]), false),
        };
        stats.add(prune_layer(layer, shape, LayerCut { cut, levels, limit, zero_last }));
    }
    stats
}

fn prune_layer(layer: &mut Matrix, shape: TileShape, cut: LayerCut) -> PruneStats {
    let tiling = Tiling::new(layer, shape);
    let limit = below(cut.limit);
    let source = &*layer;
    let bands = parallel::map(tiling.output_blocks(), |block| {
        let first = block * tiling.input_blocks();
        let mut band = Band::new(source, &tiling.tile(first), cut);
        for index in first..first + tiling.input_blocks() {
            let tile = tiling.tile(index);
            band.apply(&tile, choose_level(&count_tile(source, &tile, limit), cut));
        }
        band
    });
    let mut stats = PruneStats::default();
    for band in bands {
        let start = band.first_output * layer.cols;
        layer.data[start..start + band.data.len()].copy_from_slice(&band.data);
        stats.add(band.stats);
    }
    stats
}

/// A tolerance as `analyze` and the authors' code compare it: in the weights' own precision.
pub(super) fn tolerance(tol: f64) -> f64 {
    f64::from(tol as f32)
}

/// The largest float32 that is not above `limit`, so that `|w| <= limit` can be decided in float32.
pub(super) fn below(limit: f64) -> f32 {
    let near = limit as f32;
    if f64::from(near) > limit { near.next_down() } else { near }
}

/// Chooses the level nearest to the tile's almost-zero sparsity.
fn choose_level(count: &TileCount, cut: LayerCut) -> TileAction {
    let LayerCut { levels, zero_last, .. } = cut;
    let level = count.almost_zero_level(levels);
    if level == levels.empty() {
        TileAction::Clear
    } else if level + 1 == levels.empty() && zero_last {
        TileAction::Zero
    } else if levels.in_upper_half(count.near_active, count.rows, level) {
        TileAction::Cut { level: level + 1, promoted: true }
    } else {
        TileAction::Cut { level, promoted: false }
    }
}

/// The weights of one block of outputs, pruned independently of the others.
struct Band {
    cut: LayerCut,
    first_output: usize,
    cols: usize,
    data: Vec<f32>,
    scratch: Vec<f32>,
    stats: PruneStats,
}

impl Band {
    fn new(matrix: &Matrix, first: &Tile, cut: LayerCut) -> Self {
        let cells = first.outputs.start * matrix.cols..first.outputs.end * matrix.cols;
        Self {
            cut,
            first_output: first.outputs.start,
            cols: matrix.cols,
            data: matrix.data[cells].to_vec(),
            scratch: Vec::new(),
            stats: PruneStats::default(),
        }
    }

    fn apply(&mut self, tile: &Tile, action: TileAction) {
        match action {
            TileAction::Clear | TileAction::Zero => self.stats.emptied += 1,
            TileAction::Cut { promoted: true, .. } => self.stats.promoted += 1,
            TileAction::Cut { promoted: false, .. } => self.stats.kept_level += 1,
        }
        for output in tile.outputs.clone() {
            let start = (output - self.first_output) * self.cols;
            let column = &mut self.data[start + tile.inputs.start..start + tile.inputs.end];
            match (action, self.cut.cut) {
                (TileAction::Clear, ColumnCut::Percentile) => zero_up_to(column, self.cut.limit),
                (TileAction::Clear | TileAction::Zero, _) => column.fill(0.0),
                (TileAction::Cut { level, .. }, ColumnCut::Percentile) => {
                    cut_at_percentile(column, level, &mut self.scratch);
                }
                (TileAction::Cut { level, .. }, ColumnCut::Exact) => {
                    let keep = self.cut.levels.rows_at(column.len(), level);
                    keep_largest(column, keep, &mut self.scratch);
                }
            }
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::crossbar::sparsity::count_tiles;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_exact_rule_puts_full_tiles_on_a_level_and_changes_no_survivor(
            data in prop::collection::vec(-1.0_f32..1.0, 16 * 24), percent in 0.0_f64..100.0,
        ) {
            let before = Matrix::new("w", 16, 24, data).expect("fits");
            let shape = TileShape { rows: 8, columns: 8 };
            let mut layers = [before.clone()];
            prune(&mut layers, shape, ColumnCut::Exact, &Cutoff::uniform(percent, 1));
            for (new, old) in layers[0].data.iter().zip(&before.data) {
                prop_assert!(*new == 0.0 || new == old);
            }
            for count in count_tiles(&layers[0], shape, 0.0) {
                prop_assert!(count.active == 0 || 8 % count.active == 0, "{} rows", count.active);
                prop_assert_eq!(count.zeros, (8 - count.active) * 8, "balanced");
            }
        }
    }
}
