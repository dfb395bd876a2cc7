//! Cross-entropy of class scores, averaged over a batch.

#[cfg(feature = "cube")]
mod gpu;

use burn::tensor::loss::cross_entropy_with_logits;
use burn::tensor::{Tensor, TensorData};

/// The loss, one element: `mean_i (log sum_c exp(s_ic) - s_i,label)`.
///
/// The targets are laid out on the host: Burn's `one_hot` reads its input back to check it, and the page must not
/// block.
///
/// # Shapes
/// - `logits`: `[batch, classes]`
/// - `labels`: `[batch]`, each below `classes`
/// - output: `[1]`
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use burn::tensor::{Device, Tensor};
/// use crossdub::loss::cross_entropy::cross_entropy;
///
/// // Equal scores for four classes: log 4.
/// let logits = Tensor::<2>::zeros([2, 4], &Device::flex());
/// let loss = cross_entropy(logits, &[0, 3]).into_scalar::<f32>();
/// assert!((loss - 4_f32.ln()).abs() < 1e-6);
/// # }
/// ```
pub fn cross_entropy(logits: Tensor<2>, labels: &[i32]) -> Tensor<1> {
    #[cfg(feature = "cube")]
    if crate::kernels::fits_gpu(&logits) {
        return gpu::cross_entropy(logits, labels);
    }
    let [batch, classes] = logits.dims();
    let mut targets = vec![0.0_f32; batch * classes];
    for (row, &label) in targets.chunks_exact_mut(classes).zip(labels) {
        row[label as usize] = 1.0;
    }
    let targets = Tensor::from_data(TensorData::new(targets, [batch, classes]), &logits.device());
    cross_entropy_with_logits(logits, targets)
}
