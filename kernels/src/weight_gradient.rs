//! The gradient of a convolution by its weights, and by its bias.
//!
//! A sum over all pixels of a batch: broadcast are the input pixels that a weight meets, vectors run over the output
//! channels. Each task computes some of the weights from all pixels, so that no sum depends on the number of threads.

use pulp::{Simd, WithSimd};

use super::arch;
use super::convolution::{ConvolutionShape, TASK_KERNELS, Tap};
use super::gather::{PaddedMaps, Padding, gather, run_length};
use super::microkernel::{ROWS, VECTORS, multiply_rows, zero};
use super::winograd;
use crate::parallel;

/// Pixels summed up at a time; as many or fewer are few.
const BLOCK_PIXELS: usize = 256;
/// Weights of an output channel that a task computes, at least and at most.
const TASK_WEIGHTS: [usize; 2] = [16, 128];
/// Output channels whose weights are written at a time: as many sums are a cache line.
const RESULT_ROWS: usize = 16;
/// Panels of weights whose input pixels a task copies.
const TASK_PANELS: usize = 8;
/// Tasks that the weights are split into, if there are enough.
const TASKS: usize = 8;

/// The gradient by the weights, from that by the output.
///
/// # Shapes
/// - `input`, result: see [`ConvolutionShape`]
/// - `gradient`: `[batch, out, output height, output width]`
pub fn weight_gradient(shape: &ConvolutionShape, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    if winograd::pays_for_weights(shape) {
        return winograd::weight_gradient(shape, input, gradient);
    }
    let [inputs, outputs] = shape.group_channels();
    let kernel = shape.kernel[0] * shape.kernel[1];
    let taps = shape.taps();
    let depth = inputs * taps.len();
    let mut result = vec![0.0; shape.elements()[1]];
    let [height, width] = shape.output_size();
    let pixels = shape.batch * height * width;
    if depth == 0 || outputs == 0 || pixels == 0 {
        return result;
    }
    let size = [0, 1].map(|at| shape.input_size[at] + 2 * shape.padding[at]);
    let padding = Padding { before: shape.padding, size, stride: shape.stride };
    let maps = PaddedMaps::new(input, shape.input_size, padding);
    for (group, result) in result.chunks_exact_mut(outputs * inputs * kernel).enumerate() {
        let products = Products { shape, taps: &taps, maps: &maps, group, gradient };
        let by_weight = |result: &mut [f32]| match pixels {
            ..=BLOCK_PIXELS => products.of_few_pixels(result),
            _ => products.of_blocks(result),
        };
        if taps.len() == kernel {
            by_weight(result);
            continue;
        }
        let mut met = vec![0.0; outputs * depth];
        by_weight(&mut met);
        parallel::map_chunks(result, TASK_KERNELS * kernel, |task, result| {
            let met = met.chunks_exact(taps.len()).skip(task * TASK_KERNELS);
            for (to, from) in result.chunks_exact_mut(kernel).zip(met) {
                for (tap, from) in taps.iter().zip(from) {
                    to[tap.at] = *from;
                }
            }
        });
    }
    result
}

/// The gradient by the bias: the sum over images and pixels.
///
/// # Shapes
/// - `gradient`: `[batch, out, output height, output width]`
/// - result: `[out]`
pub fn bias_gradient(shape: &ConvolutionShape, gradient: &[f32]) -> Vec<f32> {
    let [height, width] = shape.output_size();
    parallel::map(shape.outputs, |output| {
        let maps = gradient.chunks_exact((height * width).max(1)).skip(output).step_by(shape.outputs);
        maps.map(|map| {
            f64::from(parallel::vectorized(
                #[inline(always)]
                || super::sum(map),
            ))
        })
        .sum::<f64>() as f32
    })
}

/// The sums of a group.
struct Products<'a> {
    shape: &'a ConvolutionShape,
    taps: &'a [Tap],
    maps: &'a PaddedMaps,
    group: usize,
    /// That by the output.
    gradient: &'a [f32],
}

impl Products<'_> {
    /// Weights of an output channel.
    fn depth(&self) -> usize {
        self.shape.group_channels()[0] * self.taps.len()
    }

    /// Where an output pixel's taps read, from the first pixel of the group's first map.
    fn start(&self, pixel: usize) -> usize {
        let [height, width] = self.shape.output_size();
        let [inputs, _] = self.shape.group_channels();
        let (image, pixel) = (pixel / (height * width), pixel % (height * width));
        let map = image * self.shape.inputs + self.group * inputs;
        map * self.maps.padding.elements() + self.maps.padding.start(pixel / width, pixel % width)
    }

    /// How far the input pixel of a weight lies from [`Products::start`].
    fn offset(&self, weight: usize) -> usize {
        let (channel, tap) = (weight / self.taps.len(), weight % self.taps.len());
        channel * self.maps.padding.elements() + self.maps.padding.offset(self.taps[tap].offset)
    }

    /// Vectors run over the weights, so that the sums lie as the result does: it is written once. What each weight
    /// meets has to be copied pixel by pixel, which pays where the weights are many and the pixels few.
    fn of_few_pixels(&self, result: &mut [f32]) {
        let lanes = VECTORS * arch::lanes();
        let [_, outputs] = self.shape.group_channels();
        let [height, width] = self.shape.output_size();
        let (map, depth) = (height * width, self.depth());
        let starts: Vec<usize> = (0..self.shape.batch * map).map(|pixel| self.start(pixel)).collect();
        let mut met = vec![0.0; depth.next_multiple_of(lanes) * starts.len()];
        parallel::map_chunks(&mut met, TASK_PANELS * lanes * starts.len(), |task, met| {
            for (panel, met) in met.chunks_exact_mut(lanes * starts.len()).enumerate() {
                let first = (task * TASK_PANELS + panel) * lanes;
                let offsets: Vec<usize> =
                    (first..depth.min(first + lanes)).map(|weight| self.offset(weight)).collect();
                for (met, start) in met.chunks_exact_mut(lanes).zip(&starts) {
                    for (to, offset) in met.iter_mut().zip(&offsets) {
                        *to = self.maps.values[start + offset];
                    }
                }
            }
        });
        let mut gradient = vec![0.0; outputs * starts.len()];
        for (output, row) in gradient.chunks_exact_mut(starts.len()).enumerate() {
            let maps = self.gradient.chunks_exact(map).skip(self.group * outputs + output);
            for (to, from) in row.chunks_exact_mut(map).zip(maps.step_by(self.shape.outputs)) {
                to.copy_from_slice(from);
            }
        }
        let pixels = starts.len();
        let rows = outputs.div_ceil(TASKS).next_multiple_of(ROWS);
        parallel::map_chunks(result, rows * depth, |task, result| {
            let gradient = &gradient[task * rows * pixels..];
            arch::dispatch(FewPixels { gradient, met: &met, pixels, depth, result });
        });
    }

    /// Vectors run over the output channels, so that input pixels are copied in runs.
    fn of_blocks(&self, result: &mut [f32]) {
        let lanes = VECTORS * arch::lanes();
        let [_, outputs] = self.shape.group_channels();
        let (depth, columns) = (self.depth(), outputs.next_multiple_of(lanes));
        let gradient = transpose(self.shape, self.group, self.gradient, lanes);
        let mut sums = vec![0.0; depth.next_multiple_of(ROWS) * columns];
        let task = depth.div_ceil(TASKS).next_multiple_of(ROWS).clamp(TASK_WEIGHTS[0], TASK_WEIGHTS[1]);
        parallel::map_chunks(&mut sums, task * columns, |at, sums| {
            arch::dispatch(Task { products: self, gradient: &gradient, first: at * task, columns, sums });
        });
        parallel::map_chunks(result, RESULT_ROWS * depth, |at, rows| {
            for (weight, sums) in sums.chunks_exact(columns).take(depth).enumerate() {
                for (row, sum) in rows.chunks_exact_mut(depth).zip(&sums[at * RESULT_ROWS..]) {
                    row[weight] = *sum;
                }
            }
        });
    }
}

/// The output's gradient of a group, `[block of pixels][panel of channels][pixel][channel]`; zeros fill it up.
fn transpose(shape: &ConvolutionShape, group: usize, gradient: &[f32], lanes: usize) -> Vec<f32> {
    let [_, outputs] = shape.group_channels();
    let [height, width] = shape.output_size();
    let map = height * width;
    let pixels = shape.batch * map;
    let columns = outputs.next_multiple_of(lanes);
    let mut transposed = vec![0.0; pixels.div_ceil(BLOCK_PIXELS) * BLOCK_PIXELS * columns];
    parallel::map_chunks(&mut transposed, BLOCK_PIXELS * columns, |block, to| {
        let first = block * BLOCK_PIXELS;
        let count = BLOCK_PIXELS.min(pixels - first);
        for output in 0..outputs {
            let panel = output / lanes * BLOCK_PIXELS * lanes;
            let to = &mut to[panel..panel + BLOCK_PIXELS * lanes];
            let mut done = 0;
            while done < count {
                let (image, pixel) = ((first + done) / map, (first + done) % map);
                let part = (map - pixel).min(count - done);
                let from = (image * shape.outputs + group * outputs + output) * map + pixel;
                let rows = to.chunks_exact_mut(lanes).skip(done);
                for (row, value) in rows.zip(&gradient[from..from + part]) {
                    row[output % lanes] = *value;
                }
                done += part;
            }
        }
    });
    transposed
}

/// All weights of some output channels.
struct FewPixels<'a> {
    /// `[output][pixel]`, from the first of these channels.
    gradient: &'a [f32],
    /// The input pixel that a weight meets: `[panel of weights][pixel][weight]`.
    met: &'a [f32],
    pixels: usize,
    depth: usize,
    /// `[output][weight]`.
    result: &'a mut [f32],
}

impl WithSimd for FewPixels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let FewPixels { gradient, met, pixels, depth, result } = self;
        let lanes = VECTORS * S::F32_LANES;
        let outputs = result.len() / depth;
        let mut row = vec![0.0; lanes];
        for (panel, met) in met.chunks_exact(lanes * pixels).enumerate() {
            let (met, _) = S::as_simd_f32s(met);
            let weights = panel * lanes..depth.min((panel + 1) * lanes);
            for first in (0..outputs).step_by(ROWS) {
                // Rows past the last are the last again; nothing of them is written.
                let of = |row: usize| {
                    let output = (first + row).min(outputs - 1);
                    &gradient[output * pixels..(output + 1) * pixels]
                };
                let tile = multiply_rows(simd, [of(0), of(1), of(2), of(3)], met, zero(simd));
                for (output, sums) in (first..outputs).zip(&tile) {
                    S::as_mut_simd_f32s(&mut row).0.copy_from_slice(sums);
                    let to = &mut result[output * depth..(output + 1) * depth][weights.clone()];
                    let count = to.len();
                    to.copy_from_slice(&row[..count]);
                }
            }
        }
    }
}

/// Some weights of a group, `[weight][output]`.
struct Task<'a> {
    products: &'a Products<'a>,
    /// Transposed.
    gradient: &'a [f32],
    /// The first weight.
    first: usize,
    /// Output channels, filled up to whole panels.
    columns: usize,
    sums: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { products, gradient, first, columns, sums } = self;
        let lanes = VECTORS * S::F32_LANES;
        let [height, width] = products.shape.output_size();
        let run = run_length(width, BLOCK_PIXELS);
        let pixels = products.shape.batch * height * width;
        let weights = sums.len() / columns;
        let real = weights.min(products.depth() - first);
        let offsets: Vec<usize> = (first..first + real).map(|weight| products.offset(weight)).collect();
        let mut starts = vec![0; BLOCK_PIXELS / run];
        let mut rows = vec![0.0; weights * BLOCK_PIXELS];
        for (block, start) in (0..pixels).step_by(BLOCK_PIXELS).enumerate() {
            let count = BLOCK_PIXELS.min(pixels - start);
            for (at, from) in starts.iter_mut().enumerate() {
                *from = products.start((start + at * run).min(pixels - run));
            }
            gather(run, &products.maps.values, &starts, &offsets, &mut rows);
            for panel in 0..columns / lanes {
                let from = (block * (columns / lanes) + panel) * BLOCK_PIXELS * lanes;
                let (gradient, _) = S::as_simd_f32s(&gradient[from..from + count * lanes]);
                for weight in (0..weights).step_by(ROWS) {
                    let row =
                        |at: usize| &rows[(weight + at) * BLOCK_PIXELS..(weight + at) * BLOCK_PIXELS + count];
                    let at = |row: usize| (weight + row) * columns + panel * lanes;
                    let mut tile = zero(simd);
                    if block > 0 {
                        for (row, tile) in tile.iter_mut().enumerate() {
                            let sums = &sums[at(row)..at(row) + lanes];
                            tile.copy_from_slice(&S::as_simd_f32s(sums).0[..VECTORS]);
                        }
                    }
                    let tile = multiply_rows(simd, [row(0), row(1), row(2), row(3)], gradient, tile);
                    for (row, tile) in tile.iter().enumerate() {
                        S::as_mut_simd_f32s(&mut sums[at(row)..at(row) + lanes]).0[..VECTORS]
                            .copy_from_slice(tile);
                    }
                }
            }
        }
    }
}
