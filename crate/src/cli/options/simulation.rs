//! Options of `crossdub simulate` about the simulation itself, named like the configuration's fields.

use clap::{Args, ValueEnum};

use crate::error::Result;
use crate::simulate::config::{AdcRange, SimulationConfig};

/// The simulation.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Simulation")]
pub struct SimulationOptions {
    /// Training images that set the ranges of the activations
    #[arg(long, value_name = "N", default_value_t = SimulationConfig::default().calibration)]
    calibration: usize,
    /// Also map fully connected layers to crossbars
    #[arg(long)]
    linear: bool,
    /// Range that a converter's codes span
    #[arg(long, value_enum, default_value_t = AdcRangeArg::Granular)]
    adc_range: AdcRangeArg,
    /// Percentile of the sums that a calibrated range covers
    #[arg(long, value_name = "PERCENT", default_value_t = SimulationConfig::default().percentile)]
    percentile: f64,
    #[command(flatten)]
    errors: NonIdealityOptions,
}

/// Non-idealities, all off by default.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Non-idealities")]
struct NonIdealityOptions {
    /// Ratio of a cell's current at its highest level to that at level 0; 0 for no current at level 0
    #[arg(long, value_name = "RATIO", default_value_t = 0.0)]
    on_off_ratio: f64,
    /// Standard deviation of a cell's conductance, relative to the conductance
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    proportional_error: f64,
    /// Standard deviation of every cell's conductance, relative to the highest
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    independent_error: f64,
    /// Standard deviation of a cell's current between readings, relative to the highest
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    read_noise: f64,
    /// Share of cells stuck at the highest level
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    stuck_on: f64,
    /// Share of cells stuck at level 0
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    stuck_off: f64,
    /// Seed of the non-idealities
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    noise_seed: u64,
}

/// The range that a converter's codes span.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum AdcRangeArg {
    /// One step is one unit of the sum
    Granular,
    /// The largest sum that all rows can produce
    Max,
    /// A percentile of the sums on calibration images
    Calibrated,
}

impl SimulationOptions {
    /// The configuration, validated.
    ///
    /// # Errors
    /// Names the option that is out of range.
    pub fn config(&self) -> Result<SimulationConfig> {
        let errors = &self.errors;
        let spec = SimulationConfig {
            calibration: self.calibration,
            linear: self.linear,
            adc_range: match self.adc_range {
                AdcRangeArg::Granular => AdcRange::Granular,
                AdcRangeArg::Max => AdcRange::Max,
                AdcRangeArg::Calibrated => AdcRange::Calibrated,
            },
            percentile: self.percentile,
            on_off_ratio: errors.on_off_ratio,
            proportional_error: errors.proportional_error,
            independent_error: errors.independent_error,
            read_noise: errors.read_noise,
            stuck_on: errors.stuck_on,
            stuck_off: errors.stuck_off,
            noise_seed: errors.noise_seed,
        };
        spec.validate()?;
        Ok(spec)
    }
}
