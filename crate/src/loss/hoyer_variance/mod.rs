//! The D.U.B. regularizer: the variance of Hoyer densities over a tile's columns.
//!
//! Source: arXiv 2403.13082, and the authors' code where the paper is silent. For column `c` of
//! tile `t`, with `S = sum |w|` and `Q = sum w^2 + 1e-6`:
//!
//! ```text
//! H_c  = S^2 / Q
//! loss = lambda * sum_t Var_c(H_c) + lambda_mean * sum_t (mean_c H_c - 1)
//! dH_c/dw = 2 S/Q * sign(w) - 2 S^2/Q^2 * w
//! ```
//!
//! with the unbiased variance over all columns of a full tile, padding columns counting as 0. The
//! one-sided gate lets the variance's gradient with respect to `H_c` flow only where it is
//! positive: columns denser than their tile's mean are pushed, sparse ones are not filled up. The
//! closed form needs one pass and no automatic differentiation.

#[cfg(all(feature = "cpu", not(target_arch = "wasm32")))]
pub(crate) mod cpu;

use super::Term;
use crate::crossbar::hoyer::EPSILON;
use crate::loss::tiles::Blocks;

/// Variance of Hoyer densities, and their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoyerVariance {
    /// Weight of the variance.
    pub lambda: f64,
    /// Weight of the mean.
    pub lambda_mean: f64,
    /// Whether only columns denser than the mean are pushed.
    pub gated: bool,
}

impl HoyerVariance {
    /// Value and gradient.
    ///
    /// # Shapes
    /// - `blocks.weight`: `[output blocks, columns, input blocks, rows]`
    pub fn evaluate(&self, blocks: &Blocks) -> Term {
        let weight = blocks.weight.clone();
        let columns = blocks.columns as f64;
        let sum = weight.clone().abs().sum_dim(3);
        let squares = weight.clone().square().sum_dim(3).add_scalar(EPSILON);
        let ratio = sum.clone() / squares;
        let density = sum * ratio.clone();

        let mean = density.clone().mean_dim(1);
        let above = density - mean.clone();
        let mut loss = above.clone().square().sum().mul_scalar(self.lambda / (columns - 1.0));
        // d loss / d H, doubled already for the 2 of dH/dw.
        let pushed = if self.gated { above.clamp_min(0.0) } else { above };
        let mut push = pushed.mul_scalar(4.0 * self.lambda / (columns - 1.0));
        if self.lambda_mean != 0.0 {
            loss = loss + mean.sub_scalar(1.0).sum().mul_scalar(self.lambda_mean);
            push = push.add_scalar(2.0 * self.lambda_mean / columns);
        }
        let along_sign = push * ratio.clone();
        let along_weight = along_sign.clone() * ratio;
        let gradient = weight.clone().sign() * along_sign - weight * along_weight;
        Term { loss, gradient: blocks.restore(gradient) }
    }
}
