//! [`SimulationConfig`]: calibration, ADC range and non-idealities, besides the hardware.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Number of images that calibrate the ranges of converters; a few give millions of sums.
pub(crate) const ADC_CALIBRATION_IMAGES: usize = 2;

/// The range of sums that a converter's codes cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum AdcRange {
    /// One step is one unit of the sum; sums above the largest code are clipped.
    #[default]
    Granular,
    /// The codes cover all sums that the rows can have; steps may be coarser than a unit.
    Max,
    /// The codes cover the sums of the calibration images up to a percentile.
    Calibrated,
}

/// The options of a simulation, besides the hardware. The default is ideal.
///
/// ```
/// use crossdub::simulate::config::SimulationConfig;
///
/// assert!(SimulationConfig::default().is_ideal());
/// let noisy = SimulationConfig { read_noise: 0.01, ..SimulationConfig::default() };
/// assert!(!noisy.is_ideal() && noisy.validate().is_ok());
/// let error = SimulationConfig { stuck_on: 1.5, ..SimulationConfig::default() }.validate().unwrap_err();
/// assert_eq!(error.field_name(), Some("stuck_on"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(default, deny_unknown_fields)]
pub struct SimulationConfig {
    /// Number of training images that calibrate the ranges of the activations.
    pub calibration: usize,
    /// Whether fully connected layers are mapped to crossbars too.
    pub linear: bool,
    /// The range of sums that a converter's codes cover.
    pub adc_range: AdcRange,
    /// The percentile of the sums that a calibrated range covers, above 0 and at most 100.
    pub percentile: f64,
    /// Current of a cell at its highest level over its current at level 0; 0 if level 0 carries none.
    pub on_off_ratio: f64,
    /// Standard deviation of a cell's programmed conductance, as a fraction of that conductance.
    pub proportional_error: f64,
    /// The same as a fraction of the highest level, on every cell, including empty ones.
    pub independent_error: f64,
    /// Standard deviation of a cell's current between readings, as a fraction of the highest level.
    pub read_noise: f64,
    /// Fraction of cells that are stuck at the highest level.
    pub stuck_on: f64,
    /// Fraction of cells that are stuck at level 0.
    pub stuck_off: f64,
    /// Seed of all non-idealities.
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

/// The most images to calibrate on.
const MAX_CALIBRATION: usize = 10_000;

impl SimulationConfig {
    /// Checks every field's range.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(1..=MAX_CALIBRATION).contains(&self.calibration) {
            let why = format!("must be 1 to {MAX_CALIBRATION} training images");
            return Err(Error::field("calibration", self.calibration, why));
        }
        if !(self.percentile > 0.0 && self.percentile <= 100.0) {
            return Err(Error::field("percentile", self.percentile, "must be more than 0 and at most 100"));
        }
        // With a ratio of 1 all levels would be the same.
        if !(self.on_off_ratio == 0.0 || (self.on_off_ratio > 1.0 && self.on_off_ratio.is_finite())) {
            let why = "must be more than 1, or 0 if cells at level 0 carry no current";
            return Err(Error::field("on_off_ratio", self.on_off_ratio, why));
        }
        let deviations = [
            ("proportional_error", self.proportional_error),
            ("independent_error", self.independent_error),
            ("read_noise", self.read_noise),
        ];
        for (field, value) in deviations {
            if !(0.0..=10.0).contains(&value) {
                return Err(Error::field(field, value, "must be a standard deviation of 0 to 10"));
            }
        }
        for (field, value) in [("stuck_on", self.stuck_on), ("stuck_off", self.stuck_off)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::field(field, value, "must be a fraction of 0 to 1"));
            }
        }
        if self.stuck_on + self.stuck_off > 1.0 {
            let why = format!("exceeds 1 together with stuck_off ({})", self.stuck_off);
            return Err(Error::field("stuck_on", self.stuck_on, why));
        }
        Ok(())
    }

    /// Whether all cells are programmed and read exactly.
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
        let error = |change: &dyn Fn(&mut SimulationConfig)| {
            let mut config = SimulationConfig::default();
            change(&mut config);
            config.validate().err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(error(&|_| {}), "");
        assert!(error(&|s| s.calibration = 0).contains("calibration (0)"));
        assert!(error(&|s| s.percentile = 0.0).contains("percentile"));
        assert!(error(&|s| s.on_off_ratio = 1.0).contains("on_off_ratio"));
        assert!(error(&|s| s.read_noise = f64::NAN).contains("read_noise"));
        assert!(error(&|s| s.stuck_off = -0.1).contains("stuck_off"));
        assert!(error(&|s| (s.stuck_on, s.stuck_off) = (0.6, 0.6)).contains("stuck_on"));
    }
}
