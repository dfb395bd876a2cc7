//! The rule `paper`: the authors' percentile of each column, numpy's interpolation included.
//! Where a percentile falls below its order statistic a column can miss its level.

use crate::crossbar::quantile::quantile;

/// Zeroes magnitudes of at most `limit`.
pub(super) fn zero_up_to(column: &mut [f32], limit: f64) {
    for weight in column {
        if f64::from(weight.abs()) <= limit {
            *weight = 0.0;
        }
    }
}

/// The authors' rule: zeroes up to the `level * 100`th percentile of the column's magnitudes.
pub(super) fn cut_at_percentile(column: &mut [f32], level: usize, scratch: &mut Vec<f32>) {
    scratch.clear();
    scratch.extend(column.iter().map(|w| w.abs()));
    let sparsity = 1.0 - 0.5_f64.powi(level as i32);
    if let Some(limit) = quantile(scratch, sparsity) {
        zero_up_to(column, limit);
    }
}
