//! The gradient of a convolution by its weights: F(3 x 3, 2 x 2).

use std::ops::Range;

use pulp::{Simd, WithSimd, bytemuck};

use super::{KERNEL, Pixels, SQUARE, Squares};
use crate::convolution::ConvolutionShape;
use crate::gather::PaddedMaps;
use crate::microkernel::{ROWS, VECTORS, multiply_rows, zero};
use crate::{arch, parallel};

/// Squares summed up at a time: a panel of their sums stays in the first caches.
const BLOCK_SQUARES: usize = 128;
/// Input channels of a task, at least and at most.
const TASK_CHANNELS: [usize; 2] = [16, 64];
/// Tasks for each thread.
const TASKS_PER_THREAD: usize = 1;
/// Output pixels of a square.
const OUTPUTS: usize = 4;

/// The gradient by the weights.
///
/// # Shapes
/// As of [`crate::weight_gradient::weight_gradient`].
pub(crate) fn weight_gradient(shape: &ConvolutionShape, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let squares = Squares::new(shape);
    let lanes = VECTORS * arch::lanes();
    let mut result = vec![0.0; shape.elements()[1]];
    if shape.elements()[2] == 0 || result.is_empty() {
        return result;
    }
    let maps = PaddedMaps::new(input, shape.input_size, squares.padding);
    let turned = turn(shape, &squares, gradient, lanes);
    // Each sum is of one task, in the order of the squares, whatever the number of tasks.
    let tasks = TASKS_PER_THREAD * parallel::threads();
    let channels =
        shape.inputs.div_ceil(tasks).next_multiple_of(ROWS).clamp(TASK_CHANNELS[0], TASK_CHANNELS[1]);
    let parts = parallel::map(shape.inputs.div_ceil(channels), |task| {
        let channels = task * channels..((task + 1) * channels).min(shape.inputs);
        let all = shape.batch * squares.in_image();
        arch::dispatch(Task {
            squares: &squares,
            maps: &maps,
            turned: &turned,
            panels: shape.outputs.div_ceil(lanes),
            channels,
            all,
        })
    });
    parallel::map_chunks(&mut result, lanes * shape.inputs * KERNEL, |panel, rows| {
        arch::dispatch(PanelWeights {
            parts: &parts,
            panel,
            panels: shape.outputs.div_ceil(lanes),
            inputs: shape.inputs,
            rows,
        });
    });
    result
}

/// The output's gradient, `[block of squares][panel of channels][square][pixel of it][channel]`; zeros fill it up.
fn turn(shape: &ConvolutionShape, squares: &Squares, gradient: &[f32], lanes: usize) -> Vec<f32> {
    let [height, width] = squares.size;
    let all = shape.batch * squares.in_image();
    let panels = shape.outputs.div_ceil(lanes);
    let panel = BLOCK_SQUARES * OUTPUTS * lanes;
    let mut turned = vec![0.0; all.div_ceil(BLOCK_SQUARES) * panels * panel];
    parallel::map_chunks(&mut turned, panels * panel, |block, to| {
        let first = block * BLOCK_SQUARES;
        let places: Vec<[usize; 3]> =
            (first..all.min(first + BLOCK_SQUARES)).map(|square| squares.place(square)).collect();
        for output in 0..shape.outputs {
            let to = &mut to[output / lanes * panel..][..panel];
            for (to, [image, row, column]) in to.chunks_exact_mut(OUTPUTS * lanes).zip(&places) {
                let map = &gradient[(image * shape.outputs + output) * height * width..][..height * width];
                let (lane, pixel) = (output % lanes, 2 * row * width + 2 * column);
                let (tall, wide) = (2 * row + 1 < height, 2 * column + 1 < width);
                to[lane] = map[pixel];
                if wide {
                    to[lanes + lane] = map[pixel + 1];
                }
                if tall {
                    to[2 * lanes + lane] = map[pixel + width];
                    if wide {
                        to[3 * lanes + lane] = map[pixel + width + 1];
                    }
                }
            }
        }
    });
    turned
}

/// Some input channels, with all squares and all output channels.
struct Task<'a> {
    squares: &'a Squares,
    maps: &'a PaddedMaps,
    /// See [`turn`].
    turned: &'a [f32],
    /// Panels of output channels.
    panels: usize,
    channels: Range<usize>,
    /// Squares of the batch.
    all: usize,
}

impl WithSimd for Task<'_> {
    /// Sums of products: `[panel of output channels][position][input channel][output channel]`.
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Task { squares, maps, turned, panels, channels, all } = self;
        let lanes = VECTORS * S::F32_LANES;
        let count = channels.len();
        let mut pixels = Pixels::new(simd, squares);
        let runs = lanes / pixels.run;
        let mut starts = vec![0; BLOCK_SQUARES / pixels.run];
        let mut differences = vec![simd.splat_f32s(0.0); SQUARE * count * BLOCK_SQUARES / S::F32_LANES];
        let block_squares = BLOCK_SQUARES.min(all);
        let mut gradients = vec![simd.splat_f32s(0.0); SQUARE * block_squares * VECTORS];
        let mut sums = vec![simd.splat_f32s(0.0); panels * SQUARE * count * VECTORS];
        for (block, first) in (0..all).step_by(BLOCK_SQUARES).enumerate() {
            squares.starts(pixels.run, first, all, &mut starts);
            for channel in 0..count {
                for panel in 0..BLOCK_SQUARES / lanes {
                    let starts = &starts[panel * runs..(panel + 1) * runs];
                    let to = &mut differences[channel * (BLOCK_SQUARES / S::F32_LANES) + panel * VECTORS..];
                    let distance = count * (BLOCK_SQUARES / S::F32_LANES);
                    pixels.differences(simd, maps, channels.start + channel, starts, to, distance);
                }
            }
            let differences: &[f32] = bytemuck::cast_slice(&differences);
            // Past the last square its gradients are zeros.
            let squares = BLOCK_SQUARES.min(all - first);
            for panel in 0..panels {
                let from = (block * panels + panel) * BLOCK_SQUARES * OUTPUTS * lanes;
                let (turned, _) = S::as_simd_f32s(&turned[from..from + squares * OUTPUTS * lanes]);
                for (square, turned) in turned.chunks_exact(OUTPUTS * VECTORS).enumerate() {
                    for vector in 0..VECTORS {
                        let [a, b, c, d] = [0, 1, 2, 3].map(|pixel| turned[pixel * VECTORS + vector]);
                        for (position, value) in sums_of(simd, [a, b, c, d]).into_iter().enumerate() {
                            gradients[(position * block_squares + square) * VECTORS + vector] = value;
                        }
                    }
                }
                for position in 0..SQUARE {
                    let gradients = &gradients[position * block_squares * VECTORS..][..squares * VECTORS];
                    for channel in (0..count).step_by(ROWS) {
                        // Rows past the last are the last again; nothing of them is kept.
                        let of = |row: usize| {
                            let channel = (channel + row).min(count - 1);
                            &differences[(position * count + channel) * BLOCK_SQUARES..][..squares]
                        };
                        let at = ((panel * SQUARE + position) * count + channel) * VECTORS;
                        let sums = &mut sums[at..][..ROWS.min(count - channel) * VECTORS];
                        let mut tile = zero(simd);
                        for (tile, sums) in tile.iter_mut().zip(sums.chunks_exact(VECTORS)) {
                            tile.copy_from_slice(sums);
                        }
                        let tile = multiply_rows(simd, [of(0), of(1), of(2), of(3)], gradients, tile);
                        for (tile, sums) in tile.iter().zip(sums.chunks_exact_mut(VECTORS)) {
                            sums.copy_from_slice(tile);
                        }
                    }
                }
            }
        }
        bytemuck::cast_slice(&sums).to_vec()
    }
}

/// All weights of a panel of output channels.
struct PanelWeights<'a> {
    /// The results of all tasks.
    parts: &'a [Vec<f32>],
    panel: usize,
    panels: usize,
    inputs: usize,
    /// `[output channel][input channel][weight]`.
    rows: &'a mut [f32],
}

impl WithSimd for PanelWeights<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let PanelWeights { parts, panel, panels, inputs, rows } = self;
        let lanes = VECTORS * S::F32_LANES;
        let mut first = 0;
        for part in parts {
            let part = &part[panel * (part.len() / panels)..][..part.len() / panels];
            let count = part.len() / (SQUARE * lanes);
            for channel in 0..count {
                for vector in 0..VECTORS {
                    let mut products = [simd.splat_f32s(0.0); SQUARE];
                    for (position, product) in products.iter_mut().enumerate() {
                        let at = (position * count + channel) * lanes + vector * S::F32_LANES;
                        *product = S::as_simd_f32s(&part[at..at + S::F32_LANES]).0[0];
                    }
                    let weights = weights_of(simd, products);
                    let weights: &[f32] = bytemuck::cast_slice(&weights);
                    let rows = rows.chunks_exact_mut(inputs * KERNEL).skip(vector * S::F32_LANES);
                    for (lane, row) in rows.take(S::F32_LANES).enumerate() {
                        let to = &mut row[(first + channel) * KERNEL..][..KERNEL];
                        for (weight, to) in to.iter_mut().enumerate() {
                            *to = weights[weight * S::F32_LANES + lane];
                        }
                    }
                }
            }
            first += count;
        }
    }
}

/// `G g G^T` of 2 x 2 gradients, for channels side by side, row by row.
#[inline(always)]
fn sums_of<S: Simd>(simd: S, g: [S::f32s; OUTPUTS]) -> [S::f32s; SQUARE] {
    let half = simd.splat_f32s(0.5);
    let mut columns = [g[0]; 8];
    for x in 0..2 {
        let [a, b] = [g[x], g[2 + x]];
        columns[x] = a;
        columns[2 + x] = simd.mul_f32s(half, simd.add_f32s(a, b));
        columns[4 + x] = simd.mul_f32s(half, simd.sub_f32s(a, b));
        columns[6 + x] = b;
    }
    let mut rows = [g[0]; SQUARE];
    for y in 0..4 {
        let [a, b] = [columns[2 * y], columns[2 * y + 1]];
        rows[4 * y] = a;
        rows[4 * y + 1] = simd.mul_f32s(half, simd.add_f32s(a, b));
        rows[4 * y + 2] = simd.mul_f32s(half, simd.sub_f32s(a, b));
        rows[4 * y + 3] = b;
    }
    rows
}

/// `A^T m A` of sums of products, for channels side by side, row by row: 3 x 3 weights.
#[inline(always)]
fn weights_of<S: Simd>(simd: S, m: [S::f32s; SQUARE]) -> [S::f32s; KERNEL] {
    let mut columns = [m[0]; 12];
    for x in 0..4 {
        let [a, b, c, d] = [m[x], m[4 + x], m[8 + x], m[12 + x]];
        let sum = simd.add_f32s(b, c);
        columns[x] = simd.add_f32s(a, sum);
        columns[4 + x] = simd.sub_f32s(b, c);
        columns[8 + x] = simd.sub_f32s(sum, d);
    }
    let mut rows = [m[0]; KERNEL];
    for y in 0..3 {
        let [a, b, c, d] = [columns[4 * y], columns[4 * y + 1], columns[4 * y + 2], columns[4 * y + 3]];
        let sum = simd.add_f32s(b, c);
        rows[3 * y] = simd.add_f32s(a, sum);
        rows[3 * y + 1] = simd.sub_f32s(b, c);
        rows[3 * y + 2] = simd.sub_f32s(sum, d);
    }
    rows
}
