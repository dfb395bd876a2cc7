//! Importance: how much it matters that a weight stays, which a budget spares.

use crate::matrix::Matrix;
use crate::parallel;

/// Squared weights divided by their layer's sum: the importance without data. One value per weight.
///
/// ```
/// use crossdub::matrix::Matrix;
/// use crossdub::prune::budget::magnitude_importance;
///
/// let layer = Matrix::new("w", 1, 3, vec![1.0, -2.0, 0.0])?;
/// assert_eq!(magnitude_importance(&[layer]), [[0.2, 0.8, 0.0]]);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn magnitude_importance(layers: &[Matrix]) -> Vec<Vec<f32>> {
    layers.iter().map(|layer| weighted_importance(layer, &vec![1.0; layer.cols])).collect()
}

/// Squared weights times a factor for each input, divided by the layer's sum. `factors` has one value
/// per matrix column.
pub fn weighted_importance(layer: &Matrix, factors: &[f32]) -> Vec<f32> {
    let of_output = |output: usize| {
        let pairs = layer.row(output).iter().zip(factors);
        pairs.map(|(&w, &factor)| w * w * factor).collect::<Vec<f32>>()
    };
    let mut all = parallel::map(layer.rows, of_output).concat();
    // In parts, so that millions of small values are not lost in one large float32.
    let sum: f64 = all.chunks(4096).map(|part| f64::from(part.iter().sum::<f32>())).sum();
    let scale = if sum > 0.0 { (1.0 / sum) as f32 } else { 0.0 };
    all.iter_mut().for_each(|value| *value *= scale);
    all
}
