//! The simulation of a whole network, a few images at a time: prepare once, then simulate ranges of
//! images and read the report between them.

use std::ops::Range;

use super::activation::Activation;
use super::crossbars::Crossbars;
use super::digital;
use super::imperfect::{Programmed, Reading, Spans, calibrated_spans};
use super::network::{Layer, layers};
use super::options::{AdcRange, SimulationSpec};
use super::popcount::{self, Output};
use super::report::{LayerReport, SimulationReport};
use crate::data::batch::evaluation_batch;
use crate::data::{Dataset, IMAGE};
use crate::error::{Error, Result};
use crate::model::network::Plan;
use crate::parallel;
use crate::spec::HardwareSpec;
use crate::train::evaluate::correct_predictions;
use crate::weights::Weights;

/// Images whose sums choose the span of a calibrated converter; a few give millions of sums.
const SPAN_IMAGES: usize = 2;

/// A network on simulated crossbars.
#[derive(Debug, Clone)]
pub struct Simulator {
    pub(super) layers: Vec<Prepared>,
    hardware: HardwareSpec,
    spec: SimulationSpec,
    images: usize,
    right: usize,
    quantized_right: usize,
}

/// A layer, ready to be simulated.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) layer: Layer,
    /// None where it is computed digitally.
    pub(super) mapped: Option<Mapped>,
}

/// A layer on crossbars, and what they did so far.
#[derive(Debug, Clone)]
pub(super) struct Mapped {
    pub(super) activation: Activation,
    pub(super) crossbars: Crossbars,
    spans: Spans,
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
    /// for, of its converters taken from the first images of `calibration`: training images.
    ///
    /// # Errors
    /// When a field is out of range, the network has layers that are not simulated, a parameter
    /// is missing or not finite, or there is no image to calibrate on.
    pub fn new(
        plan: &Plan,
        weights: &Weights,
        hardware: &HardwareSpec,
        spec: &SimulationSpec,
        calibration: &Dataset,
    ) -> Result<Self> {
        hardware.validate()?;
        spec.validate()?;
        let layers = layers(plan, weights, spec.linear)?;
        let images = spec.calibration.min(calibration.len());
        if images == 0 {
            return Err(Error::field("calibration", spec.calibration, "there is no training image to take"));
        }
        let ranges = calibrate(&layers, calibration, images)?;
        let prepared = layers.into_iter().zip(ranges).map(|(layer, range)| {
            let mapped = layer.mapped.then(|| Mapped {
                activation: Activation::of(range, hardware.input_bits),
                crossbars: Crossbars::new(&layer.matrix, hardware),
                spans: if spec.adc_range == AdcRange::Max { Spans::Max } else { Spans::Granular },
                tally: Tally::default(),
            });
            Prepared { layer, mapped }
        });
        let (hardware, spec) = (hardware.clone(), spec.clone());
        let layers = prepared.collect();
        let mut simulator = Self { layers, hardware, spec, images: 0, right: 0, quantized_right: 0 };
        if simulator.spec.adc_range == AdcRange::Calibrated {
            simulator.calibrate_spans(calibration, images.min(SPAN_IMAGES));
        }
        Ok(simulator)
    }

    /// Forgets all images, and draws non-idealities from another seed.
    pub fn restart(&mut self, seed: u64) {
        self.spec.noise_seed = seed;
        (self.images, self.right, self.quantized_right) = (0, 0, 0);
        for mapped in self.layers.iter_mut().filter_map(|layer| layer.mapped.as_mut()) {
            mapped.tally = Tally::default();
        }
    }

    /// Runs images through the crossbars and through the quantized network, and adds what they did
    /// to the report.
    ///
    /// # Errors
    /// When the range is not within the images.
    pub fn simulate(&mut self, data: &Dataset, range: Range<usize>) -> Result<()> {
        if range.start > range.end || range.end > data.len() {
            let why = format!("there are {} images", data.len());
            return Err(Error::field("range", format!("{}..{}", range.start, range.end), why));
        }
        let mut values = standardized(data, range.clone());
        for at in 0..self.layers.len() {
            let (next, tallies): (Vec<_>, Vec<_>) =
                self.advance(at, range.start, &values).into_iter().unzip();
            values = next;
            if let Some(mapped) = &mut self.layers[at].mapped {
                tallies.into_iter().for_each(|tally| mapped.tally.add(tally));
            }
        }
        for (values, &label) in values.iter().zip(&data.labels[range.clone()]) {
            let right = |scores: &[f32]| correct_predictions(scores, scores.len(), &[i32::from(label)]);
            self.right += right(values.simulated());
            self.quantized_right += right(&values.exact);
        }
        self.images += range.len();
        Ok(())
    }

    /// All images' values after layer `at`; `first` is the first image's place in the data set.
    fn advance(&self, at: usize, first: usize, values: &[Values]) -> Vec<(Values, Tally)> {
        let Prepared { layer, mapped } = &self.layers[at];
        let Some(mapped) = mapped else {
            return parallel::map(values.len(), |image| {
                let forward = |values: &Vec<f32>| layer.forward(values);
                let Values { exact, simulated } = &values[image];
                let next = Values { exact: forward(exact), simulated: simulated.as_ref().map(forward) };
                (next, Tally::default())
            });
        };
        let programmed = self.programmed(at, mapped);
        parallel::map(values.len(), |image| {
            let read = |patches: &[u16]| self.read(mapped, programmed.as_ref(), (first + image, at), patches);
            step(layer, mapped, &values[image], read)
        })
    }

    /// The cells of a layer, where its sums are not plain counts.
    fn programmed(&self, at: usize, mapped: &Mapped) -> Option<Programmed> {
        let counts = self.spec.is_ideal() && mapped.spans == Spans::Granular;
        (!counts).then(|| Programmed::new(&mapped.crossbars, &self.spec, at))
    }

    /// One image through one layer's crossbars.
    fn read(
        &self,
        mapped: &Mapped,
        programmed: Option<&Programmed>,
        (image, at): (usize, usize),
        patches: &[u16],
    ) -> Output {
        let (crossbars, zero) = (&mapped.crossbars, mapped.activation.zero);
        match programmed {
            None => popcount::simulate(crossbars, patches, zero),
            Some(programmed) => {
                let (spans, spec) = (&mapped.spans, &self.spec);
                let place = (image as u64, at as u64);
                Reading { crossbars, programmed, spans, spec, place }.simulate(patches, zero)
            }
        }
    }

    /// The simulated network's integer inputs of layer `at`, as windows, for one image.
    pub(super) fn patches(&self, data: &Dataset, image: usize, at: usize) -> Option<Vec<u16>> {
        let mut values = standardized(data, image..image + 1);
        for before in 0..at {
            values = self.advance(before, image, &values).into_iter().map(|(values, _)| values).collect();
        }
        let Prepared { layer, mapped } = &self.layers[at];
        let activation = mapped.as_ref()?.activation;
        let integers = activation.integers(values.first()?.simulated()).0;
        Some(layer.window.patches(&integers, activation.zero))
    }

    fn calibrate_spans(&mut self, data: &Dataset, images: usize) {
        for at in 0..self.layers.len() {
            let patches: Vec<u16> =
                (0..images).filter_map(|image| self.patches(data, image, at)).flatten().collect();
            if let Some(mapped) = &mut self.layers[at].mapped {
                let spans = calibrated_spans(&mapped.crossbars, &patches, self.spec.percentile);
                mapped.spans = Spans::Calibrated(spans);
            }
        }
    }

    /// What was found so far.
    pub fn report(&self) -> SimulationReport {
        let layers = self.layers.iter().filter_map(|prepared| {
            let mapped = prepared.mapped.as_ref()?;
            Some(layer_report(&prepared.layer, mapped, self.images))
        });
        let right = (self.right, self.quantized_right);
        SimulationReport::new(self.images, right, layers.collect(), &self.hardware, &self.spec)
    }
}

fn layer_report(layer: &Layer, mapped: &Mapped, images: usize) -> LayerReport {
    let Mapped { crossbars, tally, .. } = mapped;
    let tiling = crossbars.layout.tiling;
    let mut saturated_by_tile = tally.saturated.clone();
    saturated_by_tile.resize(tiling.len(), 0);
    LayerReport {
        name: layer.matrix.name.clone(),
        outputs: layer.matrix.rows,
        inputs: layer.matrix.cols,
        across: tiling.across(),
        down: tiling.down(),
        columns_by_bits: crossbars.histogram(),
        conversions: crossbars.conversions() * (layer.window.positions() * images) as u64,
        saturated_conversions: saturated_by_tile.iter().sum(),
        mismatched_outputs: tally.mismatched,
        clipped_activations: tally.clipped,
        saturated_by_tile,
    }
}

/// One image through one layer, both ways.
fn step(layer: &Layer, mapped: &Mapped, values: &Values, read: impl Fn(&[u16]) -> Output) -> (Values, Tally) {
    let Mapped { activation, crossbars, .. } = mapped;
    let patches = |values: &[f32]| {
        let (integers, clipped) = activation.integers(values);
        (layer.window.patches(&integers, activation.zero), clipped)
    };
    let (exact_patches, exact_clipped) = patches(&values.exact);
    let exact = digital::integers(&crossbars.weights, &exact_patches, activation.zero);
    let (output, clipped) = match &values.simulated {
        None => (read(&exact_patches), exact_clipped),
        Some(simulated) => {
            let (patches, clipped) = patches(simulated);
            (read(&patches), clipped)
        }
    };
    let mismatched = exact.iter().zip(&output.sums).filter(|(exact, sum)| exact != sum).count() as u64;
    let differs = mismatched > 0 || values.simulated.is_some();
    let next = |sums: &[i64]| layer.finish(requantized(layer, mapped, sums));
    let simulated = differs.then(|| next(&output.sums));
    let tally = Tally { saturated: output.saturated, mismatched, clipped };
    (Values { exact: next(&exact), simulated }, tally)
}

/// Integer sums as the numbers they stand for, the bias added.
fn requantized(layer: &Layer, mapped: &Mapped, sums: &[i64]) -> Vec<f32> {
    let Mapped { activation, crossbars, .. } = mapped;
    let rows = sums.chunks_exact(layer.window.positions());
    let channels = rows.zip(&crossbars.weights.scales).zip(&layer.bias);
    let number = |((row, &scale), &bias): ((&[i64], &f64), &f32)| -> Vec<f32> {
        let step = scale * activation.scale;
        row.iter().map(|&sum| (sum as f64 * step + f64::from(bias)) as f32).collect()
    };
    channels.flat_map(number).collect()
}

/// Standardized images.
fn standardized(data: &Dataset, range: Range<usize>) -> Vec<Values> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    evaluation_batch(data, range, &mut pixels, &mut labels);
    let images = pixels.chunks_exact(IMAGE);
    images.map(|image| Values { exact: image.to_vec(), simulated: None }).collect()
}

/// The range of each layer's inputs in the float network, over the first `images` images.
fn calibrate(layers: &[Layer], data: &Dataset, images: usize) -> Result<Vec<(f32, f32)>> {
    let ranges = parallel::map(images, |image| {
        let mut values = standardized(data, image..image + 1).swap_remove(0).exact;
        let mut ranges = Vec::with_capacity(layers.len());
        for layer in layers {
            let first = (f32::INFINITY, f32::NEG_INFINITY);
            ranges.push(values.iter().fold(first, |(low, high), &v| (low.min(v), high.max(v))));
            // `min` and `max` pass over NaN.
            if values.iter().any(|value| !value.is_finite()) {
                let why = "its inputs on the calibration images are not finite";
                return Err(Error::file("calibrating a layer", &*layer.matrix.name, why));
            }
            values = layer.forward(&values);
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
