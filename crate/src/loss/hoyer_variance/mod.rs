//! The D.U.B. regularizer: the variance of Hoyer densities over a tile's columns.
//!
//! For column `c` of tile `t`, with `S = sum |w|` and `Q = sum w^2 + 1e-6`:
//!
//! ```text
//! H_c  = S^2 / Q
//! loss = lambda * sum_t Var_c(H_c) + lambda_mean * sum_t (mean_c H_c - 1)
//! dH_c/dw = 2 S/Q * sign(w) - 2 S^2/Q^2 * w
//! ```
//!
//! with the unbiased variance over all columns of a full tile; padding columns count as 0. The one-sided gate passes
//! the gradient of the variance with respect to `H_c` only where it is positive: it thins columns denser than their
//! tile's mean and does not fill sparse ones. The closed form takes one pass and no automatic differentiation.
//!
//! Sources: Ibrayev et al., arXiv 2403.13082, and the authors' code where the paper leaves details open; Hoyer,
//! "Non-negative Matrix Factorization with Sparseness Constraints", 2004.

#[cfg(feature = "cpu")]
mod cpu;
#[cfg(feature = "cube")]
pub(crate) mod gpu;

use burn::tensor::Tensor;

use super::penalty::Penalty;
use super::tiles::TiledWeight;
use crate::crossbar::hoyer::EPSILON;
use crate::crossbar::tiling::TileShape;

/// The variance of Hoyer densities, and optionally their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoyerVariance {
    /// Weight of the variance.
    pub lambda: f64,
    /// Weight of the mean.
    pub lambda_mean: f64,
    /// Whether the variance only thins columns denser than the mean.
    pub gated: bool,
    /// Shape of the crossbar's tiles.
    pub tile: TileShape,
}

impl HoyerVariance {
    /// Value and gradient.
    ///
    /// # Shapes
    /// - `weight`: `[out, in, kh, kw]`, without autodiff
    pub fn evaluate(&self, weight: Tensor<4>) -> Penalty {
        #[cfg(feature = "cpu")]
        if let Some(penalty) = cpu::evaluate(self, &weight) {
            return penalty;
        }
        #[cfg(feature = "cube")]
        if let Some(penalty) = gpu::evaluate(self, &weight) {
            return penalty;
        }
        self.reference(weight)
    }

    /// The same in tensor operations, for every device: what faster implementations are checked against.
    fn reference(&self, weight: Tensor<4>) -> Penalty {
        let tiled = TiledWeight::new(weight, self.tile);
        let weight = tiled.weight.clone();
        let columns = tiled.columns as f64;
        let sum = weight.clone().abs().sum_dim(3);
        let squares = weight.clone().square().sum_dim(3).add_scalar(EPSILON);
        let ratio = sum.clone() / squares;
        let density = sum * ratio.clone();

        let mean = density.clone().mean_dim(1);
        let deviation = density - mean.clone();
        let mut loss = deviation.clone().square().sum().mul_scalar(self.lambda / (columns - 1.0));
        let gated = if self.gated { deviation.clamp_min(0.0) } else { deviation };
        // Times 2, the 2 of dH/dw.
        let mut d_loss_d_density = gated.mul_scalar(4.0 * self.lambda / (columns - 1.0));
        if self.lambda_mean != 0.0 {
            loss = loss + mean.sub_scalar(1.0).sum().mul_scalar(self.lambda_mean);
            d_loss_d_density = d_loss_d_density.add_scalar(2.0 * self.lambda_mean / columns);
        }
        let sign_term = d_loss_d_density * ratio.clone();
        let weight_term = sign_term.clone() * ratio;
        let gradient = weight.clone().sign() * sign_term - weight * weight_term;
        Penalty { loss, gradient: tiled.untile(gradient) }
    }
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_cpu_implementation_matches_the_reference(
            outputs in 1_usize..20, inputs in 1_usize..9, rows in 2_usize..40, columns in 2_usize..12, seed in 0_u32..9,
            gated in any::<bool>(), lambda_mean in prop_oneof![Just(0.0), 0.01_f64..1.0],
        ) {
            let tile = TileShape { rows, columns };
            let regularizer = HoyerVariance { lambda: 0.3, lambda_mean, gated, tile };
            let count = outputs * inputs * 9;
            let value = |at: usize| if at.is_multiple_of(5) { 0.0 } else { ((at as f32 + 1.0) * (seed as f32 + 1.7)).sin() };
            let values: Vec<f32> = (0..count).map(value).collect();
            // Columns of nearly equal density leave a small difference of large numbers. The tolerance is the rounding
            // error of densities up to `rows`, times the steepest dH/dw, 2 S / Q.
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
            let (fast, plain) = (regularizer.evaluate(weight()), regularizer.reference(weight()));
            let numbers = |penalty: Penalty| -> (f32, Vec<f32>) {
                let loss = penalty.loss.into_data().as_slice::<f32>().expect("float32")[0];
                (loss, penalty.gradient.into_data().as_slice::<f32>().expect("float32").to_vec())
            };
            let ((fast_loss, fast), (loss, plain)) = (numbers(fast), numbers(plain));
            // In the loss: of each density less 1, and of each density's squared deviation from the mean.
            let loss_rounding = unit * rows as f32 * (mean * count + (count * loss.abs()).sqrt());
            prop_assert!((fast_loss - loss).abs() <= 1e-4 * loss.abs() + loss_rounding, "{fast_loss} {loss}");
            let largest = plain.iter().fold(1e-6_f32, |most, value| most.max(value.abs()));
            let difference = fast.iter().zip(&plain).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            prop_assert!(difference <= 1e-4 * largest + rounding, "{difference} of {largest}");
        }
    }
}
