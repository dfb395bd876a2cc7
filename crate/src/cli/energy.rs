//! `crossdub energy`: ADC energy of a published tile histogram.

use clap::Args;
use serde::Serialize;

use super::{human, output};
use crate::adc::{Energy, Model};
use crate::error::Result;
use crate::spec::{HardwareSpec, SCHEMA_VERSION};

/// ADC energy of a histogram of tiles by level
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub energy --histogram 61,646,827,86,767,5481,1134 --tile 32")]
pub struct Options {
    /// Tiles at each level, from dense to without an active row
    #[arg(long, value_delimiter = ',', required = true, value_name = "COUNTS")]
    histogram: Vec<u64>,
    /// Rows of a crossbar
    #[arg(long)]
    tile: usize,
    /// Model of the ADC: paper or lossless
    #[arg(long, default_value = "paper", value_name = "MODEL")]
    adc: String,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    schema_version: u32,
    adc: &'static str,
    #[serde(flatten)]
    energy: Energy,
}

/// Runs the command.
pub fn run(options: &Options) -> Result<()> {
    HardwareSpec { tile: options.tile, ..HardwareSpec::default() }.validate()?;
    let model = Model::from_id(&options.adc)?;
    let energy = Energy::of_histogram(model, options.tile, &options.histogram)?;
    let answer = Answer { schema_version: SCHEMA_VERSION, adc: model.id(), energy };
    output::report(options.json, &answer, || {
        format!(
            "{}: {} dense, {} at its levels: {}\n",
            model.id(),
            energy.dense,
            energy.actual,
            human::ratio(energy.improvement)
        )
    })
}
