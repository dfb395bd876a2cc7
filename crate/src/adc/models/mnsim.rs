//! MNSIM's list of converters, each with its own number of bits.
//!
//! Source: thu-nics/MNSIM-2.0, `MNSIM/Hardware_Model/ADC.py`, which takes each from a publication:
//! power, clock and area; a conversion of `b` bits takes `b + 2` cycles, so
//! `t = (b + 2) / rate` and `E = P (b + 2) / rate`. Number 6 is its default. Fewer bits than a
//! converter has take fewer cycles; more than it has are marked as extrapolated.

use crate::adc::estimate::ModelEstimate;
use crate::error::{Error, Result};

/// The number of the source's default converter.
pub const DEFAULT: u32 = 6;

/// One of the source's converters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MnsimAdc {
    /// Its bits.
    pub bits: u32,
    /// Its power, mW.
    pub milliwatts: f64,
    /// Its clock, GHz.
    pub gigahertz: f64,
    /// Its area, um2.
    pub um2: f64,
}

/// Converters 1 to 9: bits, mW, GS/s, um2.
const LISTED: [(u32, f64, f64, f64); 9] = [
    (10, 6.92, 1.5, 1600.0),
    (8, 2.0, 1.28, 1200.0),
    (8, 4.0, 1.1, 1650.0),
    (6, 1.26, 1.0, 580.0),
    (8, 4.0, 1.1, 1650.0),
    (6, 1.26, 1.0, 1650.0),
    (4, 0.7, 1.0, 500.0),
    (1, 0.0016, 1.0, 1.0),
    (8, 0.0584, 6.0, 15_899.0),
];

/// A converter by its number.
///
/// # Errors
/// If the source has no converter of that number.
pub fn converter(number: u32) -> Result<MnsimAdc> {
    let index = (number as usize).checked_sub(1);
    match index.and_then(|index| LISTED.get(index)) {
        Some(&(bits, milliwatts, gigahertz, um2)) => Ok(MnsimAdc { bits, milliwatts, gigahertz, um2 }),
        None => Err(Error::field("mnsim_converter", number, format!("must be 1 to {}", LISTED.len()))),
    }
}

/// What a conversion of converter `number` costs, which is clamped to 1 to 9.
pub(crate) fn estimate(bits: u32, number: u32) -> ModelEstimate {
    let index = (number as usize).clamp(1, LISTED.len()) - 1;
    let (own_bits, milliwatts, gigahertz, um2) = LISTED[index];
    let nanoseconds = f64::from(bits + 2) / gigahertz;
    // 1 mW for 1 ns is 1 pJ.
    let energy = milliwatts * nanoseconds;
    ModelEstimate { energy, area_um2: Some(um2), time_ns: Some(nanoseconds), out_of_range: None }
        .within_bits(bits, 1, own_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_times_cycles_by_hand() {
        let check = |number, bits, pj: f64| {
            let got = estimate(bits, number);
            assert!((got.energy / pj - 1.0).abs() < 1e-9, "{number} at {bits}: {}", got.energy);
        };
        check(1, 10, 6.92 * 12.0 / 1.5);
        check(2, 8, 15.625);
        check(6, 6, 10.08);
        check(7, 4, 4.2);
        check(8, 1, 0.0048);
        check(9, 8, 0.0584 * 10.0 / 6.0);
        check(6, 2, 5.04);
        assert!(estimate(8, 6).out_of_range.is_some() && estimate(8, 2).out_of_range.is_none());
        assert!(converter(0).is_err() && converter(10).is_err());
        assert_eq!(converter(4).map(|c| c.um2), Ok(580.0));
    }
}
