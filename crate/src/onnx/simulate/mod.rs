//! [`OnnxSimulator`]: a graph whose products run on simulated crossbars; everything else is computed digitally.
//!
//! Weights and activations that the model quantizes itself are taken as its integers. The others are quantized
//! as [`crate::simulate`] does, with the ranges that calibration images give.

mod mapped;
mod ranges;

use std::collections::HashMap;

use self::mapped::{LayerReading, MappedLayer};
use self::ranges::InputQuantizers;
use super::layers::LayerKind;
use super::network::{Environment, OnnxNetwork};
use super::ops::{self, Argument, Call};
use super::tensor::{Reason, Tensor};
use crate::config::HardwareConfig;
use crate::error::{Error, Result};
use crate::metrics::correct_predictions;
use crate::parallel;
use crate::simulate::config::{ADC_CALIBRATION_IMAGES, AdcRange, SimulationConfig};
use crate::simulate::crossbar_reading::ErrorCounts;
use crate::simulate::report::{ImageCounts, SimulationReport};

/// A network on simulated crossbars.
#[derive(Debug)]
pub struct OnnxSimulator<'a> {
    network: &'a OnnxNetwork,
    layers: Vec<MappedLayer>,
    /// The layer of each node that runs on crossbars.
    mapped: HashMap<usize, usize>,
    hardware: HardwareConfig,
    config: SimulationConfig,
    counts: ImageCounts,
}

/// An image on its way: the quantized network's values, and the simulated one's where they have come to differ.
#[derive(Debug, Clone)]
struct Image {
    exact: Environment,
    simulated: Environment,
}

/// One image's outputs after a run.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedOutputs {
    /// Of the quantized network.
    pub exact: Vec<Tensor>,
    /// Of the network on crossbars.
    pub simulated: Vec<Tensor>,
}

impl<'a> OnnxSimulator<'a> {
    /// Quantizes and maps a network's layers: the convolutions, and with `config.linear` the fully connected
    /// ones. Each element of `calibration` is one image's inputs.
    ///
    /// # Errors
    /// If a field is out of range, a layer can't be read, there is no image to calibrate on, or the network
    /// can't run.
    pub fn new(
        network: &'a OnnxNetwork,
        hardware: &HardwareConfig,
        config: &SimulationConfig,
        calibration: &[Vec<Tensor>],
    ) -> Result<Self> {
        hardware.validate()?;
        config.validate()?;
        if calibration.is_empty() {
            return Err(Error::field("calibration", config.calibration, "there are no training images"));
        }
        let chosen = |kind| config.linear || kind == LayerKind::Convolution;
        let layers: Vec<_> = network.layers.iter().filter(|layer| chosen(layer.kind)).collect();
        if layers.is_empty() {
            return Err(Error::no_layers(config.linear));
        }
        let inputs = InputQuantizers::new(network, &layers, calibration)?;
        let (mut made, mut mapped, mut units) = (Vec::new(), HashMap::new(), 0);
        for layer in layers {
            let own = MappedLayer::new(network, layer, &inputs, hardware, config, units)?;
            units += own.crossbars.len();
            mapped.extend(layer.uses.iter().map(|(node, _)| (*node, made.len())));
            made.push(own);
        }
        let (hardware, config) = (hardware.clone(), config.clone());
        let counts = ImageCounts::default();
        let mut simulator = Self { network, layers: made, mapped, hardware, config, counts };
        if simulator.config.adc_range == AdcRange::Calibrated {
            let images = calibration.iter().take(ADC_CALIBRATION_IMAGES).cloned().collect();
            simulator.advance(images, 0, true)?;
            let seed = simulator.config.noise_seed;
            simulator.restart(seed);
        }
        Ok(simulator)
    }

    /// Starts over without images, with non-idealities drawn from another seed.
    pub fn restart(&mut self, seed: u64) {
        self.config.noise_seed = seed;
        self.counts = ImageCounts::default();
        self.layers.iter_mut().for_each(|layer| layer.errors = ErrorCounts::default());
    }

    /// Runs images and adds them to the report: each element of `images` is one image's inputs, and its first
    /// output holds its class scores. `first` is the first image's index in the data set.
    ///
    /// # Errors
    /// If the inputs don't fit, a node can't be computed, or there is not one label for each image.
    pub fn simulate(&mut self, images: Vec<Vec<Tensor>>, labels: &[i32], first: usize) -> Result<()> {
        if images.len() != labels.len() {
            let why = format!("there are {} labels", labels.len());
            return Err(Error::field("images", format!("{} images", images.len()), why));
        }
        for (outputs, &label) in self.outputs(images, first)?.iter().zip(labels) {
            let correct = |outputs: &[Tensor]| -> usize {
                let scores = outputs.first().map(Tensor::to_floats).unwrap_or_default();
                let inside = usize::try_from(label).is_ok_and(|label| label < scores.len());
                if inside { correct_predictions(&scores, scores.len(), &[label]) } else { 0 }
            };
            self.counts.correct += correct(&outputs.simulated);
            self.counts.quantized_correct += correct(&outputs.exact);
        }
        self.counts.images += labels.len();
        Ok(())
    }

    /// Runs images, and gives their outputs; what the crossbars do is added to the report.
    ///
    /// # Errors
    /// If the inputs don't fit, or a node can't be computed.
    pub fn outputs(&mut self, images: Vec<Vec<Tensor>>, first: usize) -> Result<Vec<SimulatedOutputs>> {
        self.advance(images, first, false)
    }

    /// Runs images node by node; with `calibrate` each layer's converters are calibrated before they read.
    fn advance(
        &mut self,
        images: Vec<Vec<Tensor>>,
        first: usize,
        calibrate: bool,
    ) -> Result<Vec<SimulatedOutputs>> {
        let start =
            |inputs| Ok(Image { exact: self.network.start(inputs)?, simulated: Environment::default() });
        let mut images: Vec<Image> = images.into_iter().map(start).collect::<Result<_>>()?;
        for at in 0..self.network.plan.nodes.len() {
            if self.network.is_idle(at) {
                continue;
            }
            if let Some(&layer) = self.mapped.get(&at) {
                self.run_mapped(at, layer, &mut images, first, calibrate)?;
            } else {
                self.run_digital(at, &mut images)?;
            }
        }
        images
            .iter()
            .map(|image| {
                let exact = self.network.outputs(|value| image.exact.get(value).cloned())?;
                let simulated = self.network.outputs(|value| image.simulated(value))?;
                Ok(SimulatedOutputs { exact, simulated })
            })
            .collect()
    }

    fn run_digital(&self, at: usize, images: &mut [Image]) -> Result<()> {
        let network = self.network;
        let computed = parallel::map(images.len(), |image| -> std::result::Result<_, Reason> {
            let image = &images[image];
            let exact = ops::compute(&network.call(at, |value| image.exact.get(value).cloned())?)?;
            let differs = image.differs(network, at);
            let simulated = differs.then(|| ops::compute(&network.call(at, |value| image.simulated(value))?));
            Ok((exact, simulated.transpose()?))
        });
        for (image, outputs) in images.iter_mut().zip(computed) {
            let (exact, simulated) = outputs.map_err(|why| network.failed(at, why))?;
            image.keep(network, at, exact, simulated);
        }
        Ok(())
    }

    fn run_mapped(
        &mut self,
        at: usize,
        layer: usize,
        images: &mut [Image],
        first: usize,
        calibrate: bool,
    ) -> Result<()> {
        let network = self.network;
        let fail = |why: Reason| network.failed(at, why);
        let calls = |image: &Image| -> std::result::Result<(Call<'_>, Option<Call<'_>>), Reason> {
            let exact = network.call(at, |value| image.exact.get(value).cloned())?;
            let differs = image.differs(network, at);
            let simulated = differs.then(|| network.call(at, |value| image.simulated(value))).transpose()?;
            Ok((exact, simulated))
        };
        if calibrate {
            let mut patches = Vec::new();
            for image in &*images {
                let (exact, simulated) = calls(image).map_err(fail)?;
                patches.push(
                    self.layers[layer].patches(at, simulated.as_ref().unwrap_or(&exact)).map_err(fail)?,
                );
            }
            self.layers[layer].calibrate(&patches, self.config.percentile);
        }
        let own = &self.layers[layer];
        let reading = LayerReading::new(own, &self.config);
        let computed = parallel::map(images.len(), |image| {
            let (exact, simulated) = calls(&images[image])?;
            own.run(at, &exact, simulated.as_ref(), &reading, first + image)
        });
        for (image, outputs) in images.iter_mut().zip(computed) {
            let (exact, simulated, errors) = outputs.map_err(fail)?;
            self.layers[layer].errors.add(errors);
            image.keep(network, at, vec![exact], simulated.map(|tensor| vec![tensor]));
        }
        Ok(())
    }

    /// The results so far.
    #[must_use]
    pub fn report(&self) -> SimulationReport {
        let layers = self.layers.iter().map(|layer| layer.report(self.counts.images));
        SimulationReport::new(self.counts, layers.collect(), &self.hardware, &self.config)
    }

    /// Layers whose integers need other widths than the hardware's, which they were given.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.layers.iter().filter_map(|layer| layer.note(&self.hardware)).collect()
    }
}

impl Image {
    /// A value in the simulated network.
    fn simulated(&self, value: usize) -> Option<Tensor> {
        self.simulated.get(value).or_else(|| self.exact.get(value)).cloned()
    }

    /// Whether an input of a node differs between both networks.
    fn differs(&self, network: &OnnxNetwork, at: usize) -> bool {
        network.plan.nodes[at].inputs.iter().flatten().any(|&value| self.simulated.get(value).is_some())
    }

    fn keep(&mut self, network: &OnnxNetwork, at: usize, exact: Vec<Tensor>, simulated: Option<Vec<Tensor>>) {
        network.keep(at, exact, &mut self.exact);
        network.keep(at, simulated.unwrap_or_default(), &mut self.simulated);
    }
}
