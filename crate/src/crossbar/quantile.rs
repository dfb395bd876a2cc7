//! Percentiles of magnitudes with linear interpolation between order statistics, numpy's default.

/// The `quantile` (0 to 1) of `values`, or `None` if there are no values. Reorders `values`.
///
/// Follows numpy step for step, its rounding included: the difference of the two neighbours is
/// taken in float32, the interpolation in float64, from whichever neighbour is nearer.
///
/// ```
/// use crossdub::crossbar::quantile::quantile;
///
/// assert_eq!(quantile(&mut [4.0, 1.0, 3.0, 2.0], 0.25), Some(1.75));
/// assert_eq!(quantile(&mut [], 0.25), None);
/// ```
pub fn quantile(values: &mut [f32], quantile: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let position = last as f64 * quantile.clamp(0.0, 1.0);
    let below = (position.floor() as usize).min(last);
    let fraction = position - below as f64;
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f32::total_cmp);
    let high = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
    let difference = f64::from(high - low);
    Some(if fraction >= 0.5 {
        f64::from(high) - difference * (1.0 - fraction)
    } else {
        f64::from(low) + difference * fraction
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolates_like_numpy() {
        // numpy.percentile([4, 1, 3, 2], [0, 25, 50, 75, 90, 100])
        for (q, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (0.75, 3.25), (0.9, 3.7), (1.0, 4.0)] {
            let got = quantile(&mut [4.0, 1.0, 3.0, 2.0], q).expect("not empty");
            assert!((got - expected).abs() < 1e-12, "{q}: {got}");
        }
        assert_eq!(quantile(&mut [], 0.5), None);
    }
}
