//! The simulation of a whole network, a few images at a time: prepare once, then simulate ranges of
//! images and read the report between them.

use super::activation_quantizer::ActivationQuantizer;
use super::activations::Activations;
use super::bit_serial::{self, Output};
use super::crossbars::Crossbars;
use super::layer::Layer;
use super::network::layers;
use super::non_idealities::{AdcRanges, NonIdealLayer, ProgrammedCells, calibrate_adc_ranges};
use super::options::{AdcRange, SimulationConfig};
use super::reference;
use super::report::{LayerReport, SimulationReport};
use crate::checkpoint::Checkpoint;
use crate::config::HardwareConfig;
use crate::data::batch::Batch;
use crate::error::{Error, Result};
use crate::metrics::correct_predictions;
use crate::network::NetworkSpec;
use crate::network::spec::CHANNELS;
use crate::parallel;

/// Images whose sums choose the span of a calibrated converter; a few give millions of sums.
const SPAN_IMAGES: usize = 2;

/// A network on simulated crossbars.
#[derive(Debug, Clone)]
pub struct Simulator {
    pub(super) layers: Vec<LayerState>,
    /// Values of an image.
    image: usize,
    hardware: HardwareConfig,
    spec: SimulationConfig,
    images: usize,
    correct: usize,
    quantized_correct: usize,
}

/// A layer, ready to be simulated.
#[derive(Debug, Clone)]
pub(super) struct LayerState {
    pub(super) layer: Layer,
    /// None where it is computed digitally.
    pub(super) mapped: Option<CrossbarLayer>,
}

/// A layer on crossbars, and what they did so far.
#[derive(Debug, Clone)]
pub(super) struct CrossbarLayer {
    pub(super) activation: ActivationQuantizer,
    pub(super) crossbars: Crossbars,
    adc_ranges: AdcRanges,
    tally: Tally,
}

/// What a layer's crossbars did.
#[derive(Debug, Clone, Default)]
struct Tally {
    saturated: Vec<u64>,
    mismatched: u64,
    clipped: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.mismatched += other.mismatched;
        self.clipped += other.clipped;
        if self.saturated.is_empty() {
            self.saturated = other.saturated;
        } else {
            self.saturated.iter_mut().zip(other.saturated).for_each(|(sum, own)| *sum += own);
        }
    }
}

/// What lies between two layers: the quantized network's values, and the simulated one's where
/// they have come to differ.
#[derive(Debug, Clone)]
pub(super) struct Values {
    exact: Vec<f32>,
    simulated: Option<Vec<f32>>,
}

impl Values {
    /// What the simulated network computes on.
    pub(super) fn simulated(&self) -> &[f32] {
        self.simulated.as_deref().unwrap_or(&self.exact)
    }
}

impl Simulator {
    /// Folds, quantizes and maps a network, with the ranges of its activations and, where asked
    /// for, of its converters taken from the images of `calibration`: training images.
    ///
    /// # Errors
    /// When a field is out of range, a parameter is missing or not finite, or there is no image to
    /// calibrate on or it is of another size than the network's.
    pub fn new(
        plan: &NetworkSpec,
        weights: &Checkpoint,
        hardware: &HardwareConfig,
        spec: &SimulationConfig,
        calibration: &Batch,
    ) -> Result<Self> {
        hardware.validate()?;
        spec.validate()?;
        let layers = layers(plan, weights, spec.linear)?;
        if calibration.labels.is_empty() {
            return Err(Error::field("calibration", spec.calibration, "there is no training image to take"));
        }
        let image = CHANNELS * plan.side().pow(2);
        let ranges = calibrate(&layers, &each(calibration, image)?)?;
        let prepared = layers.into_iter().zip(ranges).map(|(layer, range)| {
            let mapped = layer.mapped.then(|| CrossbarLayer {
                activation: ActivationQuantizer::new(range, hardware.input_bits),
                crossbars: Crossbars::new(&layer.matrix, hardware),
                adc_ranges: if spec.adc_range == AdcRange::Max {
                    AdcRanges::Max
                } else {
                    AdcRanges::Granular
                },
                tally: Tally::default(),
            });
            LayerState { layer, mapped }
        });
        let (hardware, spec) = (hardware.clone(), spec.clone());
        let layers = prepared.collect();
        let mut simulator =
            Self { layers, image, hardware, spec, images: 0, correct: 0, quantized_correct: 0 };
        if simulator.spec.adc_range == AdcRange::Calibrated {
            simulator.calibrate_adc_ranges(&each(calibration, image)?);
        }
        Ok(simulator)
    }

    /// Forgets all images, and draws non-idealities from another seed.
    pub fn restart(&mut self, seed: u64) {
        self.spec.noise_seed = seed;
        (self.images, self.correct, self.quantized_correct) = (0, 0, 0);
        for mapped in self.layers.iter_mut().filter_map(|layer| layer.mapped.as_mut()) {
            mapped.tally = Tally::default();
        }
    }

    /// Runs images through the crossbars and through the quantized network, and adds what they did
    /// to the report; `first` is the first image's place in the data set.
    ///
    /// # Errors
    /// When the images are of another size than the network's.
    pub fn simulate(&mut self, images: &Batch, first: usize) -> Result<()> {
        let mut activations = self.activations(each(images, self.image)?);
        for at in 0..self.layers.len() {
            let (next, tallies): (Vec<_>, Vec<_>) = self.advance(at, first, &activations).into_iter().unzip();
            activations.push(next);
            if let Some(mapped) = &mut self.layers[at].mapped {
                tallies.into_iter().for_each(|tally| mapped.tally.add(tally));
            }
        }
        for (values, &label) in activations.into_output().iter().flatten().zip(&images.labels) {
            let correct = |scores: &[f32]| correct_predictions(scores, scores.len(), &[label]);
            self.correct += correct(values.simulated());
            self.quantized_correct += correct(&values.exact);
        }
        self.images += images.labels.len();
        Ok(())
    }

    /// Images at the beginning of the network.
    fn activations(&self, images: Vec<&[f32]>) -> Activations<Vec<Values>> {
        let values = images.into_iter().map(|image| Values { exact: image.to_vec(), simulated: None });
        Activations::new(self.layers.iter().map(|prepared| &prepared.layer), values.collect())
    }

    /// All images' values after layer `at`; `first` is the first image's place in the data set.
    fn advance(
        &self,
        at: usize,
        first: usize,
        activations: &Activations<Vec<Values>>,
    ) -> Vec<(Values, Tally)> {
        let LayerState { layer, mapped } = &self.layers[at];
        let (values, added) = activations.inputs_of(layer);
        let added = |image: usize| added.map(|added: &Vec<Values>| &added[image]);
        let Some(mapped) = mapped else {
            return parallel::map(values.len(), |image| {
                (digitally(layer, &values[image], added(image)), Tally::default())
            });
        };
        let programmed = self.programmed(at, mapped);
        parallel::map(values.len(), |image| {
            let read = |patches: &[u16]| self.read(mapped, programmed.as_ref(), (first + image, at), patches);
            step(layer, mapped, &values[image], added(image), read)
        })
    }

    /// The cells of a layer, where its sums are not plain counts.
    fn programmed(&self, at: usize, mapped: &CrossbarLayer) -> Option<ProgrammedCells> {
        let counts = self.spec.is_ideal() && mapped.adc_ranges == AdcRanges::Granular;
        (!counts).then(|| ProgrammedCells::new(&mapped.crossbars, &self.spec, at))
    }

    /// One image through one layer's crossbars.
    fn read(
        &self,
        mapped: &CrossbarLayer,
        programmed: Option<&ProgrammedCells>,
        (image, at): (usize, usize),
        patches: &[u16],
    ) -> Output {
        let (crossbars, zero) = (&mapped.crossbars, mapped.activation.zero);
        match programmed {
            None => bit_serial::simulate(crossbars, patches, zero),
            Some(programmed) => {
                let (adc_ranges, spec) = (&mapped.adc_ranges, &self.spec);
                let place = (image as u64, at as u64);
                NonIdealLayer { crossbars, programmed, adc_ranges, spec, place }.simulate(patches, zero)
            }
        }
    }

    /// The simulated network's integer inputs of layer `at`, as windows, for one image and its place
    /// in the data set.
    ///
    /// # Errors
    /// When the image is of another size than the network's.
    pub(super) fn patches(&self, (image, place): (&[f32], usize), at: usize) -> Result<Vec<u16>> {
        let mut activations = self.activations(sized(image, self.image)?);
        for before in 0..at {
            activations.push(
                self.advance(before, place, &activations).into_iter().map(|(values, _)| values).collect(),
            );
        }
        Ok(self.windows(at, &activations))
    }

    /// All images' integer inputs of a layer on crossbars, as windows.
    fn windows(&self, at: usize, activations: &Activations<Vec<Values>>) -> Vec<u16> {
        let LayerState { layer, mapped: Some(mapped) } = &self.layers[at] else { return Vec::new() };
        let ActivationQuantizer { zero, .. } = mapped.activation;
        let integers = |values: &Values| mapped.activation.integers(values.simulated()).0;
        let images = activations.inputs_of(layer).0.iter();
        images.flat_map(|values| layer.window.patches(&integers(values), zero)).collect()
    }

    /// Chooses the span of each layer's converters behind those of the layers before it.
    fn calibrate_adc_ranges(&mut self, images: &[&[f32]]) {
        let mut activations = self.activations(images.iter().copied().take(SPAN_IMAGES).collect());
        for at in 0..self.layers.len() {
            let windows = self.windows(at, &activations);
            if let Some(mapped) = &mut self.layers[at].mapped {
                let adc_ranges = calibrate_adc_ranges(&mapped.crossbars, &windows, self.spec.percentile);
                mapped.adc_ranges = AdcRanges::Calibrated(adc_ranges);
            }
            activations
                .push(self.advance(at, 0, &activations).into_iter().map(|(values, _)| values).collect());
        }
    }

    /// What was found so far.
    pub fn report(&self) -> SimulationReport {
        let layers = self.layers.iter().filter_map(|prepared| {
            let mapped = prepared.mapped.as_ref()?;
            Some(layer_report(&prepared.layer, mapped, self.images))
        });
        let correct = (self.correct, self.quantized_correct);
        SimulationReport::new(self.images, correct, layers.collect(), &self.hardware, &self.spec)
    }
}

fn layer_report(layer: &Layer, mapped: &CrossbarLayer, images: usize) -> LayerReport {
    let CrossbarLayer { crossbars, tally, .. } = mapped;
    let tiling = crossbars.layout.tiling;
    let mut saturated_by_tile = tally.saturated.clone();
    saturated_by_tile.resize(tiling.len(), 0);
    LayerReport {
        name: layer.matrix.name.clone(),
        outputs: layer.matrix.rows,
        inputs: layer.matrix.cols,
        across: tiling.input_blocks(),
        down: tiling.output_blocks(),
        columns_by_bits: crossbars.histogram(),
        conversions: crossbars.conversions() * (layer.window.positions() * images) as u64,
        saturated_conversions: saturated_by_tile.iter().sum(),
        mismatched_outputs: tally.mismatched,
        clipped_activations: tally.clipped,
        saturated_by_tile,
    }
}

/// One image through a layer that is not on crossbars.
fn digitally(layer: &Layer, values: &Values, added: Option<&Values>) -> Values {
    let differs = values.simulated.is_some() || added.is_some_and(|added| added.simulated.is_some());
    let simulated = differs.then(|| layer.forward(values.simulated(), added.map(Values::simulated)));
    Values { exact: layer.forward(&values.exact, added.map(|added| &*added.exact)), simulated }
}

/// One image through one layer, both ways.
fn step(
    layer: &Layer,
    mapped: &CrossbarLayer,
    values: &Values,
    added: Option<&Values>,
    read: impl Fn(&[u16]) -> Output,
) -> (Values, Tally) {
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
    let mismatched = exact.iter().zip(&output.sums).filter(|(exact, sum)| exact != sum).count() as u64;
    let differ = |values: &Values| values.simulated.is_some();
    let differs = mismatched > 0 || differ(values) || added.is_some_and(differ);
    let next = |sums: &[i64], added: Option<&[f32]>| layer.finish(requantized(layer, mapped, sums), added);
    let simulated = differs.then(|| next(&output.sums, added.map(Values::simulated)));
    let tally = Tally { saturated: output.saturated, mismatched, clipped };
    (Values { exact: next(&exact, added.map(|added| &*added.exact)), simulated }, tally)
}

/// Integer sums as the numbers they stand for, the bias added.
fn requantized(layer: &Layer, mapped: &CrossbarLayer, sums: &[i64]) -> Vec<f32> {
    let CrossbarLayer { activation, crossbars, .. } = mapped;
    let rows = sums.chunks_exact(layer.window.positions());
    let channels = rows.zip(&crossbars.weights.scales).zip(&layer.bias);
    let number = |((row, &scale), &bias): ((&[i64], &f64), &f32)| -> Vec<f32> {
        let step = scale * activation.scale;
        row.iter().map(|&sum| (sum as f64 * step + f64::from(bias)) as f32).collect()
    };
    channels.flat_map(number).collect()
}

/// The images of a batch, each of `size` values.
fn each(batch: &Batch, size: usize) -> Result<Vec<&[f32]>> {
    let images = sized(&batch.images, size)?;
    if images.len() == batch.labels.len() {
        return Ok(images);
    }
    let why = format!("there are {} labels", batch.labels.len());
    Err(Error::field("images", format!("{} images", images.len()), why))
}

/// Images of `size` values.
fn sized(images: &[f32], size: usize) -> Result<Vec<&[f32]>> {
    if images.len().is_multiple_of(size) {
        return Ok(images.chunks_exact(size).collect());
    }
    let why = format!("the network takes images of {size} values");
    Err(Error::field("images", format!("{} values", images.len()), why))
}

/// The range of each layer's inputs in the float network, over these images.
fn calibrate(layers: &[Layer], images: &[&[f32]]) -> Result<Vec<(f32, f32)>> {
    let ranges = parallel::map(images.len(), |image| {
        let mut activations = Activations::new(layers.iter(), images[image].to_vec());
        let mut ranges = Vec::with_capacity(layers.len());
        for layer in layers {
            let (values, added) = activations.inputs_of(layer);
            let first = (f32::INFINITY, f32::NEG_INFINITY);
            ranges.push(values.iter().fold(first, |(low, high), &v| (low.min(v), high.max(v))));
            // `min` and `max` pass over NaN.
            if values.iter().any(|value| !value.is_finite()) {
                let why = "its inputs on the calibration images are not finite";
                return Err(Error::layer("calibrating a layer", &*layer.matrix.name, why));
            }
            let next = layer.forward(values, added.map(Vec::as_slice));
            activations.push(next);
        }
        Ok(ranges)
    });
    let mut widest = vec![(0.0, 0.0); layers.len()];
    for image in ranges {
        for (widest, own) in widest.iter_mut().zip(image?) {
            *widest = (f32::min(widest.0, own.0), f32::max(widest.1, own.1));
        }
    }
    Ok(widest)
}
