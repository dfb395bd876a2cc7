//! The rule `paper`: the authors' percentile of each column, numpy's interpolation included. A column
//! can miss its level where interpolation falls below the order statistic.

use crate::crossbar::quantile::quantile;
use crate::matrix::Matrix;

/// Zeroes magnitudes up to `limit`.
pub(super) fn zero_up_to(column: &mut [f32], limit: f64) {
    for weight in column {
        if f64::from(weight.abs()) <= limit {
            *weight = 0.0;
        }
    }
}

/// Zeroes magnitudes up to the column's percentile for `level`, the `100 * (1 - 2^-level)`th.
pub(super) fn cut_at_percentile(column: &mut [f32], level: usize, scratch: &mut Vec<f32>) {
    scratch.clear();
    scratch.extend(column.iter().map(|w| w.abs()));
    let sparsity = 1.0 - 0.5_f64.powi(level as i32);
    if let Some(limit) = quantile(scratch, sparsity) {
        zero_up_to(column, limit);
    }
}

/// The magnitude below which `percent` of a layer's weights lie.
pub(super) fn layer_percentile(layer: &Matrix, percent: f64) -> f64 {
    let mut magnitudes: Vec<f32> = layer.data.iter().map(|w| w.abs()).collect();
    quantile(&mut magnitudes, percent / 100.0).unwrap_or(0.0)
}
