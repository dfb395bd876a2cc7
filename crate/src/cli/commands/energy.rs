//! `crossdub energy`: ADC energy of a histogram of tiles by level.

use std::cell::Cell;

use clap::Args;
use serde::Serialize;

use crate::adc::EnergyUnit;
use crate::adc::{AdcEnergy, AdcModel};
use crate::cli::format;
use crate::cli::options::converter::{ConverterOptions, converter};
use crate::cli::output;
use crate::config::{HardwareConfig, Resolution, SCHEMA_VERSION};
use crate::error::Result;

/// ADC energy of a histogram of tiles by level
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub energy --histogram 61,646,827,86,767,5481,1134 --tile 32")]
pub struct EnergyArgs {
    /// Tiles at each level, from dense to empty
    #[arg(long, value_delimiter = ',', required = true, value_name = "COUNTS")]
    histogram: Vec<u64>,
    /// Rows of a crossbar
    #[arg(long)]
    tile: usize,
    /// ADC model: one that crossdub adc lists, or a TOML file with your own
    #[arg(long, default_value = "paper", value_name = "MODEL")]
    adc: String,
    /// Bits per conversion: paper, lossless or a number [default: the model's own rule if it is unitless,
    /// otherwise paper]
    #[arg(long, value_name = "RESOLUTION")]
    resolution: Option<Resolution>,
    #[command(flatten)]
    converter: ConverterOptions,
    /// Print one JSON object
    #[arg(long, help_heading = None::<&'static str>)]
    json: bool,
}

#[derive(Serialize)]
struct EnergyOutput {
    schema_version: u32,
    adc: String,
    resolution: Resolution,
    unit: EnergyUnit,
    /// Whether a conversion's bits are beyond the model's range.
    extrapolated: bool,
    #[serde(flatten)]
    energy: AdcEnergy,
}

/// Runs the command.
pub fn run(args: &EnergyArgs) -> Result<()> {
    HardwareConfig { tile: args.tile, ..HardwareConfig::default() }.validate()?;
    let converter = converter(&args.adc, args.converter.settings()?)?;
    let default_resolution = || args.adc.parse::<AdcModel>().map_or(Resolution::Paper, AdcModel::resolution);
    let resolution = args.resolution.unwrap_or_else(default_resolution);
    let extrapolated = Cell::new(false);
    let energy = AdcEnergy::from_levels(resolution, args.tile, &args.histogram, |bits| {
        let cost = converter.cost(bits)?;
        extrapolated.set(extrapolated.get() || cost.extrapolated);
        Ok(cost.energy)
    })?;
    let result = EnergyOutput {
        schema_version: SCHEMA_VERSION,
        adc: converter.id().to_owned(),
        resolution,
        unit: converter.unit(),
        extrapolated: extrapolated.get(),
        energy,
    };
    let mark = if result.extrapolated { " (extrapolated beyond the model's range)" } else { "" };
    output::print_result(args.json, &result, || {
        format!(
            "{} at resolution {resolution}, in {}: {} dense, {} pruned: {}{mark}\n",
            result.adc,
            result.unit,
            format::number(energy.dense),
            format::number(energy.actual),
            format::improvement(energy.improvement)
        )
    })
}
