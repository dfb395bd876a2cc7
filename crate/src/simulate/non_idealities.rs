//! The noise model: crossbars that are not ideal, and converters whose steps are not one unit. Computes in
//! floats, more slowly than [`super::bit_serial`].
//!
//! A cell at level `l` of `L = 2^c - 1` conducts, in steps of the ADC's unit, `g = l + L / (r - 1)` with the
//! on/off ratio `r`: a pruned cell conducts too. Programming turns it into
//! `g * (1 + N(0, proportional)) + L * N(0, independent)`, at least 0; a stuck cell is at level `L` or 0. These
//! errors are drawn once for each seed and cell. Each reading adds `L * N(0, read)` to each cell, hence
//! `L * read * sqrt(sum u^2)` to a column's sum. Source of these models: CrossSim's device errors
//! (proportional, independent, read) and aihwkit's inference noise.
//!
//! The converter's step is one unit (`granular`), or its codes cover the largest possible sum (`max`) or a
//! percentile of the sums of calibration images (`calibrated`): `step = max(1, span / (2^b - 1))`,
//! `code = clamp(round(sum / step), 0, 2^b - 1)`, read as `code * step`.

use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::bit_serial::{Output, subtract_offsets};
use super::config::SimulationConfig;
use super::crossbars::{CrossbarLayout, Crossbars};
use crate::config::Subtraction;
use crate::parallel;
use crate::rng::rng_for;

/// The purposes of the random streams.
const CELLS: u64 = u64::from_le_bytes(*b"cells\0\0\0");
const READING: u64 = u64::from_le_bytes(*b"reading\0");

/// A layer's cells after programming, with their errors.
#[derive(Debug, Clone)]
pub struct ProgrammedCells {
    /// `[output][crossbar][input]` conductances, in units of one level.
    cells: Vec<f32>,
}

impl ProgrammedCells {
    /// Programs the cells of layer `layer`. The same seed gives the same cells.
    pub fn new(crossbars: &Crossbars, config: &SimulationConfig, layer: usize) -> Self {
        let columns = parallel::map(crossbars.weights.rows, |output| {
            let mut random = rng_for(config.noise_seed, CELLS, layer as u64, output as u64);
            let weights = crossbars.weights.row(output);
            let slicing = crossbars.layout.slicing;
            let cell = |crossbar, random: &mut ChaCha8Rng| -> Vec<f32> {
                let levels = weights.iter().map(|&weight| slicing.cell(weight, crossbar));
                levels.map(|level| program(level, crossbars.layout.max_level(), config, random)).collect()
            };
            (0..slicing.crossbars()).flat_map(|crossbar| cell(crossbar, &mut random)).collect::<Vec<_>>()
        });
        Self { cells: columns.concat() }
    }
}

/// The conductance of one programmed cell.
fn program(level: u32, max_level: u32, config: &SimulationConfig, random: &mut ChaCha8Rng) -> f32 {
    let top = f64::from(max_level);
    let mut level = f64::from(level);
    if config.stuck_on + config.stuck_off > 0.0 {
        let drawn = f64::from(random.next_u32()) / (f64::from(u32::MAX) + 1.0);
        if drawn < config.stuck_on {
            level = top;
        } else if drawn < config.stuck_on + config.stuck_off {
            level = 0.0;
        }
    }
    let off = if config.on_off_ratio > 0.0 { top / (config.on_off_ratio - 1.0) } else { 0.0 };
    let mut conductance = level + off;
    if config.proportional_error + config.independent_error > 0.0 {
        let (proportional, independent): (f64, f64) =
            (StandardNormal.sample(random), StandardNormal.sample(random));
        conductance += conductance * config.proportional_error * proportional
            + top * config.independent_error * independent;
    }
    conductance.max(0.0) as f32
}

/// The range of sums that a layer's converters cover.
#[derive(Debug, Clone, PartialEq)]
pub enum AdcRanges {
    /// A step is one unit.
    Granular,
    /// Up to the largest possible sum of a group's rows.
    Max,
    /// Up to a calibrated sum for each slice.
    Calibrated(Vec<f64>),
}

/// A layer that is not ideal, for one image.
#[derive(Debug, Clone, Copy)]
pub struct NonIdealLayer<'a> {
    /// The crossbars, for their layout and resolutions.
    pub crossbars: &'a Crossbars,
    /// Their programmed cells.
    pub programmed: &'a ProgrammedCells,
    /// The range of sums that the converters cover.
    pub adc_ranges: &'a AdcRanges,
    /// The options of the simulation.
    pub config: &'a SimulationConfig,
    /// Index of the image in the data set, for the random numbers.
    pub image: u64,
    /// Index of the layer, for the random numbers.
    pub layer: u64,
}

impl NonIdealLayer<'_> {
    /// Runs all windows of an input through the layer, like [`super::bit_serial::simulate`].
    ///
    /// # Shapes
    /// - `patches`: `[positions, inputs]` integers `u`; `zero` is `z`, the integer of 0
    /// - output: `[outputs, positions]` sums
    pub fn simulate(self, patches: &[u16], zero: u16) -> Output {
        let (layout, weights) = (&self.crossbars.layout, &self.crossbars.weights);
        let chunks = Chunks::new(layout, patches, weights.cols);
        let mut saturated = vec![0; layout.tiling.len()];
        let sums = parallel::vectorized(
            #[inline(always)]
            || {
                let mut sums = Vec::with_capacity(weights.rows * chunks.windows);
                for output in 0..weights.rows {
                    let column = (self.layer << 32) | output as u64;
                    let mut random = rng_for(self.config.noise_seed, READING, self.image, column);
                    for window in 0..chunks.windows {
                        let sum = self.output(output, window, &chunks, &mut random, &mut saturated);
                        sums.push(sum.round() as i64 as u64);
                    }
                }
                sums
            },
        );
        Output { sums: subtract_offsets(self.crossbars, patches, zero, &sums, chunks.windows), saturated }
    }

    /// One output of one window.
    #[inline(always)]
    fn output(
        self,
        output: usize,
        window: usize,
        chunks: &Chunks,
        random: &mut ChaCha8Rng,
        saturated: &mut [u64],
    ) -> f64 {
        let layout = &self.crossbars.layout;
        let polarities = layout.slicing.polarities();
        let mut total = 0.0;
        for (group, rows) in layout.groups.iter().enumerate() {
            let mut saturations = 0;
            for (conversion, bits) in self.crossbars.bits(group, output).iter().enumerate() {
                let Some(bits) = *bits else { continue };
                let paired = layout.subtraction == Subtraction::Analog;
                let slice = if paired { conversion } else { conversion / polarities };
                let negative = !paired && conversion % polarities == 1;
                let converter = UniformQuantizer::new(bits, paired, self.span(slice, rows.inputs.len()));
                for chunk in 0..layout.chunks() {
                    let inputs = chunks.row(chunk, window, &rows.inputs);
                    let sum = if paired {
                        self.sum(output, 2 * conversion, inputs, &rows.inputs, random)
                            - self.sum(output, 2 * conversion + 1, inputs, &rows.inputs, random)
                    } else {
                        self.sum(output, conversion, inputs, &rows.inputs, random)
                    };
                    let (value, clipped) = converter.convert(sum);
                    saturations += u64::from(clipped);
                    let shift = layout.slicing.shift(slice) as usize + chunk * layout.dac_bits;
                    let value = value * (1_u64 << shift) as f64;
                    total += if negative { -value } else { value };
                }
            }
            saturated[layout.tile(group, output)] += saturations;
        }
        total
    }

    /// The current of one column, in units of one cell level times one input step.
    #[inline(always)]
    fn sum(
        self,
        output: usize,
        crossbar: usize,
        inputs: &[f32],
        rows: &Range<usize>,
        random: &mut ChaCha8Rng,
    ) -> f64 {
        let (layout, width) = (&self.crossbars.layout, self.crossbars.weights.cols);
        let column = (output * layout.slicing.crossbars() + crossbar) * width;
        let cells = &self.programmed.cells[column + rows.start..column + rows.end];
        let mut sum = f64::from(dot(cells, inputs));
        if self.config.read_noise > 0.0 {
            let drawn: f64 = StandardNormal.sample(random);
            let squares = f64::from(dot(inputs, inputs));
            sum += f64::from(layout.max_level()) * self.config.read_noise * squares.sqrt() * drawn;
        }
        sum
    }

    /// The largest sum that the codes cover; `None` if a step is one unit.
    fn span(self, slice: usize, rows: usize) -> Option<f64> {
        match self.adc_ranges {
            AdcRanges::Granular => None,
            AdcRanges::Max => {
                let top_input = (1_u64 << self.crossbars.layout.dac_bits) - 1;
                Some(rows as f64 * top_input as f64 * f64::from(self.crossbars.layout.max_level()))
            }
            AdcRanges::Calibrated(adc_ranges) => adc_ranges.get(slice).copied(),
        }
    }
}

/// `sum a * b`, in lanes, so that the compiler can use the vector unit.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// The inputs that the DACs apply: `[chunk][window][input]`.
struct Chunks {
    values: Vec<f32>,
    windows: usize,
    inputs: usize,
}

impl Chunks {
    fn new(layout: &CrossbarLayout, patches: &[u16], inputs: usize) -> Self {
        let mask = ((1_u32 << layout.dac_bits) - 1) as u16;
        let chunk = |at: usize| patches.iter().map(move |u| f32::from((u >> (at * layout.dac_bits)) & mask));
        let values = (0..layout.chunks()).flat_map(chunk).collect();
        Self { values, windows: patches.len() / inputs, inputs }
    }

    fn row(&self, chunk: usize, window: usize, rows: &Range<usize>) -> &[f32] {
        &self.values[(chunk * self.windows + window) * self.inputs..][rows.clone()]
    }
}

/// An analog-to-digital converter.
#[derive(Debug, Clone, Copy)]
struct UniformQuantizer {
    least: f64,
    most: f64,
    step: f64,
}

impl UniformQuantizer {
    fn new(bits: u8, signed: bool, span: Option<f64>) -> Self {
        let magnitude = if signed { bits.saturating_sub(1) } else { bits };
        let most = ((1_u64 << magnitude) - 1) as f64;
        // With 0 bits there is no step to choose.
        let step = span.filter(|_| most > 0.0).map_or(1.0, |span| (span / most).max(1.0));
        Self { least: if signed { -most } else { 0.0 }, most, step }
    }

    /// The value that a sum is read as, and whether it was beyond the largest code.
    #[inline(always)]
    fn convert(self, sum: f64) -> (f64, bool) {
        let code = (sum / self.step).round();
        let clipped = code.clamp(self.least, self.most);
        (clipped * self.step, clipped != code)
    }
}

/// A percentile of the ideal column sums of each slice, over the windows of calibration images.
///
/// # Shapes
/// - `patches`: `[positions, inputs]`
pub fn calibrate_adc_ranges(crossbars: &Crossbars, patches: &[u16], percentile: f64) -> Vec<f64> {
    let layout = &crossbars.layout;
    let chunks = Chunks::new(layout, patches, crossbars.weights.cols);
    let ideal = ProgrammedCells::new(crossbars, &SimulationConfig::default(), 0);
    let config = SimulationConfig::default();
    let layer = NonIdealLayer {
        crossbars,
        programmed: &ideal,
        adc_ranges: &AdcRanges::Granular,
        config: &config,
        image: 0,
        layer: 0,
    };
    let polarities = layout.slicing.polarities();
    parallel::map(layout.slicing.slices(), |slice| {
        let mut random = rng_for(0, READING, 0, 0);
        let mut sums = Vec::new();
        let paired = layout.subtraction == Subtraction::Analog;
        let conversions =
            if paired { slice..slice + 1 } else { slice * polarities..(slice + 1) * polarities };
        for (output, (group, rows)) in
            (0..crossbars.weights.rows).flat_map(|o| layout.groups.iter().enumerate().map(move |g| (o, g)))
        {
            let bits = crossbars.bits(group, output);
            // A percentile of columns that are never converted would be too low.
            for conversion in conversions.clone().filter(|&conversion| bits[conversion].is_some()) {
                for (chunk, window) in
                    (0..layout.chunks()).flat_map(|c| (0..chunks.windows).map(move |w| (c, w)))
                {
                    let inputs = chunks.row(chunk, window, &rows.inputs);
                    let mut sum = |crossbar| layer.sum(output, crossbar, inputs, &rows.inputs, &mut random);
                    let sum =
                        if paired { (sum(2 * slice) - sum(2 * slice + 1)).abs() } else { sum(conversion) };
                    sums.push(sum as f32);
                }
            }
        }
        let at = ((percentile / 100.0) * (sums.len().max(1) - 1) as f64).round() as usize;
        if sums.is_empty() { 0.0 } else { f64::from(*sums.select_nth_unstable_by(at, f32::total_cmp).1) }
    })
}
