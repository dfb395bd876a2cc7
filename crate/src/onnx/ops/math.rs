//! Functions of one number that the standard library lacks.

/// The error function, to float32's precision: its Taylor series near 0, and a continued fraction's
/// rational approximation (Abramowitz and Stegun 7.1.26 is too coarse) beyond.
pub(super) fn erf(x: f32) -> f32 {
    let x = f64::from(x);
    let size = x.abs();
    if size.is_nan() {
        return f32::NAN;
    }
    let value = if size < 2.5 {
        // erf(x) = 2 / sqrt(pi) * exp(-x^2) * sum_n 2^n x^(2n+1) / (2n+1)!!
        let (mut term, mut sum, mut n) = (size, size, 1.0);
        while term > 1e-12 * sum && n < 100.0 {
            term *= 2.0 * size * size / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-size * size).exp() * sum
    } else if size < 6.0 {
        // erfc(x) = exp(-x^2) / sqrt(pi) / (x + 1/2 / (x + 1 / (x + 3/2 / (x + ...))))
        let fraction = (1..40).rev().fold(size, |below, n| size + f64::from(n) / 2.0 / below);
        1.0 - (-size * size).exp() / (fraction * std::f64::consts::PI.sqrt())
    } else {
        1.0
    };
    value.copysign(x) as f32
}

/// `1 / (1 + exp(-x))`.
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + exp(x))`.
pub(super) fn softplus(x: f32) -> f32 {
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

/// Rounds halves to the even neighbour, as ONNX does.
pub(super) fn round(x: f32) -> f32 {
    x.round_ties_even()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Abramowitz and Stegun, table 7.1.
    #[test]
    fn erf_is_right_to_single_precision() {
        for (x, value) in [(0.0, 0.0), (0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0)]
        {
            assert!((f64::from(erf(x)) - value).abs() < 1e-7, "{x}");
            assert!((f64::from(erf(-x)) + value).abs() < 1e-7, "-{x}");
        }
        assert!((f64::from(erf(3.0)) - 0.999_977_909_5).abs() < 1e-7);
        assert_eq!((erf(9.0), erf(-9.0), erf(f32::INFINITY)), (1.0, -1.0, 1.0));
        assert!(erf(f32::NAN).is_nan());
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        assert_eq!([0.5, 1.5, 2.5, -0.5].map(round), [0.0, 2.0, 2.0, 0.0]);
        assert_eq!((softplus(50.0), sigmoid(0.0)), (50.0, 0.5));
    }
}
