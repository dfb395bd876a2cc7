//! The remark on layers whose weights are integers already.

use crate::config::HardwareConfig;
use crate::crossbar::quantize::{QuantizedMatrix, largest_integer};
use crate::matrix::{Matrix, step_of};

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
    let IntegerWeights { kept, wide, least } = IntegerWeights::new(layers, hardware);
    let largest = largest_integer(hardware.weight_precision);
    let layers =
        |count: usize| if count == 1 { "1 layer holds".to_owned() } else { format!("{count} layers hold") };
    let mut parts = Vec::new();
    if kept > 0 {
        parts.push(format!("{} integers, which are not quantized again", layers(kept)));
    }
    if least > 0 {
        parts.push(format!("{least} of them are {}, held as {}", -largest - 1, -largest));
    }
    if wide > 0 {
        let bits = hardware.weight_precision;
        parts.push(format!(
            "{} integers that do not fit {bits} bits with a sign and are quantized again; more bits keep them",
            layers(wide)
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The layers of a quantized checkpoint, by what their integers become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegerWeights {
    /// Layers that keep their integers.
    pub kept: usize,
    /// Layers whose integers have too many bits.
    pub wide: usize,
    /// Weights that are the least number in two's complement, which becomes the next one.
    pub least: usize,
}

impl IntegerWeights {
    /// Counts the layers that have integers.
    pub fn new(layers: &[Matrix], hardware: &HardwareConfig) -> Self {
        let bound = f32::from(largest_integer(hardware.weight_precision)) + 0.5;
        let mut counted = Self { kept: 0, wide: 0, least: 0 };
        for layer in layers {
            let Some(steps) = &layer.steps else { continue };
            if QuantizedMatrix::from_integers(layer, hardware).is_none() {
                counted.wide += 1;
                continue;
            }
            counted.kept += 1;
            for row in 0..layer.rows {
                let bound = -step_of(steps, row).abs() * bound;
                counted.least += layer.row(row).iter().filter(|&&weight| weight < bound).count();
            }
        }
        counted
    }
}
