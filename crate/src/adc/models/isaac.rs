//! ISAAC's converter at 32 nm, scaled to other resolutions.
//!
//! Source: Accelergy-Project/accelergy-library-plug-in, `library/isaac/isaac_adc.csv`: an 8-bit SAR
//! converter at 1.2 GS/s (L. Kull et al., ISSCC 2013), other resolutions scaled after M. Saberi et
//! al., 2011. A table of pJ a conversion and um2 at 4 to 10 bits, extrapolated by the ratio of
//! its outermost two rows.

use crate::adc::estimate::ModelEstimate;
use crate::adc::models::table::{LogTable, TablePoint};

/// Bits, pJ, um2.
const ROWS: [(u32, f64, f64); 7] = [
    (4, 0.79, 361.0),
    (5, 0.99, 477.0),
    (6, 1.20, 627.0),
    (7, 1.42, 845.0),
    (8, 1.67, 1200.0),
    (9, 1.969, 1828.0),
    (10, 2.379, 3002.0),
];

/// What a conversion costs.
pub(crate) fn estimate(bits: u32) -> ModelEstimate {
    let row = |&(bits, energy_pj, um2): &(u32, f64, f64)| TablePoint {
        bits,
        energy_pj,
        area_um2: Some(um2),
        time_ns: None,
    };
    LogTable::new(ROWS.iter().map(row).collect()).estimate(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_exact_and_extrapolates() {
        for (bits, energy, area) in ROWS {
            let got = estimate(bits);
            assert!((got.energy / energy - 1.0).abs() < 1e-12, "{bits} bits");
            assert!((got.area_um2.expect("an area") / area - 1.0).abs() < 1e-12, "{bits} bits");
            assert!(got.out_of_range.is_none());
        }
        let eleven = estimate(11);
        assert!((eleven.energy - 2.379 * 2.379 / 1.969).abs() < 1e-9);
        assert!(eleven.out_of_range.is_some() && estimate(3).out_of_range.is_some());
        assert!((estimate(3).energy - 0.79 * 0.79 / 0.99).abs() < 1e-9);
    }
}
