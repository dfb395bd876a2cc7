//! Options of `crossdub analyze` about the energy per inference.

use clap::Args;

use crate::adc::EnergyUnit;
use crate::adc::converter::Converter;
use crate::checkpoint::Checkpoint;
use crate::cli::options::converter::{ConverterOptions, converter};
use crate::cli::options::shared::ModelOptions;
use crate::config::{DataSource, Granularity, Resolution};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::network::NetworkSpec;
use crate::network::spec::ConvShape;
use crate::report::InferenceConfig;

/// Classes of a named network; its convolutions don't depend on it.
const CLASSES: usize = 10;

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
    model: ModelOptions,
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
    /// What to compute; `None` if the plain analysis is enough. Without `adc`, the unitless models.
    ///
    /// # Errors
    /// Names the option that can't be used.
    pub fn question(
        &self,
        adc: Option<&str>,
        weights: &Checkpoint,
        layers: &[Matrix],
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
            positions: self.positions(weights, layers)?,
            adcs_per_tile: self.adcs_per_tile,
            adc_share: self.adc_share.as_deref().map(str::parse).transpose()?,
            skip_zero_columns: self.skip_zero_columns,
        }))
    }

    fn granularities(&self) -> Result<Vec<Granularity>> {
        match self.per.as_deref() {
            None | Some("all") => Ok(vec![Granularity::Tile, Granularity::Column]),
            Some("tile") => Ok(vec![Granularity::Tile]),
            Some("column") => Ok(vec![Granularity::Column]),
            Some(other) => Err(Error::field("per", other, "takes tile, column or all")),
        }
    }

    /// Output positions of each layer: as given, or from the network.
    fn positions(&self, weights: &Checkpoint, layers: &[Matrix]) -> Result<Option<Vec<u64>>> {
        if self.positions.is_some() {
            return Ok(self.positions.clone());
        }
        let Some(name) = self.model.model.as_deref().or(self.model.plan.as_deref()) else { return Ok(None) };
        let mut spec = self.model.spec()?;
        if spec.model.is_for_imagenet() {
            spec.data = DataSource::ImageNet;
        }
        spec.side = self.model.side.unwrap_or(spec.side);
        spec.validate()?;
        let known = NetworkSpec::from_config(&spec, CLASSES)?.conv_shapes();
        let by_name = layers.iter().any(|layer| known.iter().any(|conv| conv.name == layer.name));
        let mut next = 0;
        let mut positions = Vec::new();
        for layer in layers {
            // A fully connected layer has one output position.
            if weights.get(&layer.name).is_some_and(|tensor| tensor.shape.len() == 2) {
                positions.push(1);
                continue;
            }
            // Layers with other names must be in the network's order.
            let same = |(at, conv): &(usize, &ConvShape)| {
                if by_name { conv.name == layer.name } else { *at == next }
            };
            let fits = |shape: &[usize]| (shape[0], shape[1..].iter().product()) == (layer.rows, layer.cols);
            match known.iter().enumerate().find(same) {
                Some((_, conv)) if fits(&conv.shape) => positions.push(conv.output_positions),
                _ => {
                    let why = format!("has no layer {} of {} x {}", layer.name, layer.rows, layer.cols);
                    return Err(Error::field("model", name, why));
                }
            }
            next += 1;
        }
        if next < known.len() {
            let why = format!("has {} convolutions, but the weights have {next}", known.len());
            return Err(Error::field("model", name, why));
        }
        Ok(Some(positions))
    }
}
