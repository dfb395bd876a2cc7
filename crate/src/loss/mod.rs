//! The terms added to cross-entropy. One regularizer a file, each a closed-form value and gradient
//! in Burn tensor operations, so that it runs on every backend in few kernels.

pub mod blocks;
pub mod cross_entropy;
pub mod group_lasso;
pub mod hoyer_variance;

use burn::tensor::Tensor;

use crate::crossbar::tiling::TileShape;
use crate::spec::{RegularizerKind, RunSpec};
use blocks::Blocks;
use group_lasso::Group;
use hoyer_variance::HoyerVariance;

/// A regularizer's value over one layer, and its gradient.
pub struct Term {
    /// The loss, one element.
    pub loss: Tensor<1>,
    /// Its gradient, in the weight's shape.
    pub gradient: Tensor<4>,
}

/// A regularizer with its weights and the tiles it works on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regularizer {
    /// The kind.
    pub kind: RegularizerKind,
    /// Weight of the variance, or of the group norms.
    pub lambda: f64,
    /// Weight of the mean, in the kinds that have it.
    pub lambda_mean: f64,
    /// The crossbar's tile.
    pub shape: TileShape,
}

impl Regularizer {
    /// The regularizer of a run; none when its kind or all its weights are off.
    pub fn of(spec: &RunSpec, shape: TileShape) -> Option<Self> {
        let (kind, lambda, lambda_mean) = (spec.regularizer, spec.lambda, spec.lambda_mean);
        let off = kind == RegularizerKind::None || (lambda == 0.0 && lambda_mean == 0.0);
        (!off).then_some(Self { kind, lambda, lambda_mean, shape })
    }

    /// Value and gradient for one convolution's weight.
    ///
    /// # Shapes
    /// - `weight`: `[out, in, kh, kw]`, without autodiff
    pub fn evaluate(&self, weight: Tensor<4>) -> Option<Term> {
        let hoyer = |gated, with_mean| HoyerVariance {
            lambda: self.lambda,
            lambda_mean: if with_mean { self.lambda_mean } else { 0.0 },
            gated,
        };
        let blocks = Blocks::of(weight, self.shape);
        Some(match self.kind {
            RegularizerKind::None => return None,
            RegularizerKind::Gated => hoyer(true, false).evaluate(&blocks),
            RegularizerKind::Ungated => hoyer(false, false).evaluate(&blocks),
            RegularizerKind::MeanAndVariance => hoyer(false, true).evaluate(&blocks),
            RegularizerKind::MeanAndGatedVariance => hoyer(true, true).evaluate(&blocks),
            RegularizerKind::GroupLassoTile => group_lasso::evaluate(self.lambda, Group::Tile, &blocks),
            RegularizerKind::GroupLassoRow => group_lasso::evaluate(self.lambda, Group::Row, &blocks),
            RegularizerKind::GroupLassoColumn => group_lasso::evaluate(self.lambda, Group::Column, &blocks),
        })
    }
}
