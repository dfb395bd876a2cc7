//! PUMA's converter: energy and time in proportion to bits.
//!
//! Source: Aayush-Ankit/puma-simulator, `include/constants.py` (its values "for including
//! sparsity"): `E = 0.225 b` pJ dynamic, leaving out 0.025 b mW of leakage,
//! `t = 12.5 b` ns, 0.0012 mm2 at any resolution. The source lists 1 to 8 and 16 bits.

use crate::adc::estimate::ModelEstimate;

/// What a conversion costs.
pub(crate) fn estimate(bits: u32) -> ModelEstimate {
    let b = f64::from(bits);
    ModelEstimate { energy: 0.225 * b, area_um2: Some(1200.0), time_ns: Some(12.5 * b), out_of_range: None }
        .within_bits(bits, 1, 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reproduces_the_values_of_the_source() {
        for (bits, pj, ns) in [(1, 0.225, 12.5), (6, 1.35, 75.0), (8, 1.8, 100.0), (16, 3.6, 200.0)] {
            let got = estimate(bits);
            assert!((got.energy - pj).abs() < 1e-12 && got.time_ns == Some(ns), "{bits} bits");
            assert_eq!((got.area_um2, got.out_of_range), (Some(1200.0), None));
        }
    }
}
