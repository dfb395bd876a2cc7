//! NeuroSim's flash converter at 32 nm: `2^b - 1` sense amplifiers at once.
//!
//! Source: neurosim/DNN_NeuroSim_V2.1, `NeuroSIM/MultilevelSenseAmp.cpp` (its equation and constants
//! as facts): `P = 3.0875 (2^b - 1) uW + 0.0649 exp(-2.297 log10 R) W`, `R` the resistance of the
//! column in ohm, left out if not given; `t` 1 to 10 ns, a parameter; `E = P t`. No area. The source
//! states no range of bits; 1 to 16 are accepted.

use crate::adc::estimate::ModelEstimate;

/// The shortest and longest conversion, ns.
pub(crate) const NS: (f64, f64) = (1.0, 10.0);

/// What a conversion of `flash_ns` ns costs, with a column of `column_ohm` ohm.
pub(crate) fn estimate(bits: u32, flash_ns: f64, column_ohm: Option<f64>) -> ModelEstimate {
    let comparators = f64::from((1_u32 << bits) - 1);
    let column_watts = column_ohm.map_or(0.0, |ohm| 0.0649 * f64::exp(-2.297 * ohm.log10()));
    let microwatts = 3.0875 * comparators + 1e6 * column_watts;
    // 1 uW for 1 ns is 1 fJ.
    let energy = microwatts * flash_ns * 1e-3;
    ModelEstimate { energy, area_um2: None, time_ns: Some(flash_ns), out_of_range: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_comparator_counts() {
        let at = |bits, ns, ohm| estimate(bits, ns, ohm).energy;
        assert!((at(1, 1.0, None) - 3.0875e-3).abs() < 1e-12);
        assert!((at(8, 1.0, None) - 3.0875e-3 * 255.0).abs() < 1e-12);
        assert!((at(8, 10.0, None) / at(8, 1.0, None) - 10.0).abs() < 1e-12);
        let column = at(8, 1.0, Some(1e4)) - at(8, 1.0, None);
        assert!((column - 6.64e-3).abs() < 1e-5, "0.0649 exp(-9.188) W");
    }
}
