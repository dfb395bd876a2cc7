//! The floor of all published converters: `E = 0.267 pJ + 0.1446 aJ * 4^ENOB`.
//!
//! Source: B. Murmann, ADC Performance Survey (bmurmann/ADC-survey), revision 2025-06-09, 725
//! converters of ISSCC and VLSI; the envelope of its `energy_plot` notebook: the mean of the three
//! least energies, plus `4^ENOB` times the mean of the three least `P / f_snyq / 4^ENOB`. In pJ a
//! conversion; no area, no time. Here ENOB is taken to be the bits. The notebook draws the envelope
//! over 10 to 130 dB of SNDR, ENOB 1.4 to 21.3, so 2 to 16 bits are within.

use crate::adc::estimate::ModelEstimate;

/// Energy that no published converter undercuts, pJ.
const FLOOR_PJ: f64 = 0.267;
/// The thermal-noise part, pJ for each `4^ENOB`.
const NOISE_PJ: f64 = 0.1446e-6;

/// What a conversion costs.
pub(crate) fn estimate(bits: u32) -> ModelEstimate {
    ModelEstimate::from_energy(FLOOR_PJ + NOISE_PJ * 4_f64.powi(bits as i32)).within_bits(bits, 2, 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_flat_until_noise_rules() {
        assert!((estimate(8).energy - (0.267 + 0.1446e-6 * 65_536.0)).abs() < 1e-12);
        assert!((estimate(4).energy - 0.267_037).abs() < 1e-6);
        assert!(estimate(12).energy > 2.0, "0.1446 aJ * 4^12 = 2.43 pJ");
        assert!(estimate(1).out_of_range.is_some() && estimate(16).out_of_range.is_none());
    }
}
