//! Accelergy's converter: the best that rate, resolution and feature size allow, from a regression
//! over the survey's converters.
//!
//! Source: Accelergy-Project/accelergy-adc-plug-in (arXiv 2404.06553). With `f` the conversions a
//! second of one converter and `b` its bits,
//!
//! ```text
//! SNDR  = 20 b log10(2) + 10 log10(1.5)                                              dB
//! FOM_S = min(213.7807 - 2.871903 ln f, 128.30683 + 3.220512 min(ceil(b), 20))       dB
//! E     = 1 / (2 * 10^((FOM_S - SNDR) / 10)) * exp(26.0496216 + 1.8800369 ln nm
//!         - 2.8291256 ln b - 1.4702022)                                              pJ
//! A     = adcs * exp(1.3461916 + 0.9932795 ln nm + 0.1807154 ln f + 0.2991243 ln E)  um2
//! ```
//!
//! Made for 4 bits and more (the source rejects fewer) and at most 10 GS/s a converter. Below 4 bits
//! `ln b` would make the energy rise without bound, so a 4-bit converter does the work there.

use crate::adc::estimate::{MAX_BITS, ModelEstimate, OutOfRange};

/// The fewest bits that the source accepts.
const MIN_BITS: u32 = 4;
/// The most conversions a second of one converter that the source accepts.
const MAX_HZ: f64 = 1e10;

/// Converters that share one input rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accelergy {
    /// Feature size, nm.
    pub(crate) tech_nm: f64,
    /// Conversions a second of all converters together, Hz.
    pub(crate) rate: f64,
    /// Converters that share that rate.
    pub(crate) adcs: u32,
}

impl Accelergy {
    /// What a conversion costs; the area is that of all converters.
    pub(crate) fn estimate(&self, bits: u32) -> ModelEstimate {
        let b = f64::from(bits.max(MIN_BITS));
        let (ln_nm, adcs) = (self.tech_nm.ln(), f64::from(self.adcs));
        let hertz = self.rate / adcs;
        let sndr = 20.0 * b * 2_f64.log10() + 10.0 * 1.5_f64.log10();
        let by_rate = 213.780_668_7 - 2.871_903_04 * hertz.ln();
        let by_bits = 128.306_828_7 + 3.220_511_512 * b.min(20.0);
        let merit = by_rate.min(by_bits);
        let fitted = (26.049_621_57 + 1.880_036_92 * ln_nm - 2.829_125_605 * b.ln() - 1.470_202_213).exp();
        let picojoules = fitted / (2.0 * 10_f64.powf((merit - sndr) / 10.0));
        let area = adcs
            * (1.346_191_644
                + 0.993_279_474 * ln_nm
                + 0.180_715_384 * hertz.ln()
                + 0.299_124_262 * picojoules.ln())
            .exp();
        let too_fast = (hertz > MAX_HZ).then(|| {
            OutOfRange::new("rate", self.rate, "at most 1e10 conversions a second of each converter")
        });
        let estimate = ModelEstimate {
            energy: picojoules,
            area_um2: Some(area),
            time_ns: Some(1e9 / hertz),
            out_of_range: too_fast,
        };
        estimate.within_bits(bits, MIN_BITS, MAX_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64, share: f64) {
        assert!((got / expected - 1.0).abs() < share, "{got} for {expected}");
    }

    const DEFAULT: Accelergy = Accelergy { tech_nm: 32.0, rate: 1e9, adcs: 1 };

    #[test]
    fn below_its_range_a_4_bit_converter_does_the_work() {
        assert!((DEFAULT.estimate(1).energy - DEFAULT.estimate(4).energy).abs() < 1e-12);
        assert!(DEFAULT.estimate(1).out_of_range.is_some() && DEFAULT.estimate(4).out_of_range.is_none());
    }

    /// Values that the source itself prints.
    #[test]
    fn reproduces_the_values_of_the_source() {
        let at_8 = DEFAULT.estimate(8);
        close(at_8.energy, 1.7137, 1e-4);
        close(at_8.area_um2.expect("an area"), 5971.6, 1e-4);
        for (bits, expected) in [(4, 0.924), (5, 0.936), (6, 1.065), (7, 1.312), (9, 4.697), (10, 13.95)] {
            close(DEFAULT.estimate(bits).energy, expected, 6e-4);
        }
        let many = Accelergy { tech_nm: 16.0, rate: 5.12e9, adcs: 32 };
        let at_8 = many.estimate(8);
        close(at_8.energy, 0.465_58, 1e-4);
        close(at_8.area_um2.expect("an area"), 46_679.0, 1e-4);
    }
}
