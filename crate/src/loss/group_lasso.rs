//! Group lasso on crossbars, the structured baselines of the paper: the sum of L2 norms of groups.
//!
//! A group is a tile, a row across the tile's columns, or a column:
//!
//! ```text
//! loss    = lambda * sum_g ||w_g||
//! dloss/dw = lambda * w / ||w_g||
//! ```
//!
//! The gradient of an all-zero group is 0 here; in the authors' code it is infinite.
//!
//! Sources: Yuan and Lin, "Model selection and estimation in regression with grouped variables", 2006; arXiv
//! 2403.13082, compared methods.

use burn::tensor::Tensor;

use super::penalty::Penalty;
use super::tiles::TiledWeight;
use crate::crossbar::tiling::TileShape;

/// The weights whose norm is taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LassoGroup {
    /// A whole tile.
    Tile,
    /// A crossbar row across the tile's columns.
    Row,
    /// A column.
    Column,
}

/// The sum of L2 norms of groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupLasso {
    /// Weight of the sum.
    pub lambda: f64,
    /// What a group is.
    pub group: LassoGroup,
    /// Shape of the crossbar's tiles.
    pub tile: TileShape,
}

impl GroupLasso {
    /// Value and gradient.
    ///
    /// # Shapes
    /// - `weight`: `[out, in, kh, kw]`, without autodiff
    pub fn evaluate(&self, weight: Tensor<4>) -> Penalty {
        let tiled = TiledWeight::new(weight, self.tile);
        let weight = tiled.weight.clone();
        let squares = weight.clone().square();
        let squares = match self.group {
            LassoGroup::Tile => squares.sum_dim(3).sum_dim(1),
            LassoGroup::Row => squares.sum_dim(1),
            LassoGroup::Column => squares.sum_dim(3),
        };
        let norm = squares.sqrt();
        let loss = norm.clone().sum().mul_scalar(self.lambda);
        // The smallest normal float32: an all-zero group has the gradient 0 / tiny = 0. Lambda comes last, since with it
        // the reciprocal might be infinite.
        let gradient =
            (weight * norm.clamp_min(f64::from(f32::MIN_POSITIVE)).recip()).mul_scalar(self.lambda);
        Penalty { loss, gradient: tiled.untile(gradient) }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn an_empty_group_has_no_gradient_at_any_lambda() {
        let tile = TileShape { rows: 2, columns: 2 };
        for lambda in [1.0, 10.0, 1e6] {
            let lasso = GroupLasso { lambda, group: LassoGroup::Tile, tile };
            let data = TensorData::new(vec![0.0_f32, 0.0, 3.0, 4.0], [1, 4, 1, 1]);
            let penalty = lasso.evaluate(Tensor::from_data(data, &Device::flex()));
            let gradient = penalty.gradient.into_data();
            let gradient: &[f32] = gradient.as_slice().expect("floats");
            assert_eq!(gradient[..2], [0.0, 0.0]);
            assert!((f64::from(gradient[2]) / lambda - 0.6).abs() < 1e-6, "{gradient:?}");
        }
    }
}
