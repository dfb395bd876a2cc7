//! Group lasso on crossbars, the paper's structured baselines: the sum of L2 norms of groups.
//!
//! Source: arXiv 2403.13082, compared methods; Yuan and Lin 2006. `loss = lambda * sum_g ||w_g||`,
//! a group being a tile, a row across the tile's columns, or a column. The gradient
//! `lambda * w / ||w_g||` is 0 at an all-zero group, where the authors' is infinite.

use super::Term;
use super::tiles::Blocks;

/// What makes a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// A whole tile.
    Tile,
    /// A crossbar row across the tile's columns.
    Row,
    /// A column.
    Column,
}

/// Value and gradient.
///
/// # Shapes
/// - `blocks.weight`: `[output blocks, columns, input blocks, rows]`
pub fn evaluate(lambda: f64, group: Group, blocks: &Blocks) -> Term {
    let weight = blocks.weight.clone();
    let squares = weight.clone().square();
    let squares = match group {
        Group::Tile => squares.sum_dim(3).sum_dim(1),
        Group::Row => squares.sum_dim(1),
        Group::Column => squares.sum_dim(3),
    };
    let norm = squares.sqrt();
    let loss = norm.clone().sum().mul_scalar(lambda);
    // The smallest normal float32: an all-zero group has the gradient 0 / tiny = 0.
    let gradient = weight * norm.clamp_min(f64::from(f32::MIN_POSITIVE)).recip().mul_scalar(lambda);
    Term { loss, gradient: blocks.restore(gradient) }
}
