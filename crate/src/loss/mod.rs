//! The loss: cross-entropy, what a teacher knows beside the labels, and the regularizers added to it, one a file.
//!
//! Every regularizer is a closed-form value and gradient in a few tensor operations, so that it needs no automatic
//! differentiation and runs on every backend.

pub mod cross_entropy;
pub mod distillation;
pub mod group_lasso;
pub mod hoyer_variance;
pub mod penalty;
pub mod tiles;

pub use group_lasso::{GroupLasso, LassoGroup};
pub use hoyer_variance::HoyerVariance;
pub use penalty::Penalty;

use burn::tensor::Tensor;

use crate::config::{RegularizerKind, TrainConfig};
use crate::crossbar::tiling::TileShape;

/// A term of the loss that drives a convolution's weights toward sparse crossbar columns.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use burn::tensor::{Device, Tensor};
/// use crossdub::config::{RegularizerKind, TrainConfig};
/// use crossdub::crossbar::tiling::TileShape;
/// use crossdub::loss::Regularizer;
///
/// let tile = TileShape { rows: 8, columns: 4 };
/// let config = TrainConfig { regularizer: RegularizerKind::GroupLassoTile, lambda: 0.5, ..TrainConfig::default() };
/// let regularizer = Regularizer::from_config(&config, tile).unwrap();
///
/// // One full tile of ones: lambda * sqrt(32).
/// let weight = Tensor::<4>::ones([4, 8, 1, 1], &Device::flex());
/// let penalty = regularizer.evaluate(weight);
/// assert!((penalty.loss.into_scalar::<f32>() - 0.5 * 32_f32.sqrt()).abs() < 1e-5);
/// assert_eq!(penalty.gradient.dims(), [4, 8, 1, 1]);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Regularizer {
    /// Variance of the columns' Hoyer densities (D.U.B.).
    HoyerVariance(HoyerVariance),
    /// L2 norms of groups of weights.
    GroupLasso(GroupLasso),
}

/// The weights of a regularizer's terms.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lambdas {
    /// Of the variance, or of the group norms.
    pub main: f64,
    /// Of the mean density, in the kinds that have it.
    pub mean: f64,
}

impl Regularizer {
    /// A regularizer on tiles of this shape; `None` for [`RegularizerKind::None`].
    pub fn new(kind: RegularizerKind, lambdas: Lambdas, tile: TileShape) -> Option<Self> {
        let hoyer = |gated, lambda_mean| {
            Self::HoyerVariance(HoyerVariance { lambda: lambdas.main, lambda_mean, gated, tile })
        };
        let lasso = |group| Self::GroupLasso(GroupLasso { lambda: lambdas.main, group, tile });
        match kind {
            RegularizerKind::None => None,
            RegularizerKind::Gated => Some(hoyer(true, 0.0)),
            RegularizerKind::Ungated => Some(hoyer(false, 0.0)),
            RegularizerKind::MeanAndVariance => Some(hoyer(false, lambdas.mean)),
            RegularizerKind::MeanAndGatedVariance => Some(hoyer(true, lambdas.mean)),
            RegularizerKind::GroupLassoTile => Some(lasso(LassoGroup::Tile)),
            RegularizerKind::GroupLassoRow => Some(lasso(LassoGroup::Row)),
            RegularizerKind::GroupLassoColumn => Some(lasso(LassoGroup::Column)),
        }
    }

    /// The regularizer of a configuration; `None` if its kind is `none` or all its weights are 0.
    pub fn from_config(config: &TrainConfig, tile: TileShape) -> Option<Self> {
        let lambdas = Lambdas { main: config.lambda, mean: config.lambda_mean };
        (lambdas != Lambdas::default()).then(|| Self::new(config.regularizer, lambdas, tile)).flatten()
    }

    /// Value and gradient for one convolution's weight.
    ///
    /// # Shapes
    /// - `weight`: `[out, in, kh, kw]`, without autodiff
    pub fn evaluate(&self, weight: Tensor<4>) -> Penalty {
        match self {
            Self::HoyerVariance(variance) => variance.evaluate(weight),
            Self::GroupLasso(lasso) => lasso.evaluate(weight),
        }
    }
}
