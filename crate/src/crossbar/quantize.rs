//! Symmetric quantization of weights: a sign and `P - 1` magnitude bits.
//!
//! `q = round(w / s)`, `s = max |w| / (2^(P-1) - 1)`, half away from zero, so that `|q|` is at most
//! `2^(P-1) - 1` and a weight of 0 stays 0: a pruned cell stays empty. The layer has one scale `s`,
//! or each output channel its own.
//!
//! Weights that are integers already, times a step each output or all share, keep their integers if
//! `P` bits hold them all.

use crate::config::{HardwareConfig, WeightScale};
use crate::matrix::{Matrix, step_of};

/// A layer's weights as integers, in the layout of [`Matrix`].
///
/// ```
/// use crossdub::config::HardwareConfig;
/// use crossdub::crossbar::quantize::QuantizedMatrix;
/// use crossdub::matrix::Matrix;
///
/// let layer = Matrix::new("w", 1, 3, vec![1.0, -0.5, 0.0])?;
/// // A sign and 3 magnitude bits: integers from -7 to 7.
/// let hardware = HardwareConfig { weight_precision: 4, ..HardwareConfig::default() };
/// let quantized = QuantizedMatrix::new(&layer, &hardware);
/// assert_eq!(quantized.row(0), [7, -4, 0]);
/// assert_eq!(quantized.scales, [1.0 / 7.0]);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedMatrix {
    /// Output channels.
    pub rows: usize,
    /// Inputs of each output.
    pub cols: usize,
    /// `rows * cols` integers, row by row.
    pub data: Vec<i16>,
    /// The scale of each output, `rows` values: a weight is its integer times the scale.
    pub scales: Vec<f64>,
}

impl QuantizedMatrix {
    /// Quantizes the weights to `weight_precision` bits, with the hardware's `weight_scale`. Weights that
    /// are integers of at most this many bits keep them.
    pub fn new(matrix: &Matrix, hardware: &HardwareConfig) -> Self {
        if let Some(kept) = Self::from_integers(matrix, hardware) {
            return kept;
        }
        let levels = f64::from(largest_integer(hardware.weight_precision));
        // If all weights are 0, any scale will do.
        let scale = |most: f32| if most == 0.0 { 1.0 } else { f64::from(most) / levels };
        let scales: Vec<f64> = match hardware.weight_scale {
            WeightScale::Layer => vec![scale(most_of(&matrix.data)); matrix.rows],
            WeightScale::Channel => (0..matrix.rows).map(|row| scale(most_of(matrix.row(row)))).collect(),
        };
        let mut data = Vec::with_capacity(matrix.data.len());
        for (row, &scale) in scales.iter().enumerate() {
            data.extend(matrix.row(row).iter().map(|&w| (f64::from(w) / scale).round() as i16));
        }
        Self { rows: matrix.rows, cols: matrix.cols, data, scales }
    }

    /// The integers that the weights of a quantized checkpoint are, if all have at most `weight_precision`
    /// bits, their sign among them. The least number of as many bits in two's complement, such as -128 of
    /// 8, has no counterpart here and becomes the next one, -127.
    pub fn from_integers(matrix: &Matrix, hardware: &HardwareConfig) -> Option<Self> {
        let steps = matrix.steps.as_ref()?;
        let largest = f64::from(largest_integer(hardware.weight_precision));
        let of_row = |row: usize| f64::from(step_of(steps, row));
        // A step of 0 leaves no integer to tell.
        let scales: Vec<f64> =
            (0..matrix.rows).map(of_row).map(|step| if step == 0.0 { 1.0 } else { step }).collect();
        if scales.iter().any(|scale| !scale.is_finite()) {
            return None;
        }
        let mut data = Vec::with_capacity(matrix.data.len());
        for (row, &scale) in scales.iter().enumerate() {
            for &weight in matrix.row(row) {
                let exact = f64::from(weight) / scale;
                let integer = exact.round();
                // Changed since they were read, or of more bits.
                if (exact - integer).abs() > 1e-2 || !(-largest - 1.0..=largest).contains(&integer) {
                    return None;
                }
                data.push(integer.max(-largest) as i16);
            }
        }
        Some(Self { rows: matrix.rows, cols: matrix.cols, data, scales })
    }

    /// The weights of one output: `cols` integers.
    pub fn row(&self, output: usize) -> &[i16] {
        &self.data[output * self.cols..(output + 1) * self.cols]
    }
}

/// The largest integer of so many bits, its sign among them.
pub fn largest_integer(precision: u32) -> i16 {
    ((1_i32 << (precision - 1)) - 1) as i16
}

/// The largest magnitude.
pub(super) fn most_of(weights: &[f32]) -> f32 {
    weights.iter().fold(0.0_f32, |most, w| most.max(w.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantized(weights: &[f32], change: impl FnOnce(&mut HardwareConfig)) -> QuantizedMatrix {
        let matrix = Matrix::new("w", 2, weights.len() / 2, weights.to_vec()).expect("fits");
        let mut hardware = HardwareConfig::default();
        change(&mut hardware);
        QuantizedMatrix::new(&matrix, &hardware)
    }

    #[test]
    fn the_largest_weight_gets_the_largest_integer() {
        let weights = [0.5, -1.0, 0.0, 0.25, 0.004, 0.003];
        let layer = quantized(&weights, |_| {});
        assert_eq!(layer.data, [64, -127, 0, 32, 1, 0], "half away from zero, small ones to 0");
        assert_eq!(layer.scales, [1.0 / 127.0; 2]);
        let channel = quantized(&weights, |h| h.weight_scale = WeightScale::Channel);
        assert_eq!(channel.row(1), [127, 2, 2]);
        let ternary = quantized(&weights, |h| h.weight_precision = 2);
        assert_eq!(ternary.data, [1, -1, 0, 0, 0, 0]);
        let finest = quantized(&weights, |h| h.weight_precision = 16);
        assert_eq!(finest.data[..2], [16_384, -32_767]);
    }

    #[test]
    fn integers_are_not_quantized_again() {
        let matrix = Matrix::new("w", 2, 2, vec![0.5, -1.0, 0.75, 0.0]).expect("fits");
        let stepped = matrix.clone().with_steps(vec![0.5, 0.25]).expect("two steps");
        let hardware = HardwareConfig::default();
        assert_eq!(QuantizedMatrix::new(&stepped, &hardware).data, [1, -2, 3, 0]);
        // Integers of more bits than the hardware has are quantized like any weights.
        let ternary = HardwareConfig { weight_precision: 2, ..hardware.clone() };
        assert!(QuantizedMatrix::from_integers(&stepped, &ternary).is_none());
        assert_eq!(QuantizedMatrix::new(&stepped, &ternary).data, [1, -1, 1, 0]);
        let least =
            Matrix::new("w", 1, 2, vec![-128.0, 127.0]).and_then(|matrix| matrix.with_steps(vec![1.0]));
        assert_eq!(QuantizedMatrix::new(&least.expect("fits"), &hardware).data, [-127, 127]);
        let changed = matrix.with_steps(vec![0.6]).expect("one step");
        assert!(QuantizedMatrix::from_integers(&changed, &hardware).is_none());
    }

    #[test]
    fn zeros_and_subnormal_weights_quantize() {
        let zero = quantized(&[0.0; 4], |h| h.weight_scale = WeightScale::Channel);
        assert_eq!((zero.data, zero.scales), (vec![0; 4], vec![1.0; 2]));
        let tiny = quantized(&[f32::from_bits(1), 0.0, 0.0, -f32::from_bits(1)], |_| {});
        assert_eq!(tiny.data, [127, 0, 0, -127]);
    }
}
