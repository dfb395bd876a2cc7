//! NeuroSim's successive-approximation converter at 32 nm.
//!
//! Source: neurosim/DNN_NeuroSim_V2.1, `NeuroSIM/SarADC.cpp` (a fit to Cadence simulations; its
//! equation and constants as facts):
//!
//! ```text
//! P = (a b + c) uW + g exp(d log10 R) W,   t = b + 1 ns,   E = P t
//! ```
//!
//! `R` is the resistance of the column in ohm, read at 0.5 V; that term is left out if it is not given. At
//! 32 nm LSTP: a 1.1294, c 8.8998, g 0.079449, d -2.297; HP: 1.0157, 7.6286, 0.083709, -2.313, all at
//! 300 K. No area (the source builds it from its own gates). The source states no range of
//! bits; 1 to 16 are accepted.

use serde::{Deserialize, Serialize};

use crate::adc::estimate::ModelEstimate;

/// The kind of transistors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Process {
    /// Low standby power.
    #[default]
    Lstp,
    /// High performance.
    Hp,
}

/// What a conversion costs, with a column of `column_ohm` ohm.
pub(crate) fn estimate(bits: u32, process: Process, column_ohm: Option<f64>) -> ModelEstimate {
    let (a, c, g, d) = match process {
        Process::Lstp => (1.1294, 8.8998, 0.079_449, -2.297),
        Process::Hp => (1.0157, 7.6286, 0.083_709, -2.313),
    };
    let b = f64::from(bits);
    let column_watts = column_ohm.map_or(0.0, |ohm| g * f64::exp(d * ohm.log10()));
    let microwatts = a * b + c + 1e6 * column_watts;
    let nanoseconds = b + 1.0;
    // 1 uW for 1 ns is 1 fJ.
    let energy = microwatts * nanoseconds * 1e-3;
    ModelEstimate { energy, area_um2: None, time_ns: Some(nanoseconds), out_of_range: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_times_time_by_hand() {
        let at = |process, ohm| estimate(8, process, ohm).energy;
        let lstp = at(Process::Lstp, None);
        assert!((lstp - (1.1294 * 8.0 + 8.8998) * 9e-3).abs() < 1e-12);
        assert!((at(Process::Hp, None) - (1.0157 * 8.0 + 7.6286) * 9e-3).abs() < 1e-12);
        // At 10 kilo-ohm: 0.079449 exp(-2.297 * 4) W = 8.128 uW for 9 ns.
        let column = at(Process::Lstp, Some(1e4)) - lstp;
        assert!((column - 8.128e-3 * 9.0).abs() < 1e-4, "{column}");
    }
}
