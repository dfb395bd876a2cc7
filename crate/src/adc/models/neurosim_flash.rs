//! NeuroSim's flash converter at 32 nm: `2^b - 1` sense amplifiers at once.
//!
//! Source: neurosim/DNN_NeuroSim_V2.1, `NeuroSIM/MultilevelSenseAmp.cpp` (its equation and constants
//! as facts): `P = 3.0875 (2^b - 1) uW + 0.0649 exp(-2.297 log10 R) W`, `R` the resistance of the
//! column in ohm, left out when not given; `t` 1 to 10 ns, an option; `E = P t`. No area here. The
//! source states no range of bits; 1 to 16 are answered.

use crate::adc::converter::{AdcParams, ModelEstimate};

/// The shortest and longest conversion, ns.
pub(crate) const NS: (f64, f64) = (1.0, 10.0);

/// What a conversion costs.
pub(crate) fn estimate(bits: u32, params: &AdcParams) -> ModelEstimate {
    let comparators = f64::from((1_u32 << bits) - 1);
    let column_watts = params.column_ohm.map_or(0.0, |ohm| 0.0649 * f64::exp(-2.297 * ohm.log10()));
    let microwatts = 3.0875 * comparators + 1e6 * column_watts;
    // 1 uW for 1 ns is 1 fJ.
    let energy = microwatts * params.flash_ns * 1e-3;
    ModelEstimate { energy, area_um2: None, time_ns: Some(params.flash_ns), out_of_range: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_comparator_counts() {
        let at = |bits, params: &AdcParams| estimate(bits, params).energy;
        let plain = AdcParams::default();
        assert!((at(1, &plain) - 3.0875e-3).abs() < 1e-12);
        assert!((at(8, &plain) - 3.0875e-3 * 255.0).abs() < 1e-12);
        let slow = AdcParams { flash_ns: 10.0, ..AdcParams::default() };
        assert!((at(8, &slow) / at(8, &plain) - 10.0).abs() < 1e-12);
        let column = AdcParams { column_ohm: Some(1e4), ..AdcParams::default() };
        assert!((at(8, &column) - at(8, &plain) - 6.64e-3).abs() < 1e-5, "0.0649 exp(-9.188) W");
    }
}
