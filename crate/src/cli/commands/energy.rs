//! `crossdub energy`: ADC energy of a published tile histogram.

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
    /// Tiles at each level, from dense to without an active row
    #[arg(long, value_delimiter = ',', required = true, value_name = "COUNTS")]
    histogram: Vec<u64>,
    /// Rows of a crossbar
    #[arg(long)]
    tile: usize,
    /// Model of the ADC: any that crossdub adc knows, or a TOML file of your own
    #[arg(long, default_value = "paper", value_name = "MODEL")]
    adc: String,
    /// Bits of a conversion: paper, lossless or a number; the unitless models bring their own, the
    /// others follow the paper
    #[arg(long, value_name = "RESOLUTION")]
    resolution: Option<Resolution>,
    #[command(flatten)]
    converter: ConverterOptions,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct EnergyOutput {
    schema_version: u32,
    adc: String,
    resolution: Resolution,
    unit: EnergyUnit,
    /// Whether a conversion has bits beyond the model's range.
    extrapolated: bool,
    #[serde(flatten)]
    energy: AdcEnergy,
}

/// Runs the command.
pub fn run(args: &EnergyArgs) -> Result<()> {
    HardwareConfig { tile: args.tile, ..HardwareConfig::default() }.validate()?;
    let converter = converter(&args.adc, args.converter.settings()?)?;
    let own = || args.adc.parse::<AdcModel>().map_or(Resolution::Paper, AdcModel::resolution);
    let resolution = args.resolution.unwrap_or_else(own);
    let beyond = Cell::new(false);
    let energy = AdcEnergy::from_levels(resolution, args.tile, &args.histogram, |bits| {
        let cost = converter.cost(bits)?;
        beyond.set(beyond.get() || cost.extrapolated);
        Ok(cost.energy)
    })?;
    let result = EnergyOutput {
        schema_version: SCHEMA_VERSION,
        adc: converter.id().to_owned(),
        resolution,
        unit: converter.unit(),
        extrapolated: beyond.get(),
        energy,
    };
    let mark = if result.extrapolated { " (extrapolated beyond the model's range)" } else { "" };
    output::print_result(args.json, &result, || {
        format!(
            "{} at resolution {resolution}, in {}: {} dense, {} at its levels: {}{mark}\n",
            result.adc,
            result.unit,
            format::number(energy.dense),
            format::number(energy.actual),
            format::improvement(energy.improvement)
        )
    })
}
