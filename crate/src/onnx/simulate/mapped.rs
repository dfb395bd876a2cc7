//! One layer on its crossbars, a set for each group.

use std::collections::HashMap;

use super::ranges::InputQuantizers;
use super::{Argument, Call};
use crate::config::HardwareConfig;
use crate::crossbar::quantize::QuantizedMatrix;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::onnx::layers::{IntegerWeights, OnnxLayer};
use crate::onnx::network::OnnxNetwork;
use crate::onnx::ops::integers::finish_integers;
use crate::onnx::ops::{Product, finish_floats, finish_gemm};
use crate::onnx::tensor::{Reason, Tensor, Values};
use crate::parallel;
use crate::simulate::activation_quantizer::ActivationQuantizer;
use crate::simulate::config::{AdcRange, SimulationConfig};
use crate::simulate::crossbar_reading::{CrossbarReading, ErrorCounts, mismatches};
use crate::simulate::crossbars::Crossbars;
use crate::simulate::non_idealities::{AdcRanges, ProgrammedCells, calibrate_adc_ranges};
use crate::simulate::reference;
use crate::simulate::report::LayerReport;

/// How a node's input becomes integers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum InputQuantizer {
    /// By its range.
    Floats(ActivationQuantizer),
    /// They are integers; `shift` makes signed ones unsigned.
    Integers { shift: i64 },
}

/// A layer on its crossbars.
#[derive(Debug)]
pub(super) struct MappedLayer {
    name: String,
    /// Group by group.
    pub(super) crossbars: Vec<Crossbars>,
    adc_ranges: Vec<AdcRanges>,
    /// By node: its product and its input's place and quantizer.
    uses: HashMap<usize, (Product, usize, InputQuantizer)>,
    /// Vectors that it multiplies for one run.
    positions: usize,
    /// The widths of its integers.
    input_bits: u32,
    weight_precision: u32,
    /// The first of its crossbars' numbers among those of all layers.
    unit: usize,
    pub(super) errors: ErrorCounts,
}

/// How the cells of a layer are read.
#[derive(Debug)]
pub(super) struct LayerReading<'a> {
    config: &'a SimulationConfig,
    /// Cells as they came out of programming, where sums are no plain counts.
    programmed: Option<Vec<ProgrammedCells>>,
}

impl<'a> LayerReading<'a> {
    pub(super) fn new(layer: &MappedLayer, config: &'a SimulationConfig) -> Self {
        let counts =
            config.is_ideal() && layer.adc_ranges.iter().all(|ranges| *ranges == AdcRanges::Granular);
        let crossbars = layer.crossbars.iter().enumerate();
        let programmed = (!counts)
            .then(|| crossbars.map(|(at, own)| ProgrammedCells::new(own, config, layer.unit + at)).collect());
        Self { config, programmed }
    }
}

/// A layer's sums, `[outputs, positions]`, and its saturated conversions by tile.
struct Sums {
    sums: Vec<i64>,
    saturated_by_tile: Vec<u64>,
}

impl MappedLayer {
    pub(super) fn new(
        network: &OnnxNetwork,
        layer: &OnnxLayer,
        inputs: &InputQuantizers,
        hardware: &HardwareConfig,
        config: &SimulationConfig,
        unit: usize,
    ) -> Result<Self> {
        let fail = |why: Reason| Error::layer("mapping a layer", &*layer.name, why);
        let matrix = network.matrix(layer)?;
        let integers = network.integers(layer)?;
        let mut own = HardwareConfig { input_bits: inputs.bits(layer, hardware), ..hardware.clone() };
        let weights = match integers {
            None => QuantizedMatrix::new(&matrix, hardware),
            Some(IntegerWeights { data, scales }) => {
                let largest = data.iter().map(|q| q.unsigned_abs()).max().unwrap_or(0);
                own.weight_precision = own.weight_precision.max(u32::BITS - largest.leading_zeros() + 1);
                let data = data.iter().map(|&q| i16::try_from(q).ok()).collect::<Option<Vec<i16>>>();
                let data = data.ok_or_else(|| fail("its integers have more than 16 bits".to_owned()))?;
                let scales = scales.into_iter().map(f64::from).collect();
                QuantizedMatrix { rows: matrix.rows, cols: matrix.cols, data, scales }
            }
        };
        let rows = matrix.rows / matrix.groups;
        let crossbars = parallel::map(matrix.groups, |group| {
            let (first, last) = (group * rows, (group + 1) * rows);
            let part = first * matrix.cols..last * matrix.cols;
            let name = layer.name.clone();
            let (cols, data) = (matrix.cols, matrix.data[part.clone()].to_vec());
            let matrix = Matrix { name, rows, cols, groups: 1, data, steps: None };
            let (data, scales) = (weights.data[part].to_vec(), weights.scales[first..last].to_vec());
            Crossbars::with_weights(&matrix, QuantizedMatrix { rows, cols, data, scales }, &own)
        });
        let ranges = if config.adc_range == AdcRange::Max { AdcRanges::Max } else { AdcRanges::Granular };
        let mut uses = HashMap::new();
        for (node, product) in &layer.uses {
            let product = product.clone().map_err(|why| network.failed(*node, why))?;
            let quantizer = inputs.quantizer(*node, own.input_bits);
            let (place, quantizer) = quantizer.ok_or_else(|| fail("it does not run".to_owned()))?;
            uses.insert(*node, (product, place, quantizer));
        }
        Ok(Self {
            name: layer.name.clone(),
            adc_ranges: vec![ranges; crossbars.len()],
            crossbars,
            positions: uses.values().map(|(product, ..)| product.positions()).sum(),
            uses,
            input_bits: own.input_bits,
            weight_precision: own.weight_precision,
            unit,
            errors: ErrorCounts::default(),
        })
    }

    /// The integers on the rows: each group's patches, the integer of 0, and how many were clipped.
    pub(super) fn patches(&self, node: usize, call: &Call<'_>) -> std::result::Result<Patches, Reason> {
        let (product, place, quantizer) = &self.uses[&node];
        let tensor = call.tensor(*place)?;
        let (integers, zero, clipped) = match quantizer {
            InputQuantizer::Floats(activation) => {
                let (integers, clipped) = activation.integers(tensor.floats()?);
                (integers, activation.zero, clipped)
            }
            InputQuantizer::Integers { shift } => {
                let own = tensor.integers()?.iter().map(|&value| (value + shift) as u16).collect();
                (own, zero_of(call)?.wrapping_add(*shift) as u16, 0)
            }
        };
        Ok(Patches { groups: product.patches(&integers, zero), zero, clipped })
    }

    /// Calibrates the converters on the windows of these images.
    pub(super) fn calibrate(&mut self, images: &[Patches], percentile: f64) {
        self.adc_ranges = parallel::map(self.crossbars.len(), |group| {
            let windows: Vec<u16> =
                images.iter().flat_map(|image| image.groups[group].iter().copied()).collect();
            AdcRanges::Calibrated(calibrate_adc_ranges(&self.crossbars[group], &windows, percentile))
        });
    }

    /// One node for one image: what the quantized network gives, what the simulated one gives if that differs,
    /// and the errors.
    pub(super) fn run(
        &self,
        node: usize,
        exact: &Call<'_>,
        simulated: Option<&Call<'_>>,
        reading: &LayerReading<'_>,
        image: usize,
    ) -> std::result::Result<(Tensor, Option<Tensor>, ErrorCounts), Reason> {
        let own = self.patches(node, exact)?;
        let expected = self.expected(&own);
        let other = simulated.map(|call| self.patches(node, call)).transpose()?;
        let applied = other.as_ref().unwrap_or(&own);
        let Sums { sums, saturated_by_tile } = self.read(applied, reading, image);
        let mismatched = mismatches(&expected, &sums);
        let errors = ErrorCounts {
            saturated_by_tile,
            mismatched_outputs: mismatched,
            clipped_activations: applied.clipped,
        };
        let differs = simulated.is_some() || mismatched > 0;
        let given = differs.then(|| self.finish(node, simulated.unwrap_or(exact), &sums)).transpose()?;
        Ok((self.finish(node, exact, &expected)?, given, errors))
    }

    /// The digital products, `[outputs, positions]`.
    fn expected(&self, patches: &Patches) -> Vec<i64> {
        let groups = parallel::map(self.crossbars.len(), |group| {
            reference::integers(&self.crossbars[group].weights, &patches.groups[group], patches.zero)
        });
        groups.concat()
    }

    /// The crossbars' products.
    fn read(&self, patches: &Patches, reading: &LayerReading<'_>, image: usize) -> Sums {
        let outputs = parallel::map(self.crossbars.len(), |group| {
            let reading = CrossbarReading {
                crossbars: &self.crossbars[group],
                programmed: reading.programmed.as_ref().map(|programmed| &programmed[group]),
                adc_ranges: &self.adc_ranges[group],
                config: reading.config,
                image,
                layer: self.unit + group,
            };
            reading.simulate(&patches.groups[group], patches.zero)
        });
        let (mut sums, mut saturated_by_tile) = (Vec::new(), Vec::new());
        for output in outputs {
            sums.extend(output.sums);
            saturated_by_tile.extend(output.saturated);
        }
        Sums { sums, saturated_by_tile }
    }

    /// What the node makes of its sums.
    fn finish(&self, node: usize, call: &Call<'_>, sums: &[i64]) -> std::result::Result<Tensor, Reason> {
        let (product, _, quantizer) = &self.uses[&node];
        let InputQuantizer::Floats(activation) = quantizer else {
            return finish_integers(call, product.arrange(sums), product.shape());
        };
        let scales = self.crossbars.iter().flat_map(|crossbars| &crossbars.weights.scales);
        let rows = sums.chunks_exact(product.positions().max(1)).zip(scales);
        let values: Vec<f32> = rows
            .flat_map(|(row, scale)| {
                row.iter().map(move |&sum| (sum as f64 * scale * activation.scale) as f32)
            })
            .collect();
        let mut values = product.arrange(&values);
        match product {
            Product::Convolution(convolution) => finish_floats(call, values, convolution),
            Product::Linear(_) => {
                if call.node.op == "Gemm" {
                    finish_gemm(call, &mut values, &product.shape())?;
                }
                Ok(Tensor { element: call.input(0)?.element, ..Tensor::from_floats(product.shape(), values) })
            }
        }
    }

    pub(super) fn report(&self, images: usize) -> LayerReport {
        let tilings = || self.crossbars.iter().map(|crossbars| crossbars.layout.tiling);
        let mut saturated_by_tile = self.errors.saturated_by_tile.clone();
        saturated_by_tile.resize(tilings().map(|tiling| tiling.len()).sum(), 0);
        let mut columns_by_bits = Vec::new();
        for histogram in self.crossbars.iter().map(Crossbars::histogram) {
            columns_by_bits.resize(histogram.len().max(columns_by_bits.len()), 0);
            columns_by_bits.iter_mut().zip(histogram).for_each(|(sum, count)| *sum += count);
        }
        let conversions: u64 = self.crossbars.iter().map(Crossbars::conversions).sum();
        LayerReport {
            name: self.name.clone(),
            outputs: self.crossbars.iter().map(|crossbars| crossbars.weights.rows).sum(),
            inputs: self.crossbars.first().map_or(0, |crossbars| crossbars.weights.cols),
            across: tilings().next().map_or(0, |tiling| tiling.input_blocks()),
            down: tilings().map(|tiling| tiling.output_blocks()).sum(),
            columns_by_bits,
            conversions: conversions * (self.positions * images) as u64,
            saturated_conversions: saturated_by_tile.iter().sum(),
            mismatched_outputs: self.errors.mismatched_outputs,
            clipped_activations: self.errors.clipped_activations,
            saturated_by_tile,
        }
    }

    /// What a reader must know of its widths.
    pub(super) fn note(&self, hardware: &HardwareConfig) -> Option<String> {
        let (inputs, weights) = (self.input_bits, self.weight_precision);
        let same = inputs == hardware.input_bits && weights == hardware.weight_precision;
        let name = &self.name;
        (!same).then(|| {
            format!(
                "{name} has inputs of {inputs} bits and weights of {weights}, as the model quantizes them"
            )
        })
    }
}

/// The integers on a layer's rows.
#[derive(Debug)]
pub(super) struct Patches {
    /// `[positions, inputs]` of each group.
    groups: Vec<Vec<u16>>,
    zero: u16,
    clipped: u64,
}

/// The zero point of an integer node's first input.
fn zero_of(call: &Call<'_>) -> std::result::Result<i64, Reason> {
    let zero = call.inputs.get(2).and_then(Option::as_ref).map(|Argument { tensor, .. }| tensor);
    match zero.and_then(Option::as_ref).map(|tensor| &tensor.values) {
        None => Ok(0),
        Some(Values::Integers(zeros)) => match zeros[..] {
            [zero] => Ok(zero),
            _ => Err("its input has several zero points".to_owned()),
        },
        Some(Values::Floats(_)) => Err("its zero point is not an integer".to_owned()),
    }
}
