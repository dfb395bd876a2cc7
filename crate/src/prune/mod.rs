//! Pruning to discrete levels: which level each tile goes to, and which
//! weights that costs. One rule a file; this one chooses levels by sparsity and applies them.

pub mod budget;
mod exact;
mod magnitude;
mod percentile;

use serde::{Deserialize, Serialize};

use crate::crossbar::levels::Levels;
use crate::crossbar::quantile::quantile;
use crate::crossbar::sparsity::{TileCount, count_tile};
use crate::crossbar::tiling::{Tile, TileShape, Tiling};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::parallel;
use exact::keep_largest;
use percentile::{cut_at_percentile, zero_up_to};

/// How a tile is brought to its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Each column keeps exactly `max(1, floor(n * 2^-k))` weights.
    #[default]
    Exact,
    /// The authors' percentile per column, interpolation included.
    Paper,
    /// Every tile gets the level that loses least for the energy it saves, until a target is met.
    Budget,
    /// Small weights of each layer, wherever they lie: the unstructured baseline, without levels.
    Magnitude,
    /// Whole tiles, those of the smallest norm: what group lasso per tile prepares.
    Tiles,
}

impl Rule {
    /// All rules, in the order shown.
    pub const ALL: [Self; 5] = [Self::Exact, Self::Paper, Self::Budget, Self::Magnitude, Self::Tiles];

    /// The name in options, TOML and JSON.
    pub fn id(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Paper => "paper",
            Self::Budget => "budget",
            Self::Magnitude => "magnitude",
            Self::Tiles => "tiles",
        }
    }
}

/// How far a rule goes: what counts as "almost zero" when a tile's level is chosen, or for a budget
/// the energy to save.
#[derive(Debug, Clone, PartialEq)]
pub enum Threshold {
    /// Magnitudes of at most this.
    Tolerance(f64),
    /// One prune ratio a layer, in percent: magnitudes up to that percentile of the layer.
    Ratios(Vec<f64>),
    /// The improvement of ADC energy to reach; for the rule `budget` alone.
    Target(f64),
}

impl Threshold {
    /// The same ratio for every one of `layers`.
    pub fn uniform(percent: f64, layers: usize) -> Self {
        Self::Ratios(vec![percent; layers])
    }

    /// Checks the values against the number of layers.
    ///
    /// # Errors
    /// Names the value that is out of range, or says that there is not one ratio a layer.
    pub fn validate(&self, layers: usize) -> Result<()> {
        match self {
            Self::Tolerance(tol) if tol.is_finite() && *tol >= 0.0 => Ok(()),
            Self::Tolerance(tol) => Err(Error::field("tol", tol, "takes a magnitude of 0 or more")),
            Self::Ratios(ratios) if ratios.len() != layers => {
                let why = format!("the network has {layers} crossbar layers, one ratio each");
                Err(Error::field("ratios", format!("{} values", ratios.len()), why))
            }
            Self::Ratios(ratios) => match ratios.iter().find(|r| !(0.0..=100.0).contains(*r)) {
                Some(bad) => Err(Error::field("ratios", bad, "takes 0 to 100 percent")),
                None => Ok(()),
            },
            Self::Target(target) if target.is_finite() && *target >= 1.0 => Ok(()),
            Self::Target(target) => Err(Error::field("target", target, "takes an improvement of 1 or more")),
        }
    }
}

/// What pruning did to the tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PruneStats {
    /// Tiles pruned further, to the next level.
    #[serde(rename = "forced")]
    pub promoted: u64,
    /// Tiles that keep the level they had (weights beyond it come back into no column: they were
    /// not yet zero).
    #[serde(rename = "loosened")]
    pub kept_level: u64,
    /// Tiles set to zero as a whole.
    #[serde(rename = "zeroed_tiles")]
    pub emptied: u64,
}

/// What happens to a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TileAction {
    /// Everything almost zero becomes zero: the tile was all almost zero.
    Clear,
    /// The whole tile becomes zero.
    Zero,
    /// Every column is cut to this level.
    Cut { level: usize, forced: bool },
}

/// Prunes the layers in place. A budget counts energy the paper's way here, each tile once, with a
/// weight's square as its importance; [`budget::prune`] takes others.
///
/// # Errors
/// When a tolerance, ratio or target is out of range or not what the rule takes, when there is not
/// one ratio a layer, or a target can't be met.
pub fn prune(
    layers: &mut [Matrix],
    shape: TileShape,
    rule: Rule,
    threshold: &Threshold,
) -> Result<PruneStats> {
    threshold.validate(layers.len())?;
    let levels = Levels::new(shape.rows);
    match (rule, threshold) {
        (Rule::Budget, Threshold::Target(target)) => {
            let importance = budget::magnitude_importance(layers);
            let energy = |active, rows| levels.conversion_bits(active, rows);
            let budget = budget::Budget { target: *target, energy: &energy, weights: None };
            return budget::prune(layers, shape, &importance, &budget);
        }
        (Rule::Budget, _) => return Err(Error::field("target", "none", "the rule budget needs one")),
        (_, Threshold::Target(target)) => {
            return Err(Error::field("target", target, format!("the rule {} takes none", rule.id())));
        }
        (Rule::Magnitude, _) => return Ok(magnitude::prune(layers, shape, threshold)),
        (Rule::Tiles, _) => return Ok(magnitude::prune_tiles(layers, shape, threshold)),
        (Rule::Exact | Rule::Paper, _) => {}
    }
    let mut stats = PruneStats::default();
    for (at, layer) in layers.iter_mut().enumerate() {
        let (limit, zero_last) = match threshold {
            Threshold::Tolerance(tol) => (*tol, true),
            Threshold::Ratios(ratios) => (layer_percentile(layer, ratios[at]), false),
            // Refused above.
            Threshold::Target(_) => continue,
        };
        prune_layer(layer, shape, levels, &Plan { rule, limit, zero_last }, &mut stats);
    }
    Ok(stats)
}

/// The magnitude below which `percent` of a layer's weights lie.
fn layer_percentile(layer: &Matrix, percent: f64) -> f64 {
    let mut magnitudes: Vec<f32> = layer.data.iter().map(|w| w.abs()).collect();
    quantile(&mut magnitudes, percent / 100.0).unwrap_or(0.0)
}

/// How one layer is pruned.
struct Plan {
    rule: Rule,
    /// Magnitudes up to this count as almost zero.
    limit: f64,
    /// Whether tiles in the second to last bin become zero (tolerance) or are cut (ratios).
    zero_last: bool,
}

fn prune_layer(layer: &mut Matrix, shape: TileShape, levels: Levels, plan: &Plan, stats: &mut PruneStats) {
    let tiling = Tiling::new(layer, shape);
    let limit = below(plan.limit);
    let source = &*layer;
    let pruned = parallel::map(tiling.output_blocks(), |down| {
        let first = down * tiling.input_blocks();
        let mut band = Band::of(source, &tiling.tile(first));
        for index in first..first + tiling.input_blocks() {
            let tile = tiling.tile(index);
            let count = count_tile(source, &tile, limit);
            band.apply(&tile, choose_level(&count, levels, plan.zero_last), levels, plan);
        }
        band
    });
    for band in pruned {
        let start = band.first_output * layer.cols;
        layer.data[start..start + band.data.len()].copy_from_slice(&band.data);
        stats.promoted += band.stats.promoted;
        stats.kept_level += band.stats.kept_level;
        stats.emptied += band.stats.emptied;
    }
}

/// The largest float32 that is not above `limit`, so that `|w| <= limit` can be asked in float32.
fn below(limit: f64) -> f32 {
    let near = limit as f32;
    if f64::from(near) > limit { near.next_down() } else { near }
}

/// Chooses the level nearest to the tile's almost-zero sparsity.
fn choose_level(count: &TileCount, levels: Levels, zero_last: bool) -> TileAction {
    let bin = count.near_zero_level(levels);
    if bin == levels.empty() {
        TileAction::Clear
    } else if bin + 1 == levels.empty() && zero_last {
        TileAction::Zero
    } else if levels.in_upper_half(count.near_active, count.rows, bin) {
        TileAction::Cut { level: bin + 1, forced: true }
    } else {
        TileAction::Cut { level: bin, forced: false }
    }
}

/// The weights of one row of tiles, pruned apart from the others.
struct Band {
    first_output: usize,
    cols: usize,
    data: Vec<f32>,
    scratch: Vec<f32>,
    stats: PruneStats,
}

impl Band {
    fn of(matrix: &Matrix, first: &Tile) -> Self {
        let cells = first.outputs.start * matrix.cols..first.outputs.end * matrix.cols;
        Self {
            first_output: first.outputs.start,
            cols: matrix.cols,
            data: matrix.data[cells].to_vec(),
            scratch: Vec::new(),
            stats: PruneStats::default(),
        }
    }

    fn apply(&mut self, tile: &Tile, action: TileAction, levels: Levels, plan: &Plan) {
        match action {
            TileAction::Clear | TileAction::Zero => self.stats.emptied += 1,
            TileAction::Cut { forced: true, .. } => self.stats.promoted += 1,
            TileAction::Cut { forced: false, .. } => self.stats.kept_level += 1,
        }
        for output in tile.outputs.clone() {
            let start = (output - self.first_output) * self.cols;
            let column = &mut self.data[start + tile.inputs.start..start + tile.inputs.end];
            match (action, plan.rule) {
                (TileAction::Clear, Rule::Paper) => zero_up_to(column, plan.limit),
                (TileAction::Clear | TileAction::Zero, _) => column.fill(0.0),
                (TileAction::Cut { level, .. }, Rule::Paper) => {
                    cut_at_percentile(column, level, &mut self.scratch);
                }
                (TileAction::Cut { level, .. }, _) => {
                    keep_largest(column, levels.rows_at(column.len(), level), &mut self.scratch);
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

    fn matrix(rows: usize, cols: usize, data: Vec<f32>) -> Matrix {
        Matrix::new("w", rows, cols, data).expect("fits")
    }

    #[test]
    fn wrong_ratios_are_refused() {
        let shape = TileShape { rows: 4, columns: 4 };
        for ratios in [vec![], vec![10.0, 20.0], vec![101.0], vec![f64::NAN]] {
            let mut layers = [matrix(4, 4, vec![1.0; 16])];
            assert!(prune(&mut layers, shape, Rule::Exact, &Threshold::Ratios(ratios)).is_err());
        }
    }

    proptest! {
        #[test]
        fn the_exact_rule_puts_full_tiles_on_a_level_and_changes_no_survivor(
            data in prop::collection::vec(-1.0_f32..1.0, 16 * 24), percent in 0.0_f64..100.0,
        ) {
            let before = matrix(16, 24, data);
            let shape = TileShape { rows: 8, columns: 8 };
            let mut layers = [before.clone()];
            prune(&mut layers, shape, Rule::Exact, &Threshold::uniform(percent, 1)).expect("in range");
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
