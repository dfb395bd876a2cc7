//! Options of converters.

use std::path::Path;

use clap::Args;

use crate::adc::converter::{Converter, ModelSource};
use crate::adc::models::custom::CustomModel;
use crate::adc::models::neurosim_sar::Process;
use crate::adc::models::walden::WaldenFom;
use crate::adc::{AdcModel, AdcParams};
use crate::cli::files;
use crate::config::from_name;
use crate::error::{Error, Result};

/// The converter, apart from its model and bits. Models ignore the options that they don't use.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Converter")]
pub struct ConverterOptions {
    /// Feature size, nm (accelergy)
    #[arg(long, default_value_t = 32.0, value_name = "NM")]
    pub tech_nm: f64,
    /// Conversions per second, of all converters together (accelergy)
    #[arg(long, default_value_t = 1e9, value_name = "HZ")]
    pub rate: f64,
    /// Converters that share that rate (accelergy)
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub adcs: u32,
    /// Also extrapolate beyond the model's range, and mark these values
    #[arg(long)]
    pub extrapolate: bool,
    /// Resistance of a column, ohm; without it, the column's power is left out (neurosim-sar, neurosim-flash)
    #[arg(long, value_name = "OHM")]
    pub column_ohm: Option<f64>,
    /// Figure of merit: best, best-1gs, best-5gs, median, or fJ per conversion step (walden)
    #[arg(long, default_value = "best", value_name = "FOM")]
    pub walden_fom: WaldenFom,
    /// Transistors: lstp or hp (neurosim-sar)
    #[arg(long, default_value = "lstp", value_parser = process, value_name = "PROCESS")]
    pub neurosim_process: Process,
    /// Time per conversion, 1 to 10 ns (neurosim-flash)
    #[arg(long, default_value_t = 1.0, value_name = "NS")]
    pub flash_ns: f64,
    /// Which of the source's converters, 1 to 9 (mnsim)
    #[arg(long, default_value_t = 6, value_name = "NUMBER")]
    pub mnsim_converter: u32,
}

impl ConverterOptions {
    /// The settings, validated.
    ///
    /// # Errors
    /// Names the option that is out of range.
    pub fn settings(&self) -> Result<AdcParams> {
        let settings = AdcParams {
            tech_nm: self.tech_nm,
            rate: self.rate,
            adcs: self.adcs,
            extrapolate: self.extrapolate,
            column_ohm: self.column_ohm,
            walden_fom: self.walden_fom,
            neurosim_process: self.neurosim_process,
            flash_ns: self.flash_ns,
            mnsim_converter: self.mnsim_converter,
        };
        settings.validate()?;
        Ok(settings)
    }
}

fn process(name: &str) -> Result<Process> {
    from_name("neurosim_process", name)
}

/// The model that `--adc` or `--model` names: a published one, or a TOML file with the user's own.
///
/// # Errors
/// If there is no such model, or the file is invalid.
pub fn converter(name: &str, settings: AdcParams) -> Result<Converter> {
    let path = Path::new(name);
    if path.extension().is_none_or(|ending| ending != "toml") {
        return Converter::new(ModelSource::Published(name.parse::<AdcModel>()?), settings);
    }
    let bytes = files::read("reading an ADC model", path)?;
    let text =
        String::from_utf8(bytes).map_err(|_| Error::file("reading an ADC model", name, "not UTF-8 text"))?;
    let stem = path.file_stem().map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned());
    let own = CustomModel::from_toml(&text, &stem).map_err(|error| error.with_path(name))?;
    Converter::new(ModelSource::Custom(own), settings)
}
