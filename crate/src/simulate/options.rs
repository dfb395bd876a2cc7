//! What a simulation does, beside the hardware it simulates.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a converter's codes span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum AdcRange {
    /// One step is one unit of the sum; what exceeds the largest code is clipped.
    #[default]
    Granular,
    /// The codes span every sum that all rows could give; steps may be coarser than a unit.
    Max,
    /// The codes span a percentile of the sums that the calibration images give.
    Calibrated,
}

/// What a simulation does, beside the hardware it simulates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(default, deny_unknown_fields)]
pub struct SimulationConfig {
    /// Training images that the ranges of the activations are taken from.
    pub calibration: usize,
    /// Whether fully connected layers lie on crossbars too.
    pub linear: bool,
    /// What a converter's codes span.
    pub adc_range: AdcRange,
    /// With a calibrated range: the percentile of the sums that it reaches.
    pub percentile: f64,
    /// Current of a cell at its highest level over that at level 0; 0 for no current at level 0.
    pub on_off_ratio: f64,
    /// Standard deviation of a cell's programmed conductance, as a share of that conductance.
    pub proportional_error: f64,
    /// The same as a share of the highest level, on every cell, empty ones too.
    pub independent_error: f64,
    /// Standard deviation of a cell's current from one reading to the next, as a share of the highest level.
    pub read_noise: f64,
    /// Share of cells that are stuck at the highest level.
    pub stuck_on: f64,
    /// Share of cells that are stuck at level 0.
    pub stuck_off: f64,
    /// Seed of all of these.
    pub noise_seed: u64,
}

impl Default for SimulationConfig {
    fn default() -> Self {
        Self {
            calibration: 32,
            linear: false,
            adc_range: AdcRange::Granular,
            percentile: 99.9,
            on_off_ratio: 0.0,
            proportional_error: 0.0,
            independent_error: 0.0,
            read_noise: 0.0,
            stuck_on: 0.0,
            stuck_off: 0.0,
            noise_seed: 0,
        }
    }
}

/// The most images that ranges are taken from.
const MAX_CALIBRATION: usize = 10_000;

impl SimulationConfig {
    /// Checks every field's range.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(1..=MAX_CALIBRATION).contains(&self.calibration) {
            let why = format!("takes 1 to {MAX_CALIBRATION} training images");
            return Err(Error::field("calibration", self.calibration, why));
        }
        if !(self.percentile > 0.0 && self.percentile <= 100.0) {
            return Err(Error::field("percentile", self.percentile, "takes more than 0 and at most 100"));
        }
        // A ratio of 1 leaves no difference between levels.
        if !(self.on_off_ratio == 0.0 || (self.on_off_ratio > 1.0 && self.on_off_ratio.is_finite())) {
            let why = "takes more than 1, or 0 for cells without current when off";
            return Err(Error::field("on_off_ratio", self.on_off_ratio, why));
        }
        let deviations = [
            ("proportional_error", self.proportional_error),
            ("independent_error", self.independent_error),
            ("read_noise", self.read_noise),
        ];
        for (field, value) in deviations {
            if !(0.0..=10.0).contains(&value) {
                return Err(Error::field(field, value, "takes a standard deviation of 0 to 10"));
            }
        }
        for (field, value) in [("stuck_on", self.stuck_on), ("stuck_off", self.stuck_off)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::field(field, value, "takes a share of 0 to 1"));
            }
        }
        if self.stuck_on + self.stuck_off > 1.0 {
            let why = format!("with stuck_off ({}) more cells are stuck than there are", self.stuck_off);
            return Err(Error::field("stuck_on", self.stuck_on, why));
        }
        Ok(())
    }

    /// Whether cells and readings are as designed.
    pub fn is_ideal(&self) -> bool {
        let Self {
            on_off_ratio, proportional_error, independent_error, read_noise, stuck_on, stuck_off, ..
        } = *self;
        [on_off_ratio, proportional_error, independent_error, read_noise, stuck_on, stuck_off] == [0.0; 6]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_named() {
        let set = |change: &dyn Fn(&mut SimulationConfig)| {
            let mut spec = SimulationConfig::default();
            change(&mut spec);
            spec.validate().err().map(|why| why.to_string()).unwrap_or_default()
        };
        assert_eq!(set(&|_| {}), "");
        assert!(set(&|s| s.calibration = 0).contains("calibration (0)"));
        assert!(set(&|s| s.percentile = 0.0).contains("percentile"));
        assert!(set(&|s| s.on_off_ratio = 1.0).contains("on_off_ratio"));
        assert!(set(&|s| s.read_noise = f64::NAN).contains("read_noise"));
        assert!(set(&|s| s.stuck_off = -0.1).contains("stuck_off"));
        assert!(set(&|s| (s.stuck_on, s.stuck_off) = (0.6, 0.6)).contains("stuck_on"));
    }
}
