//! The gradient of a convolution by its weights, and by its bias.
//!
//! A sum over all pixels of a batch: broadcast are the input pixels that a weight meets, vectors run over the output
//! channels. Each task computes some of the weights from all pixels, so that no sum depends on the number of threads.

use pulp::{Simd, WithSimd};

use super::arch;
use super::convolution::ConvolutionShape;
use super::gather::{Padding, gather, run_length};
use super::microkernel::{ROWS, VECTORS, multiply_rows, zero};
use crate::parallel;

/// Pixels summed up at a time.
const BLOCK_PIXELS: usize = 256;
/// Weights of an output channel that a task computes, at least and at most.
const TASK_WEIGHTS: [usize; 2] = [16, 128];
/// Output channels whose weights are written at a time: as many sums are a cache line.
const RESULT_ROWS: usize = 16;
/// Tasks that the weights are split into, if there are enough.
const TASKS: usize = 8;

/// The gradient by the weights, from that by the output.
///
/// # Shapes
/// - `input`, result: see [`ConvolutionShape`]
/// - `gradient`: `[batch, out, output height, output width]`
pub fn weight_gradient(shape: &ConvolutionShape, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let lanes = VECTORS * arch::lanes();
    let [inputs, outputs] = shape.group_channels();
    let depth = inputs * shape.kernel[0] * shape.kernel[1];
    let mut result = vec![0.0; shape.elements()[1]];
    if depth == 0 || shape.elements()[2] == 0 {
        return result;
    }
    let maps = pad(shape, input);
    let columns = outputs.next_multiple_of(lanes);
    for group in 0..shape.groups {
        let gradient = transpose(shape, group, gradient, lanes);
        let mut sums = vec![0.0; depth.next_multiple_of(ROWS) * columns];
        let task = depth.div_ceil(TASKS).next_multiple_of(ROWS).clamp(TASK_WEIGHTS[0], TASK_WEIGHTS[1]);
        parallel::map_chunks(&mut sums, task * columns, |at, sums| {
            let first = at * task;
            arch::dispatch(Task { shape, maps: &maps, gradient: &gradient, group, first, columns, sums });
        });
        let rows = &mut result[group * outputs * depth..(group + 1) * outputs * depth];
        parallel::map_chunks(rows, RESULT_ROWS * depth, |at, rows| {
            for (weight, sums) in sums.chunks_exact(columns).take(depth).enumerate() {
                for (row, sum) in rows.chunks_exact_mut(depth).zip(&sums[at * RESULT_ROWS..]) {
                    row[weight] = *sum;
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
        maps.map(|map| f64::from(parallel::vectorized(|| super::sum(map)))).sum::<f64>() as f32
    })
}

/// Input maps with their padding.
struct Maps {
    values: Vec<f32>,
    padding: Padding,
}

fn pad(shape: &ConvolutionShape, input: &[f32]) -> Maps {
    let size = [0, 1].map(|at| shape.input_size[at] + 2 * shape.padding[at]);
    let padding = Padding { before: shape.padding, size, stride: shape.stride };
    let [height, width] = shape.input_size;
    let mut values = vec![0.0; shape.batch * shape.inputs * padding.elements()];
    parallel::map_chunks(&mut values, padding.elements(), |map, to| {
        padding.copy(&input[map * height * width..(map + 1) * height * width], width, to);
    });
    Maps { values, padding }
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

/// Some weights of a group, `[weight][output]`.
struct Task<'a> {
    shape: &'a ConvolutionShape,
    maps: &'a Maps,
    /// Transposed.
    gradient: &'a [f32],
    group: usize,
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
        let Task { shape, maps, gradient, group, first, columns, sums } = self;
        let lanes = VECTORS * S::F32_LANES;
        let run = run_length(shape.output_size()[1], BLOCK_PIXELS);
        let [inputs, _] = shape.group_channels();
        let [kernel_height, kernel_width] = shape.kernel;
        let [height, width] = shape.output_size();
        let map = maps.padding.elements();
        let grid = height * width;
        let pixels = shape.batch * grid;
        let weights = sums.len() / columns;
        let real = weights.min(inputs * kernel_height * kernel_width - first);
        let mut starts = vec![0; BLOCK_PIXELS / run];
        let mut rows = vec![0.0; weights * BLOCK_PIXELS];
        for (block, start) in (0..pixels).step_by(BLOCK_PIXELS).enumerate() {
            let count = BLOCK_PIXELS.min(pixels - start);
            for (at, from) in starts.iter_mut().enumerate() {
                let pixel = (start + at * run).min(pixels - run);
                let (image, pixel) = (pixel / grid, pixel % grid);
                let start = maps.padding.start(pixel / width, pixel % width);
                *from = (image * shape.inputs + group * inputs) * map + start;
            }
            for (row, weight) in rows.chunks_exact_mut(BLOCK_PIXELS).zip(first..first + real) {
                let (channel, tap) =
                    (weight / (kernel_height * kernel_width), weight % (kernel_height * kernel_width));
                let tap = [(tap / kernel_width, 0), (tap % kernel_width, 1)]
                    .map(|(tap, at)| tap as isize - shape.padding[at] as isize);
                let offset = channel * map + maps.padding.offset(tap);
                gather(run, &maps.values, &starts, offset, row);
            }
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
