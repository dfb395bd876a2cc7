//! Quantization of activations: the integers that digital-to-analog converters apply to the rows.
//!
//! `u = clamp(round(x / s) + z, 0, 2^B - 1)`, `s = (high - low) / (2^B - 1)`, `z = round(-low / s)`, over
//! the range `low..high` of the calibration images, widened to include 0, so that 0 (padding, or the
//! output of a ReLU) is exactly the integer `z`.
//!
//! After a ReLU `low` is 0, so `z` is 0 and `u` needs no shift. Standardized images are signed: there a
//! row gets `x / s + z`, which is never negative at any width of the DAC, and the constant
//! `z * sum of the column's weights` is subtracted digitally, like a bias. (Negative inputs in two's
//! complement would need bits of different signs in one DAC chunk.)

/// Turns the activations of one layer into integers.
///
/// ```
/// use crossdub::simulate::activation_quantizer::ActivationQuantizer;
///
/// // 8 bits for -1 to 3: 0 is the integer 64, and values out of range are clipped.
/// let quantizer = ActivationQuantizer::new((-1.0, 3.0), 8);
/// assert_eq!(quantizer.zero, 64);
/// assert_eq!(quantizer.integers(&[-1.0, 0.0, 3.0, 3.5]), (vec![0, 64, 255, 255], 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActivationQuantizer {
    low: f32,
    high: f32,
    /// The value of one step.
    pub scale: f64,
    /// The integer of 0.
    pub zero: u16,
    top: u16,
}

impl ActivationQuantizer {
    /// Integers of `bits` bits (at most 16) for activations of a finite range.
    pub fn new((low, high): (f32, f32), bits: u32) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let top = ((1_u32 << bits) - 1) as u16;
        let span = f64::from(high) - f64::from(low);
        // If all activations are 0, any scale will do.
        let scale = if span > 0.0 { span / f64::from(top) } else { 1.0 };
        let zero = (f64::from(-low) / scale).round() as u16;
        Self { low, high, scale, zero, top }
    }

    /// Integers of `bits` bits (at most 16) with a given scale and integer of 0; `None` if the scale is not
    /// positive or `zero` has more bits.
    pub fn with_scale(scale: f64, zero: u16, bits: u32) -> Option<Self> {
        let top = ((1_u32 << bits) - 1) as u16;
        // Half a step more, since the values themselves are rounded.
        let low = (-(f64::from(zero) + 0.5) * scale) as f32;
        let high = ((f64::from(top) - f64::from(zero) + 0.5) * scale) as f32;
        (scale > 0.0 && scale.is_finite() && zero <= top).then_some(Self { low, high, scale, zero, top })
    }

    /// The integer of an activation.
    pub fn integer(&self, value: f32) -> u16 {
        let integer = (f64::from(value) / self.scale).round() + f64::from(self.zero);
        integer.clamp(0.0, f64::from(self.top)) as u16
    }

    /// The integers of activations, and how many of the activations are outside the calibrated range.
    pub fn integers(&self, values: &[f32]) -> (Vec<u16>, u64) {
        let outside = values.iter().filter(|value| !(self.low..=self.high).contains(value)).count();
        (values.iter().map(|&value| self.integer(value)).collect(), outside as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exact_and_the_range_fills_the_integers() {
        let relu = ActivationQuantizer::new((0.0, 2.0), 8);
        assert_eq!([0.0, 1.0, 2.0, 5.0, -1.0].map(|x| relu.integer(x)), [0, 128, 255, 255, 0]);
        let signed = ActivationQuantizer::new((-1.0, 3.0), 8);
        assert_eq!(signed.zero, 64);
        assert_eq!([-1.0, 0.0, 3.0].map(|x| signed.integer(x)), [0, 64, 255]);
        assert_eq!(signed.integers(&[-1.5, 0.0, 3.0, 3.5]), (vec![0, 64, 255, 255], 2));
        let one_bit = ActivationQuantizer::new((-1.0, 1.0), 1);
        assert_eq!([-1.0, -0.4, 0.0, 1.0].map(|x| one_bit.integer(x)), [0, 1, 1, 1]);
        assert_eq!(ActivationQuantizer::new((0.0, 0.0), 8).integers(&[0.0, 1.0]), (vec![0, 1], 1));
        assert_eq!(ActivationQuantizer::new((0.0, 1.0), 16).integer(1.0), 65_535);
        let given = ActivationQuantizer::with_scale(0.5, 128, 8).expect("in range");
        assert_eq!(given.integers(&[-64.0, 0.0, 63.5, 64.0]), (vec![0, 128, 255, 255], 1));
        assert_eq!(ActivationQuantizer::with_scale(0.0, 0, 8), None);
    }
}
