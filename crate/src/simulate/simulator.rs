//! [`Simulator`]: a whole network on simulated crossbars, prepared once and run on a few images at a time.

use super::activation_quantizer::ActivationQuantizer;
use super::activations::Activations;
use super::bit_serial::Output;
use super::calibration::calibrate;
use super::config::{ADC_CALIBRATION_IMAGES, AdcRange, SimulationConfig};
use super::crossbar_reading::{CrossbarReading, ErrorCounts, mismatches};
use super::crossbars::Crossbars;
use super::layer::SimulatedLayer;
use super::network::layers;
use super::non_idealities::{AdcRanges, ProgrammedCells, calibrate_adc_ranges};
use super::reference;
use super::report::{ImageCounts, LayerReport, SimulationReport};
use crate::checkpoint::{Checkpoint, InputQuantizer};
use crate::config::HardwareConfig;
use crate::data::batch::Batch;
use crate::error::{Error, Result};
use crate::metrics::correct_predictions;
use crate::network::NetworkSpec;
use crate::network::spec::CHANNELS;
use crate::parallel;

/// A network on simulated crossbars.
///
/// ```
/// use crossdub::config::{ClassifierWidths, HardwareConfig, Resolution, TrainConfig};
/// use crossdub::data::batch::Batch;
/// use crossdub::network::spec::{NetworkSpec, initialize};
/// use crossdub::simulate::config::SimulationConfig;
/// use crossdub::simulate::simulator::Simulator;
///
/// let config = TrainConfig { plan: "4 M".parse()?, classifier: ClassifierWidths::default(), ..TrainConfig::default() };
/// let spec = NetworkSpec::from_config(&config, 10)?;
/// let pixels = (0..3 * 32 * 32).map(|index| (index as f32).sin()).collect();
/// let images = Batch { images: pixels, labels: vec![3] };
/// let (tile, resolution) = (16, Resolution::Lossless);
/// let hardware = HardwareConfig { tile, resolution, ..HardwareConfig::default() };
/// let options = SimulationConfig::default();
/// // Here the image that calibrates is simulated, too.
/// let mut simulator = Simulator::new(&spec, &initialize(&spec, 0), &hardware, &options, &images)?;
/// simulator.simulate(&images, 0)?;
/// let report = simulator.report();
/// assert!(report.exact && report.conversions > 0);
/// assert_eq!(report.accuracy, report.quantized_accuracy);
/// # Ok::<(), crossdub::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Simulator {
    pub(super) layers: Vec<LayerState>,
    /// Number of values in an image.
    image_len: usize,
    hardware: HardwareConfig,
    config: SimulationConfig,
    counts: ImageCounts,
}

/// A layer and the state of its simulation.
#[derive(Debug, Clone)]
pub(super) struct LayerState {
    pub(super) layer: SimulatedLayer,
    /// `None` if the layer is computed digitally.
    pub(super) mapped: Option<CrossbarLayer>,
}

/// A layer on crossbars, and its errors so far.
#[derive(Debug, Clone)]
pub(super) struct CrossbarLayer {
    pub(super) activation: ActivationQuantizer,
    pub(super) crossbars: Crossbars,
    adc_ranges: AdcRanges,
    errors: ErrorCounts,
}

/// An activation in the quantized network, and in the simulated one once they differ.
#[derive(Debug, Clone)]
pub(super) struct LayerValues {
    exact: Vec<f32>,
    simulated: Option<Vec<f32>>,
}

impl LayerValues {
    /// The values in the simulated network.
    pub(super) fn simulated(&self) -> &[f32] {
        self.simulated.as_deref().unwrap_or(&self.exact)
    }
}

impl Simulator {
    /// Folds, quantizes and maps a network. The images of `calibration`, which should be training images,
    /// determine the ranges of its activations and, with [`AdcRange::Calibrated`], of its converters.
    ///
    /// # Errors
    /// If a field is out of range, a parameter is missing or not finite, there is no image to calibrate on,
    /// or the images are not of the network's size.
    pub fn new(
        spec: &NetworkSpec,
        weights: &Checkpoint,
        hardware: &HardwareConfig,
        config: &SimulationConfig,
        calibration: &Batch,
    ) -> Result<Self> {
        hardware.validate()?;
        config.validate()?;
        let layers = layers(spec, weights, config.linear)?;
        if calibration.labels.is_empty() {
            return Err(Error::field("calibration", config.calibration, "there are no training images"));
        }
        let image_len = CHANNELS * spec.side().pow(2);
        let ranges = calibrate(&layers, &labeled_images(calibration, image_len)?)?;
        let states = layers.into_iter().zip(ranges).map(|(layer, range)| {
            let mapped = layer.mapped.then(|| CrossbarLayer {
                activation: activation_quantizer(&layer, range, hardware.input_bits),
                crossbars: Crossbars::new(&layer.matrix, hardware),
                adc_ranges: if config.adc_range == AdcRange::Max {
                    AdcRanges::Max
                } else {
                    AdcRanges::Granular
                },
                errors: ErrorCounts::default(),
            });
            LayerState { layer, mapped }
        });
        let (hardware, config) = (hardware.clone(), config.clone());
        let layers = states.collect();
        let mut simulator = Self { layers, image_len, hardware, config, counts: ImageCounts::default() };
        if simulator.config.adc_range == AdcRange::Calibrated {
            simulator.calibrate_adc_ranges(&labeled_images(calibration, image_len)?);
        }
        Ok(simulator)
    }

    /// Starts over without images, with non-idealities drawn from another seed.
    pub fn restart(&mut self, seed: u64) {
        self.config.noise_seed = seed;
        self.counts = ImageCounts::default();
        for mapped in self.layers.iter_mut().filter_map(|layer| layer.mapped.as_mut()) {
            mapped.errors = ErrorCounts::default();
        }
    }

    /// Runs images through the crossbars and through the quantized network, and adds them to the report.
    /// `first` is the first image's index in the data set.
    ///
    /// # Errors
    /// If the images are not of the network's size, or there is not one label for each.
    pub fn simulate(&mut self, images: &Batch, first: usize) -> Result<()> {
        let mut activations = self.activations(labeled_images(images, self.image_len)?);
        for at in 0..self.layers.len() {
            let (next, errors): (Vec<_>, Vec<_>) = self.advance(at, first, &activations).into_iter().unzip();
            activations.push(next);
            if let Some(mapped) = &mut self.layers[at].mapped {
                errors.into_iter().for_each(|counts| mapped.errors.add(counts));
            }
        }
        for (values, &label) in activations.into_output().iter().flatten().zip(&images.labels) {
            let correct = |scores: &[f32]| correct_predictions(scores, scores.len(), &[label]);
            self.counts.correct += correct(values.simulated());
            self.counts.quantized_correct += correct(&values.exact);
        }
        self.counts.images += images.labels.len();
        Ok(())
    }

    /// Class scores of images through the crossbars, for each image; the report does not count them. `first` is the first
    /// image's index in the data set.
    ///
    /// # Errors
    /// If the images are not of the network's size.
    pub fn logits(&self, images: &Batch, first: usize) -> Result<Vec<Vec<f32>>> {
        let mut activations = self.activations(split_images(&images.images, self.image_len)?);
        for at in 0..self.layers.len() {
            let outputs = self.advance(at, first, &activations);
            activations.push(outputs.into_iter().map(|(values, _)| values).collect());
        }
        Ok(activations.into_output().iter().flatten().map(|values| values.simulated().to_vec()).collect())
    }

    /// The images, as the input of the network.
    fn activations(&self, images: Vec<&[f32]>) -> Activations<Vec<LayerValues>> {
        let values = images.into_iter().map(|image| LayerValues { exact: image.to_vec(), simulated: None });
        Activations::new(self.layers.iter().map(|state| &state.layer), values.collect())
    }

    /// The output of layer `at` for all images; `first` is the first image's index in the data set.
    fn advance(
        &self,
        at: usize,
        first: usize,
        activations: &Activations<Vec<LayerValues>>,
    ) -> Vec<(LayerValues, ErrorCounts)> {
        let LayerState { layer, mapped } = &self.layers[at];
        let (values, added) = activations.inputs_of(layer);
        let added = |image: usize| added.map(|added: &Vec<LayerValues>| &added[image]);
        let Some(mapped) = mapped else {
            return parallel::map(values.len(), |image| {
                (forward_digital(layer, &values[image], added(image)), ErrorCounts::default())
            });
        };
        let programmed = self.programmed(at, mapped);
        parallel::map(values.len(), |image| {
            let read = |patches: &[u16]| self.read(mapped, programmed.as_ref(), (first + image, at), patches);
            forward_mapped(layer, mapped, &values[image], added(image), read)
        })
    }

    /// The programmed cells of a layer; `None` if its sums are plain counts.
    fn programmed(&self, at: usize, mapped: &CrossbarLayer) -> Option<ProgrammedCells> {
        let counts = self.config.is_ideal() && mapped.adc_ranges == AdcRanges::Granular;
        (!counts).then(|| ProgrammedCells::new(&mapped.crossbars, &self.config, at))
    }

    /// Runs one image through one layer's crossbars.
    fn read(
        &self,
        mapped: &CrossbarLayer,
        programmed: Option<&ProgrammedCells>,
        (image, layer): (usize, usize),
        patches: &[u16],
    ) -> Output {
        let CrossbarLayer { activation, crossbars, adc_ranges, .. } = mapped;
        let config = &self.config;
        let reading = CrossbarReading { crossbars, programmed, adc_ranges, config, image, layer };
        reading.simulate(patches, activation.zero)
    }

    /// The integer inputs of layer `layer` in the simulated network, as windows, for one image and its index
    /// in the data set.
    ///
    /// # Errors
    /// If the image is not of the network's size.
    pub(super) fn patches(&self, image: &[f32], image_index: usize, layer: usize) -> Result<Vec<u16>> {
        let mut activations = self.activations(split_images(image, self.image_len)?);
        for before in 0..layer {
            let outputs = self.advance(before, image_index, &activations);
            activations.push(outputs.into_iter().map(|(values, _)| values).collect());
        }
        Ok(self.windows(layer, &activations))
    }

    /// The integer inputs of a layer on crossbars for all images, as windows.
    fn windows(&self, at: usize, activations: &Activations<Vec<LayerValues>>) -> Vec<u16> {
        let LayerState { layer, mapped: Some(mapped) } = &self.layers[at] else { return Vec::new() };
        let ActivationQuantizer { zero, .. } = mapped.activation;
        let integers = |values: &LayerValues| mapped.activation.integers(values.simulated()).0;
        let images = activations.inputs_of(layer).0.iter();
        images.flat_map(|values| layer.window.patches(&integers(values), zero)).collect()
    }

    /// Calibrates the converters layer by layer, each behind the calibrated layers before it.
    fn calibrate_adc_ranges(&mut self, images: &[&[f32]]) {
        let mut activations = self.activations(images.iter().copied().take(ADC_CALIBRATION_IMAGES).collect());
        for at in 0..self.layers.len() {
            let windows = self.windows(at, &activations);
            if let Some(mapped) = &mut self.layers[at].mapped {
                let adc_ranges = calibrate_adc_ranges(&mapped.crossbars, &windows, self.config.percentile);
                mapped.adc_ranges = AdcRanges::Calibrated(adc_ranges);
            }
            let outputs = self.advance(at, 0, &activations);
            activations.push(outputs.into_iter().map(|(values, _)| values).collect());
        }
    }

    /// The results so far.
    pub fn report(&self) -> SimulationReport {
        let layers = self.layers.iter().filter_map(|state| {
            let mapped = state.mapped.as_ref()?;
            Some(layer_report(&state.layer, mapped, self.counts.images))
        });
        SimulationReport::new(self.counts, layers.collect(), &self.hardware, &self.config)
    }
}

/// The quantizer of a layer's inputs: the one that training has learned, at other bits one of its range; without one,
/// that of the calibrated range.
fn activation_quantizer(layer: &SimulatedLayer, range: (f32, f32), bits: u32) -> ActivationQuantizer {
    let Some(InputQuantizer { step, zero, bits: learned }) = layer.inputs else {
        return ActivationQuantizer::new(range, bits);
    };
    let top = f32::from(layer.inputs.map_or(0, |inputs| inputs.top()));
    let own =
        (learned == bits).then(|| ActivationQuantizer::with_scale(f64::from(step), zero, bits)).flatten();
    let zero = f32::from(zero);
    own.unwrap_or_else(|| ActivationQuantizer::new((-zero * step, (top - zero) * step), bits))
}

fn layer_report(layer: &SimulatedLayer, mapped: &CrossbarLayer, images: usize) -> LayerReport {
    let CrossbarLayer { crossbars, errors, .. } = mapped;
    let tiling = crossbars.layout.tiling;
    let mut saturated_by_tile = errors.saturated_by_tile.clone();
    saturated_by_tile.resize(tiling.len(), 0);
    LayerReport {
        name: layer.matrix.name.clone(),
        outputs: layer.matrix.rows,
        inputs: layer.matrix.cols,
        across: tiling.input_blocks(),
        down: tiling.output_blocks(),
        columns_by_bits: crossbars.histogram(),
        conversions: crossbars.conversions() * (layer.window.output_positions() * images) as u64,
        saturated_conversions: saturated_by_tile.iter().sum(),
        mismatched_outputs: errors.mismatched_outputs,
        clipped_activations: errors.clipped_activations,
        saturated_by_tile,
    }
}

/// Runs one image through a layer that is not on crossbars. If it was trained quantized, its inputs are rounded as in
/// training.
fn forward_digital(layer: &SimulatedLayer, values: &LayerValues, added: Option<&LayerValues>) -> LayerValues {
    let forward = |values: &[f32], added: Option<&[f32]>| match &layer.inputs {
        Some(inputs) => {
            let rounded: Vec<f32> = values.iter().map(|&value| inputs.round(value)).collect();
            layer.forward(&rounded, added)
        }
        None => layer.forward(values, added),
    };
    let differs = values.simulated.is_some() || added.is_some_and(|added| added.simulated.is_some());
    let simulated = differs.then(|| forward(values.simulated(), added.map(LayerValues::simulated)));
    LayerValues { exact: forward(&values.exact, added.map(|added| &*added.exact)), simulated }
}

/// Runs one image through a layer on crossbars, and through the same layer of the quantized network.
fn forward_mapped(
    layer: &SimulatedLayer,
    mapped: &CrossbarLayer,
    values: &LayerValues,
    added: Option<&LayerValues>,
    read: impl Fn(&[u16]) -> Output,
) -> (LayerValues, ErrorCounts) {
    let CrossbarLayer { activation, crossbars, .. } = mapped;
    let patches = |values: &[f32]| {
        let (integers, clipped) = activation.integers(values);
        (layer.window.patches(&integers, activation.zero), clipped)
    };
    let (exact_patches, exact_clipped) = patches(&values.exact);
    let exact = reference::integers(&crossbars.weights, &exact_patches, activation.zero);
    let (output, clipped) = match &values.simulated {
        None => (read(&exact_patches), exact_clipped),
        Some(simulated) => {
            let (patches, clipped) = patches(simulated);
            (read(&patches), clipped)
        }
    };
    let mismatched = mismatches(&exact, &output.sums);
    let differ = |values: &LayerValues| values.simulated.is_some();
    let differs = mismatched > 0 || differ(values) || added.is_some_and(differ);
    let next = |sums: &[i64], added: Option<&[f32]>| layer.finish(dequantize(layer, mapped, sums), added);
    let simulated = differs.then(|| next(&output.sums, added.map(LayerValues::simulated)));
    let errors = ErrorCounts {
        saturated_by_tile: output.saturated,
        mismatched_outputs: mismatched,
        clipped_activations: clipped,
    };
    (LayerValues { exact: next(&exact, added.map(|added| &*added.exact)), simulated }, errors)
}

/// The values of integer sums, with the bias added.
fn dequantize(layer: &SimulatedLayer, mapped: &CrossbarLayer, sums: &[i64]) -> Vec<f32> {
    let CrossbarLayer { activation, crossbars, .. } = mapped;
    let rows = sums.chunks_exact(layer.window.output_positions());
    let channels = rows.zip(&crossbars.weights.scales).zip(&layer.bias);
    let number = |((row, &scale), &bias): ((&[i64], &f64), &f32)| -> Vec<f32> {
        let step = scale * activation.scale;
        row.iter().map(|&sum| (sum as f64 * step + f64::from(bias)) as f32).collect()
    };
    channels.flat_map(number).collect()
}

/// The images of a batch, each of `len` values, which must have one label each.
pub(super) fn labeled_images(batch: &Batch, len: usize) -> Result<Vec<&[f32]>> {
    let images = split_images(&batch.images, len)?;
    if images.len() == batch.labels.len() {
        return Ok(images);
    }
    let why = format!("there are {} labels", batch.labels.len());
    Err(Error::field("images", format!("{} images", images.len()), why))
}

/// Splits values into images of `len` values.
fn split_images(images: &[f32], len: usize) -> Result<Vec<&[f32]>> {
    if images.len().is_multiple_of(len) {
        return Ok(images.chunks_exact(len).collect());
    }
    let why = format!("the network takes images of {len} values");
    Err(Error::field("images", format!("{} values", images.len()), why))
}
