//! Pruning: which weights become zero, so that fewer ADC bits are needed.
//!
//! | method | file |
//! | --- | --- |
//! | [`PruneMethod::Exact`], [`PruneMethod::Percentile`]: tiles go to the discrete level nearest to their sparsity | `levels.rs`, with `exact.rs` and `percentile.rs` for the columns |
//! | [`PruneMethod::Budget`]: the cheapest levels that meet a target of ADC energy | [`budget`] |
//! | [`PruneMethod::BitPlanes`]: the precisions and caps on set cells that meet one | [`bit_planes`] |
//! | [`PruneMethod::Magnitude`], [`PruneMethod::Tiles`]: baselines | `magnitude.rs` |

pub mod bit_planes;
pub mod budget;
mod exact;
mod importance;
mod levels;
mod magnitude;
mod method;
mod percentile;

pub use method::{Cutoff, PruneMethod, PruneRule};

use serde::{Deserialize, Serialize};

use self::levels::ColumnCut;
use crate::adc::TileEnergy;
use crate::config::HardwareConfig;
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::TileCount;
use crate::crossbar::tiling::TileShape;
use crate::error::Result;
use crate::matrix::Matrix;

/// What pruning did to the tiles. The wire names are `forced`, `loosened` and `zeroed_tiles`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct PruneStats {
    /// Tiles pruned to a higher level than they had.
    #[serde(rename = "forced")]
    pub promoted: u64,
    /// Tiles that keep their level.
    #[serde(rename = "loosened")]
    pub kept_level: u64,
    /// Tiles without a weight left.
    #[serde(rename = "zeroed_tiles")]
    pub emptied: u64,
}

impl PruneStats {
    /// Adds a layer's tiles, by their counts before and after pruning.
    fn count(&mut self, before: &[TileCount], after: &[TileCount], levels: Levels) {
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

    fn add(&mut self, other: Self) {
        self.promoted += other.promoted;
        self.kept_level += other.kept_level;
        self.emptied += other.emptied;
    }
}

/// Prunes the layers in place. A budget counts energy as the paper does, each tile once, with squared
/// weights as their importance; [`budget::prune`] takes others. Bit planes count the bits of 8-bit weights on cells of
/// one bit; [`bit_planes::choose`] takes other hardware.
///
/// # Errors
/// If a value of the method is out of range, there is not one ratio per layer, or a target can't be met.
///
/// ```
/// use crossdub::crossbar::tiling::TileShape;
/// use crossdub::matrix::Matrix;
/// use crossdub::prune::{Cutoff, PruneMethod, prune};
///
/// let shape = TileShape { rows: 4, columns: 2 };
/// let pruned = |method| {
///     let mut layer = [Matrix::new("w", 2, 4, vec![0.1, 0.8, -0.5, 0.0, 0.9, 0.1, 0.6, 0.2])?];
///     prune(&mut layer, shape, &method)?;
///     Ok::<_, crossdub::error::Error>(layer[0].data.clone())
/// };
/// // Half of the weights are almost zeros, so the tile goes to level 1: each column keeps 2 of 4 weights.
/// let half = || Cutoff::Ratios(vec![50.0]);
/// assert_eq!(pruned(PruneMethod::Exact(half()))?, [0.0, 0.8, -0.5, 0.0, 0.9, 0.0, 0.6, 0.0]);
/// assert_eq!(pruned(PruneMethod::Percentile(half()))?, [0.0, 0.8, -0.5, 0.0, 0.9, 0.0, 0.6, 0.0]);
/// // 2 bits become 1.
/// assert_eq!(pruned(PruneMethod::Budget { target: 2.0 })?, [0.0, 0.8, -0.5, 0.0, 0.9, 0.0, 0.6, 0.0]);
/// let small = || Cutoff::Tolerance(0.15);
/// assert_eq!(pruned(PruneMethod::Magnitude(small()))?, [0.0, 0.8, -0.5, 0.0, 0.9, 0.0, 0.6, 0.2]);
/// // The only tile holds larger weights.
/// assert_eq!(pruned(PruneMethod::Tiles(small()))?, [0.1, 0.8, -0.5, 0.0, 0.9, 0.1, 0.6, 0.2]);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn prune(layers: &mut [Matrix], shape: TileShape, method: &PruneMethod) -> Result<PruneStats> {
    method.validate(layers.len())?;
    match method {
        PruneMethod::Exact(cutoff) => Ok(levels::prune(layers, shape, ColumnCut::Exact, cutoff)),
        PruneMethod::Percentile(cutoff) => Ok(levels::prune(layers, shape, ColumnCut::Percentile, cutoff)),
        PruneMethod::Budget { target } => {
            let importance = budget::magnitude_importance(layers);
            let energy = TileEnergy::paper(shape.rows);
            let budget = budget::Budget { target: *target, energy: &energy, weights: None };
            budget::prune(layers, shape, &importance, &budget)
        }
        PruneMethod::BitPlanes { target } => {
            let hardware =
                HardwareConfig { tile: shape.rows, columns: shape.columns, ..HardwareConfig::default() };
            let budget = bit_planes::BitPlaneBudget { target: *target, hardware: &hardware, weights: None };
            let chosen = bit_planes::choose(layers, None, &budget)?;
            Ok(bit_planes::apply(layers, &chosen, &hardware))
        }
        PruneMethod::Magnitude(cutoff) => Ok(magnitude::prune(layers, shape, cutoff)),
        PruneMethod::Tiles(cutoff) => Ok(magnitude::prune_tiles(layers, shape, cutoff)),
    }
}
