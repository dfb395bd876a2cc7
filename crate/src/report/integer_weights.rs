//! The remark on layers whose weights are integers already.

use crate::config::HardwareConfig;
use crate::crossbar::quantize::QuantizedMatrix;
use crate::matrix::Matrix;

/// Whether layers of a quantized checkpoint keep their integers, or are quantized again.
///
/// ```
/// use crossdub::config::HardwareConfig;
/// use crossdub::matrix::Matrix;
/// use crossdub::report::integer_weights_note;
///
/// let layer = Matrix::new("conv", 1, 2, vec![0.5, -1.0])?.with_steps(vec![0.5])?;
/// let note = integer_weights_note(&[layer], &HardwareConfig::default()).unwrap();
/// assert_eq!(note, "1 layer holds integers, which are not quantized again");
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn integer_weights_note(layers: &[Matrix], hardware: &HardwareConfig) -> Option<String> {
    let integers: Vec<&Matrix> = layers.iter().filter(|layer| layer.steps.is_some()).collect();
    let kept =
        integers.iter().filter(|layer| QuantizedMatrix::from_integers(layer, hardware).is_some()).count();
    let count =
        |count: usize| if count == 1 { "1 layer holds".to_owned() } else { format!("{count} layers hold") };
    match (kept, integers.len() - kept) {
        (0, 0) => None,
        (kept, 0) => Some(format!("{} integers, which are not quantized again", count(kept))),
        (_, wide) => Some(format!(
            "{} integers that do not fit {} bits with a sign and are quantized again; more bits keep them",
            count(wide),
            hardware.weight_precision
        )),
    }
}
