//! Options of `crossdub analyze` about the energy per inference.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use crate::adc::EnergyUnit;
use crate::adc::converter::Converter;
use crate::cli::options::converter::{ConverterOptions, converter};
use crate::cli::options::network::NetworkOptions;
use crate::config::{Granularity, Resolution};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::report::InferenceConfig;

/// Energy per inference.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Energy per inference")]
pub struct InferenceOptions {
    /// Count all conversions of an inference, at every resolution
    #[arg(long)]
    pub per_inference: bool,
    /// Bits per conversion: paper, lossless, lossless-sliced or a number; several separated by commas
    #[arg(long, value_delimiter = ',', value_name = "RESOLUTION")]
    resolution: Vec<Resolution>,
    /// What shares one resolution: tile, column or all [default: all]
    #[arg(long, value_name = "WHAT")]
    per: Option<String>,
    /// Output positions of each layer (width times height), if not given by --model or --plan
    #[arg(long, value_delimiter = ',', value_name = "COUNT,...", conflicts_with_all = ["model", "plan"])]
    positions: Option<Vec<u64>>,
    #[command(flatten)]
    network: NetworkOptions,
    /// Converters' share of the accelerator's energy before pruning: 0 to 1, or isaac (58 % of its tiles' power)
    #[arg(long, value_name = "SHARE")]
    adc_share: Option<String>,
    /// Converters per crossbar, for area and latency
    #[arg(long, default_value_t = 1, value_name = "N")]
    adcs_per_tile: usize,
    /// Skip columns without active rows, even if their tile shares one resolution
    #[arg(long)]
    skip_zero_columns: bool,
    #[command(flatten)]
    converter: ConverterOptions,
}

impl InferenceOptions {
    /// The energies to compute; `None` if the plain analysis is enough. Without `adc`, the unitless models. `positions` are
    /// the layers' output positions, unless an option gives them.
    ///
    /// # Errors
    /// Names the option that can't be used.
    pub fn config(
        &self,
        adc: Option<&str>,
        positions: impl FnOnce() -> Result<Option<Vec<u64>>>,
    ) -> Result<Option<InferenceConfig>> {
        let settings = self.converter.settings()?;
        let all = [Resolution::Paper, Resolution::Lossless, Resolution::LosslessSliced];
        let converters = match adc {
            None => all.map(Converter::unitless).to_vec(),
            Some("all") => Converter::all_published(&settings)?,
            Some(name) => vec![converter(name, settings)?.extrapolating()],
        };
        let plain = matches!(adc, None | Some("paper" | "lossless")) && self.resolution.is_empty();
        if plain && !self.per_inference {
            return Ok(None);
        }
        let converters = match (&converters[..], &self.resolution[..]) {
            // A unitless model at another's resolution is that other model.
            (all, [_, ..]) if all.iter().all(|converter| converter.unit() == EnergyUnit::Bits) => {
                let mut named: Vec<Converter> = Vec::new();
                for converter in self.resolution.iter().copied().map(Converter::unitless) {
                    // `paper` stands for the paper's and every fixed resolution.
                    if !named.contains(&converter) {
                        named.push(converter);
                    }
                }
                named
            }
            _ => converters,
        };
        Ok(Some(InferenceConfig {
            converters,
            resolutions: if self.resolution.is_empty() { all.to_vec() } else { self.resolution.clone() },
            granularities: self.granularities()?,
            positions: if self.positions.is_some() { self.positions.clone() } else { positions()? },
            adcs_per_tile: self.adcs_per_tile,
            adc_share: self.adc_share.as_deref().map(str::parse).transpose()?,
            skip_zero_columns: self.skip_zero_columns,
        }))
    }

    /// The one granularity that was asked for, to count by it outside of the table too.
    ///
    /// # Errors
    /// If there is no such granularity.
    pub fn granularity(&self) -> Result<Option<Granularity>> {
        Ok(match *self.granularities()? {
            [one] => Some(one),
            _ => None,
        })
    }

    fn granularities(&self) -> Result<Vec<Granularity>> {
        match self.per.as_deref() {
            None | Some("all") => Ok(vec![Granularity::Tile, Granularity::Column]),
            Some("tile") => Ok(vec![Granularity::Tile]),
            Some("column") => Ok(vec![Granularity::Column]),
            Some(other) => Err(Error::field("per", other, "must be tile, column or all")),
        }
    }

    /// Output positions of each layer: as given, or from the network. A fully connected layer has one.
    ///
    /// # Errors
    /// If the layers are not the network's.
    pub fn positions(
        &self,
        linear: &BTreeSet<String>,
        layers: &[Matrix],
        metadata: &BTreeMap<String, String>,
    ) -> Result<Option<Vec<u64>>> {
        if self.positions.is_some() || !self.network.is_given() {
            return Ok(self.positions.clone());
        }
        let network = self.network.network(metadata)?;
        let is_linear = |layer: &Matrix| linear.contains(&layer.name);
        let convs: Vec<Matrix> = layers.iter().filter(|layer| !is_linear(layer)).cloned().collect();
        let expected = network.conv_shapes().len();
        if convs.len() < expected {
            let reason = format!("has {expected} convolutions, but the weights have {}", convs.len());
            return Err(Error::field("model", self.network.config()?.model, reason));
        }
        let mut of_convs = network.output_positions(&convs)?.into_iter();
        let positions = layers.iter().map(|layer| if is_linear(layer) { Some(1) } else { of_convs.next() });
        Ok(positions.collect())
    }
}
