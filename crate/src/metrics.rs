//! Accuracy and probabilities from class scores, on plain floats.

/// Counts the images whose highest score is their label's.
///
/// # Shapes
/// - `logits`: `[images, classes]`, row-major
/// - `labels`: `[images]`
///
/// ```
/// use crossdub::metrics::correct_predictions;
///
/// // Two images, three classes; the second image is misclassified.
/// assert_eq!(correct_predictions(&[0.1, 0.7, 0.2, 0.9, 0.0, 0.1], 3, &[1, 2]), 1);
/// ```
pub fn correct_predictions(logits: &[f32], classes: usize, labels: &[i32]) -> usize {
    let rows = logits.chunks_exact(classes).zip(labels);
    rows.filter(|(row, label)| rank_of(row, **label as usize) == 0).count()
}

/// How many classes score higher than `label`; on equal scores the lower class wins.
pub(crate) fn rank_of(logits: &[f32], label: usize) -> usize {
    let own = logits[label];
    let before = |(at, &score): (usize, &f32)| score > own || (score == own && at < label);
    // A NaN score never counts as correct.
    if own.is_nan() { logits.len() } else { logits.iter().enumerate().filter(|&pair| before(pair)).count() }
}

/// `ln(sum(exp(logits)))`, without overflow.
pub(crate) fn log_sum_exp(logits: &[f32]) -> f64 {
    let highest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    highest + logits.iter().map(|&score| (f64::from(score) - highest).exp()).sum::<f64>().ln()
}

/// The softmax of class scores, as pairs of class and probability, highest first.
///
/// ```
/// use crossdub::metrics::ranked_probabilities;
///
/// let ranked = ranked_probabilities(&[0.0, 2.0]);
/// assert_eq!(ranked[0].0, 1);
/// assert!((ranked[0].1 - 0.8808).abs() < 1e-4);
/// ```
pub fn ranked_probabilities(logits: &[f32]) -> Vec<(usize, f64)> {
    let total = log_sum_exp(logits);
    let mut ranked: Vec<(usize, f64)> =
        logits.iter().map(|&score| (f64::from(score) - total).exp()).enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_probabilities() {
        let logits = [1.0, 3.0, 3.0, f32::NAN];
        assert_eq!(
            [rank_of(&logits, 0), rank_of(&logits, 1), rank_of(&logits, 2), rank_of(&logits, 3)],
            [2, 0, 1, 4]
        );
        let ranked = ranked_probabilities(&[0.0, 2.0, 1.0]);
        assert_eq!(ranked.iter().map(|r| r.0).collect::<Vec<_>>(), [1, 2, 0]);
        assert!((ranked.iter().map(|r| r.1).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
