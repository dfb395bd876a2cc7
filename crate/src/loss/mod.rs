//! The terms added to cross-entropy. One regularizer a file, each a closed-form value and gradient
//! in Burn tensor operations, so that it runs on every backend in few kernels.

pub mod cross_entropy;
pub mod group_lasso;
pub mod hoyer_variance;
pub mod tiles;

use burn::tensor::Tensor;

use crate::config::{RegularizerKind, TrainConfig};
use crate::crossbar::tiling::TileShape;
use group_lasso::Group;
use hoyer_variance::HoyerVariance;
use tiles::Blocks;

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
    pub fn of(spec: &TrainConfig, shape: TileShape) -> Option<Self> {
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
        let lasso =
            |group| group_lasso::evaluate(self.lambda, group, &Blocks::of(weight.clone(), self.shape));
        let variance = match self.kind {
            RegularizerKind::None => return None,
            RegularizerKind::Gated => hoyer(true, false),
            RegularizerKind::Ungated => hoyer(false, false),
            RegularizerKind::MeanAndVariance => hoyer(false, true),
            RegularizerKind::MeanAndGatedVariance => hoyer(true, true),
            RegularizerKind::GroupLassoTile => return Some(lasso(Group::Tile)),
            RegularizerKind::GroupLassoRow => return Some(lasso(Group::Row)),
            RegularizerKind::GroupLassoColumn => return Some(lasso(Group::Column)),
        };
        #[cfg(all(feature = "cpu", not(target_arch = "wasm32")))]
        if let Some(term) = hoyer_variance::cpu::evaluate(&variance, &weight, self.shape) {
            return Some(term);
        }
        Some(variance.evaluate(&Blocks::of(weight, self.shape)))
    }

    /// The same in tensor operations, whatever the device: what the faster ways are checked against.
    #[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
    fn in_tensors(&self, weight: Tensor<4>) -> Term {
        let gated = matches!(self.kind, RegularizerKind::Gated | RegularizerKind::MeanAndGatedVariance);
        let variance = HoyerVariance { lambda: self.lambda, lambda_mean: self.lambda_mean, gated };
        variance.evaluate(&Blocks::of(weight, self.shape))
    }
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_faster_way_gives_what_the_tensors_give(
            outputs in 1_usize..20, inputs in 1_usize..9, rows in 2_usize..40, columns in 2_usize..12, seed in 0_u32..9,
            gated in any::<bool>(), lambda_mean in prop_oneof![Just(0.0), 0.01_f64..1.0],
        ) {
            let kind = if gated { RegularizerKind::MeanAndGatedVariance } else { RegularizerKind::MeanAndVariance };
            let regularizer =
                Regularizer { kind, lambda: 0.3, lambda_mean, shape: TileShape { rows, columns } };
            let count = outputs * inputs * 9;
            let value = |at: usize| if at.is_multiple_of(5) { 0.0 } else { ((at as f32 + 1.0) * (seed as f32 + 1.7)).sin() };
            let values: Vec<f32> = (0..count).map(value).collect();
            // Columns that are about equally dense leave a small difference of large numbers: what
            // rounding makes of densities up to `rows`, times the steepest dH/dw, 2 S / Q.
            let slope = |column: &[f32]| {
                let (sum, squares) = column.iter().fold((0.0, 1e-6), |(s, q), w| (s + w.abs(), q + w * w));
                2.0 * sum / squares
            };
            let columns_of = || values.chunks(inputs * 9).flat_map(|output| output.chunks(rows));
            let steepest = columns_of().map(slope).fold(0.0, f32::max);
            let (unit, mean) = (8.0 * f32::EPSILON, lambda_mean as f32);
            let variance = 0.6 * rows as f32 / (columns as f32 - 1.0).max(1.0);
            let rounding = unit * steepest * (variance + mean);
            let count = columns_of().count() as f32;
            let data = TensorData::new(values, [outputs, inputs, 3, 3]);
            let weight = || Tensor::<4>::from_data(data.clone(), &Device::flex());
            let (fast, plain) = (regularizer.evaluate(weight()).expect("a term"), regularizer.in_tensors(weight()));
            let numbers = |term: Term| -> (f32, Vec<f32>) {
                let loss = term.loss.into_data().as_slice::<f32>().expect("float32")[0];
                (loss, term.gradient.into_data().as_slice::<f32>().expect("float32").to_vec())
            };
            let ((fast_loss, fast), (loss, plain)) = (numbers(fast), numbers(plain));
            // In the loss: of each density less 1, and of each density's difference to the mean, squared.
            let loss_rounding = unit * rows as f32 * (mean * count + (count * loss.abs()).sqrt());
            prop_assert!((fast_loss - loss).abs() <= 1e-4 * loss.abs() + loss_rounding, "{fast_loss} {loss}");
            let most = plain.iter().fold(1e-6_f32, |most, value| most.max(value.abs()));
            let apart = fast.iter().zip(&plain).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            prop_assert!(apart <= 1e-4 * most + rounding, "{apart} of {most}");
        }
    }
}
