//! Training with quantized weights: where a run starts, and the integers of its weights at any step.
//!
//! The trainer keeps weights in floats, which the optimizer moves. Every forward pass, evaluation and export takes the
//! integers nearest to them that keep to the caps, times their steps; [`straight_through`](crate::step::straight_through)
//! hands the gradients back.

use crate::checkpoint::{Checkpoint, InputQuantizer, LayerQuantizers, sibling};
use crate::config::{HardwareConfig, TrainConfig, WeightScale};
use crate::crossbar::bit_planes::{CellShape, LayerQuantization};
use crate::crossbar::quantize::{QuantizedMatrix, largest_integer};
use crate::crossbar::tiling::Tiling;
use crate::data::batch::steps_per_epoch;
use crate::data::loader::DataLoader;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::network::NetworkSpec;
use crate::network::spec::WeightShape;
use crate::simulate::activation_quantizer::ActivationQuantizer;
use crate::simulate::calibration::input_ranges;

/// Pixels of all images that calibrate the inputs' ranges: 32 images of 32 x 32, fewer of larger ones.
const CALIBRATION_PIXELS: usize = 32 * 32 * 32;
/// The fewest images.
const MIN_CALIBRATION: usize = 4;

/// The quantization of a run's network.
#[derive(Debug, Clone)]
pub(super) struct Quantization {
    layers: Vec<QuantizedLayer>,
    /// The hardware that the run started on, whose bits of inputs and caps by tile it keeps.
    hardware: HardwareConfig,
    /// The cells of now.
    cells: CellShape,
    /// Steps over which the caps tighten.
    ramp: u64,
}

#[derive(Debug, Clone)]
struct QuantizedLayer {
    /// The weight's name.
    name: String,
    /// The names of its learned steps.
    weight_step: String,
    input_step: String,
    /// The weight's shape: `[out, in, kh, kw]`, or `[out, in]`.
    shape: Vec<usize>,
    /// As the run began; the steps have moved since.
    quantizers: LayerQuantizers,
}

/// The weights that a run starts from.
#[derive(Clone, Copy)]
pub(super) enum StartWeights<'a> {
    /// Those of a network: if it is quantized, its integers.
    Given(&'a Checkpoint),
    /// Those of an interrupted run: if it is quantized, the floats that become its integers.
    Resumed(&'a Checkpoint),
}

impl<'a> StartWeights<'a> {
    pub fn checkpoint(self) -> &'a Checkpoint {
        match self {
            Self::Given(weights) | Self::Resumed(weights) => weights,
        }
    }

    fn is_resumed(self) -> bool {
        matches!(self, Self::Resumed(_))
    }
}

impl Quantization {
    /// The quantization that a run of this configuration starts with, and its weights with their quantizers. Weights
    /// that are quantized already keep their steps if they fit, whatever the hardware's `weight_scale`, and stay quantized
    /// if the configuration does not say.
    ///
    /// # Errors
    /// When precisions or caps don't fit the network or the hardware, or a layer can't be calibrated.
    pub fn start(
        config: &TrainConfig,
        hardware: &HardwareConfig,
        spec: &NetworkSpec,
        data: &mut DataLoader,
        start: StartWeights<'_>,
    ) -> Result<Option<(Self, Checkpoint)>> {
        let weights = start.checkpoint();
        if config.quantize_precision.is_empty() && !weights.is_quantized() {
            return match unused_field(config) {
                Some((field, value)) => Err(Error::field(field, value, "needs quantize_precision")),
                None => Ok(None),
            };
        }
        let mut weights = spec.adapt(weights)?.into_owned();
        let chosen = ChosenLayers::new(config, spec, &weights)?;
        let matrices = weights.matrices(chosen.linear)?;
        let mut ranges: Option<Vec<(String, (f32, f32))>> = None;
        let mut layers = Vec::with_capacity(chosen.layers.len());
        for (at, layer) in chosen.layers.iter().enumerate() {
            let stored = weights.quantizers(&layer.name)?;
            let missing = || Error::layer("quantizing a layer", &*layer.name, "it has no weights");
            let matrix = matrices.iter().find(|matrix| matrix.name == layer.name).ok_or_else(missing)?;
            let of_weights = stored.as_ref().map(|stored| &stored.weights);
            let own = chosen.layer(at, matrix, of_weights, hardware, start.is_resumed())?;
            let inputs =
                match stored.and_then(|stored| stored.inputs).filter(|own| own.bits == hardware.input_bits) {
                    Some(own) => own,
                    None => {
                        let ranges = match &mut ranges {
                            Some(ranges) => ranges,
                            none => none.insert(calibrate(config, spec, data, &weights)?),
                        };
                        let range =
                            ranges.iter().find(|(name, _)| *name == layer.name).map(|(_, range)| *range);
                        input_quantizer(range.unwrap_or((0.0, 1.0)), hardware.input_bits)
                    }
                };
            let quantizers = LayerQuantizers { weights: own, inputs: Some(inputs) };
            layers.push(QuantizedLayer {
                name: layer.name.clone(),
                weight_step: sibling(&layer.name, "weight_step"),
                input_step: sibling(&layer.name, "input_step"),
                shape: layer.shape.clone(),
                quantizers,
            });
        }
        for layer in &layers {
            weights = weights.with_quantizers(&layer.name, &layer.quantizers);
        }
        let epoch = steps_per_epoch(data.train_len(), config.batch) as u64;
        let ramp = config.quantize_ramp as u64 * epoch;
        Ok(Some((
            Self { layers, hardware: hardware.clone(), cells: CellShape::from(hardware), ramp },
            weights,
        )))
    }

    /// Takes other cells, unless the caps belong to the tiles that they were chosen for.
    pub fn set_hardware(&mut self, hardware: &HardwareConfig) {
        if self.layers.iter().all(|layer| layer.quantizers.weights.caps.len() <= 1) {
            self.cells = CellShape::from(hardware);
        }
    }

    /// The hardware that the run started on, with which alone it resumes.
    pub fn hardware(&self) -> &HardwareConfig {
        &self.hardware
    }

    /// The largest integer of each layer's weights.
    pub fn largest(&self) -> Vec<i16> {
        self.layers.iter().map(|layer| largest_integer(layer.quantizers.weights.precision)).collect()
    }

    /// Whether [`Quantization::values`] needs the tensor of this name.
    pub fn needs(&self, name: &str) -> bool {
        self.layers.iter().any(|layer| layer.name == name || layer.weight_step == name)
    }

    /// The values of each layer's integers at a step of the run, from its float weights and steps.
    ///
    /// # Errors
    /// When a weight is missing or not finite.
    pub fn values(&self, floats: &Checkpoint, step: u64) -> Result<Vec<Vec<f32>>> {
        self.layers.iter().map(|layer| layer.values(floats, self, step)).collect()
    }

    /// The quantized network at a step of the run, with its quantizers, from its float weights and steps.
    ///
    /// # Errors
    /// When a weight is missing or not finite.
    pub fn quantized(&self, floats: &Checkpoint, step: u64) -> Result<Checkpoint> {
        let mut weights = self.with_constants(floats.clone())?;
        for (layer, values) in self.layers.iter().zip(self.values(floats, step)?) {
            let found = weights.tensors.iter_mut().find(|tensor| tensor.name == layer.name);
            if let Some(tensor) = found {
                tensor.data = values;
            }
        }
        Ok(weights)
    }

    /// Weights with the quantizers' numbers that training does not change.
    ///
    /// # Errors
    /// When a step is missing.
    pub fn with_constants(&self, mut weights: Checkpoint) -> Result<Checkpoint> {
        for layer in &self.layers {
            let mut quantizers = layer.quantizers.clone();
            quantizers.weights.steps = layer.tensor(&weights, &layer.weight_step)?.to_vec();
            if let Some(inputs) = &mut quantizers.inputs {
                inputs.step = layer.tensor(&weights, &layer.input_step)?[0];
            }
            weights = weights.with_quantizers(&layer.name, &quantizers);
        }
        Ok(weights)
    }
}

impl QuantizedLayer {
    fn values(&self, floats: &Checkpoint, of: &Quantization, step: u64) -> Result<Vec<f32>> {
        let steps = self.tensor(floats, &self.weight_step)?.to_vec();
        let columns = self.shape.iter().skip(1).product();
        let weights = self.tensor(floats, &self.name)?.to_vec();
        let matrix = Matrix::new(&*self.name, self.shape[0], columns, weights)?;
        let caps = self.quantizers.weights.caps.iter();
        let caps = caps.map(|&cap| cap_at(cap, of.cells.tile.rows, step, of.ramp)).collect();
        let LayerQuantization { precision, cells, .. } = self.quantizers.weights;
        let quantization = LayerQuantization { precision, steps, caps, cells };
        Ok(quantization.values(&matrix, of.cells))
    }

    /// The values of one of its tensors.
    fn tensor<'a>(&self, weights: &'a Checkpoint, name: &str) -> Result<&'a [f32]> {
        let missing = || Error::layer("quantizing a layer", &*self.name, format!("{name} is missing"));
        weights.get(name).map(|tensor| &*tensor.data).ok_or_else(missing)
    }
}

/// The layers that a run quantizes, in the order of [`Network::quantizable_layers`](crate::network::Network::quantizable_layers).
struct ChosenLayers {
    layers: Vec<WeightShape>,
    /// Whether fully connected layers are among them: if they are asked for, or are quantized already.
    linear: bool,
    /// Those that the configuration gives for the first layers.
    precisions: Vec<u32>,
    caps: Vec<u32>,
}

impl ChosenLayers {
    fn new(config: &TrainConfig, spec: &NetworkSpec, weights: &Checkpoint) -> Result<Self> {
        let mut layers = spec.weight_shapes();
        let convolutions = spec.conv_shapes().len();
        let linear = layers.iter().skip(convolutions);
        let quantized: Vec<bool> =
            linear.map(|layer| Ok(weights.quantizers(&layer.name)?.is_some())).collect::<Result<_>>()?;
        let linear = config.quantize_linear || quantized.contains(&true);
        if !linear {
            layers.truncate(convolutions);
        }
        let listed = if config.quantize_linear { layers.len() } else { convolutions };
        let precisions = config.quantize_precision.resolve(listed)?.unwrap_or_default();
        let caps = config.quantize_cap.resolve(listed)?.unwrap_or_default();
        Ok(Self { layers, linear, precisions, caps })
    }

    /// How layer `at` is quantized: as the configuration says, or else as its weights are already.
    fn layer(
        &self,
        at: usize,
        matrix: &Matrix,
        stored: Option<&LayerQuantization>,
        hardware: &HardwareConfig,
        is_resumed: bool,
    ) -> Result<LayerQuantization> {
        let precision = self.precisions.get(at).copied().or(stored.map(|stored| stored.precision));
        let precision = precision.ok_or_else(|| {
            let why = "some layers of the weights are quantized, and others are not";
            Error::field("quantize_precision", &*matrix.name, why)
        })?;
        if precision > hardware.weight_precision {
            let why = format!("exceeds weight_precision ({})", hardware.weight_precision);
            return Err(Error::field("quantize_precision", precision, why));
        }
        let kept = stored.filter(|_| is_resumed || keeps_steps(matrix, precision, hardware));
        let steps = kept.map_or_else(
            || {
                let by_channel = hardware.weight_scale == WeightScale::Channel;
                LayerQuantization::search_steps(matrix, precision, by_channel)
            },
            |stored| stored.steps.clone(),
        );
        if let Some(cap) = self.caps.get(at).filter(|&&cap| cap as usize > hardware.tile) {
            let why = format!("exceeds the {} rows of a crossbar (tile)", hardware.tile);
            return Err(Error::field("quantize_cap", cap, why));
        }
        let own = match (self.caps.get(at), stored) {
            (Some(&cap), _) => LayerQuantization { precision, steps, caps: vec![cap], cells: None },
            (None, Some(stored)) => LayerQuantization { precision, steps, ..stored.clone() },
            (None, None) => LayerQuantization { precision, steps, caps: Vec::new(), cells: None },
        };
        let cells = CellShape::from(hardware);
        let tiles = Tiling::new(matrix, cells.tile).len();
        if own.fits(tiles, cells) {
            return Ok(own);
        }
        let why = match own.cells.filter(|own| *own != cells) {
            Some(own) => format!("its caps are for crossbars with {own}, not with {cells}"),
            None => format!("its {} caps are not for its {tiles} tiles of {precision} bits", own.caps.len()),
        };
        Err(Error::layer("quantizing a layer", &*matrix.name, why))
    }
}

/// A field that has no effect on a network in floats, and its value.
fn unused_field(config: &TrainConfig) -> Option<(&'static str, String)> {
    let cap = (!config.quantize_cap.is_empty()).then(|| ("quantize_cap", config.quantize_cap.to_string()));
    cap.or_else(|| config.quantize_linear.then(|| ("quantize_linear", "true".to_owned())))
}

/// Whether weights are integers of their stored steps.
fn keeps_steps(matrix: &Matrix, precision: u32, hardware: &HardwareConfig) -> bool {
    let hardware = HardwareConfig { weight_precision: precision, ..hardware.clone() };
    QuantizedMatrix::from_integers(matrix, &hardware).is_some()
}

/// The range of each layer's inputs on training images.
fn calibrate(
    config: &TrainConfig,
    spec: &NetworkSpec,
    data: &mut DataLoader,
    weights: &Checkpoint,
) -> Result<Vec<(String, (f32, f32))>> {
    let images = (CALIBRATION_PIXELS / spec.side().pow(2)).max(MIN_CALIBRATION);
    input_ranges(spec, weights, &data.calibration(images, config.seed)?)
}

fn input_quantizer(range: (f32, f32), bits: u32) -> InputQuantizer {
    let ActivationQuantizer { scale, zero, .. } = ActivationQuantizer::new(range, bits);
    InputQuantizer { step: scale as f32, zero, bits }
}

/// A cap at a step of a run that tightens it over `ramp` steps: from all rows down, a bit at a time.
fn cap_at(cap: u32, rows: usize, step: u64, ramp: u64) -> u32 {
    let bits = |cells: u32| u32::BITS - cells.leading_zeros();
    let (from, to) = (bits(rows as u32), bits(cap));
    if step >= ramp || from <= to {
        return cap;
    }
    let fallen = (u64::from(from - to) * (step + 1) / (ramp + 1)) as u32;
    cap.max(((1_u64 << (from - fallen)) - 1) as u32)
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests;
