//! A convolution, and its gradient by the input, which is one of the gradient by the output.

use std::array;

use pulp::{Simd, WithSimd, bytemuck};

use super::{KERNEL, Pixels, SQUARE, Squares};
use crate::convolution::ConvolutionShape;
use crate::division::Division;
use crate::gather::PaddedMaps;
use crate::microkernel::{ROWS, VECTORS, multiply_rows, zero};
use crate::product::Finish;
use crate::{arch, parallel};

/// Bytes of a block's differences: they stay in the second-level cache.
const BLOCK_BYTES: usize = 1 << 19;
/// Panels of squares in a block, at most.
const BLOCK_PANELS: usize = 8;
/// Kernels whose sums are computed side by side.
const KERNELS: usize = 16;

/// The output of a convolution.
///
/// # Shapes
/// As of [`crate::convolution::forward`].
pub(crate) fn forward(
    shape: &ConvolutionShape,
    input: &[f32],
    weight: &[f32],
    finish: Finish<'_>,
) -> Vec<f32> {
    let sums = kernel_sums(shape.outputs, shape.inputs, |output, input| {
        let at = (output * shape.inputs + input) * KERNEL;
        array::from_fn(|tap| weight[at + tap])
    });
    run(shape, input, &sums, finish)
}

/// The gradient by the input: a convolution of that by the output with the turned kernels.
///
/// # Shapes
/// As of [`crate::convolution::input_gradient`].
pub(crate) fn input_gradient(shape: &ConvolutionShape, gradient: &[f32], weight: &[f32]) -> Vec<f32> {
    let sums = kernel_sums(shape.inputs, shape.outputs, |input, output| {
        let at = (output * shape.inputs + input) * KERNEL;
        array::from_fn(|tap| weight[at + KERNEL - 1 - tap])
    });
    run(&of_gradient(shape), gradient, &sums, Finish { bias: None, relu: false })
}

/// The convolution whose output is the gradient by the input.
pub(crate) fn of_gradient(shape: &ConvolutionShape) -> ConvolutionShape {
    ConvolutionShape {
        inputs: shape.outputs,
        outputs: shape.inputs,
        input_size: shape.output_size(),
        padding: shape.padding.map(|zeros| 2_usize.saturating_sub(zeros)),
        ..*shape
    }
}

/// The sums of each kernel's weights, `[output][position][input]`.
fn kernel_sums(
    outputs: usize,
    inputs: usize,
    kernel: impl Fn(usize, usize) -> [f32; KERNEL] + Sync + Send,
) -> Vec<f32> {
    let mut sums = vec![0.0; outputs * SQUARE * inputs];
    parallel::map_chunks(&mut sums, SQUARE * inputs, |output, sums| {
        parallel::vectorized(
            #[inline(always)]
            || {
                for first in (0..inputs).step_by(KERNELS) {
                    let count = KERNELS.min(inputs - first);
                    let mut weights = [[0.0; KERNELS]; KERNEL];
                    for at in 0..count {
                        for (weights, weight) in weights.iter_mut().zip(kernel(output, first + at)) {
                            weights[at] = weight;
                        }
                    }
                    for (position, of_kernels) in sums_of(&weights).iter().enumerate() {
                        sums[position * inputs + first..][..count].copy_from_slice(&of_kernels[..count]);
                    }
                }
            },
        );
    });
    sums
}

/// `G g G^T` of kernels side by side, row by row.
#[inline(always)]
fn sums_of(g: &[[f32; KERNELS]; KERNEL]) -> [[f32; KERNELS]; SQUARE] {
    let mut columns = [[0.0; KERNELS]; 12];
    for x in 0..3 {
        for at in 0..KERNELS {
            let [a, b, c] = [g[x][at], g[3 + x][at], g[6 + x][at]];
            columns[x][at] = a;
            columns[3 + x][at] = 0.5 * (a + c + b);
            columns[6 + x][at] = 0.5 * (a + c - b);
            columns[9 + x][at] = c;
        }
    }
    let mut rows = [[0.0; KERNELS]; SQUARE];
    for y in 0..4 {
        for at in 0..KERNELS {
            let [a, b, c] = [columns[3 * y][at], columns[3 * y + 1][at], columns[3 * y + 2][at]];
            rows[4 * y][at] = a;
            rows[4 * y + 1][at] = 0.5 * (a + c + b);
            rows[4 * y + 2][at] = 0.5 * (a + c - b);
            rows[4 * y + 3][at] = c;
        }
    }
    rows
}

/// Computes a convolution from its kernels' sums.
fn run(shape: &ConvolutionShape, input: &[f32], sums: &[f32], finish: Finish<'_>) -> Vec<f32> {
    let squares = Squares::new(shape);
    let [height, width] = squares.size;
    let mut result = vec![0.0; shape.elements()[2]];
    if result.is_empty() {
        return result;
    }
    let lanes = VECTORS * arch::lanes();
    let panel_bytes = SQUARE * shape.inputs.max(1) * lanes * size_of::<f32>();
    let panels = (BLOCK_BYTES / panel_bytes).clamp(1, BLOCK_PANELS);
    let division = Division::new(shape.batch, squares.in_image(), panels * lanes, shape.outputs);
    let image = shape.inputs * shape.input_size[0] * shape.input_size[1];
    division.run(&mut result, shape.outputs * height * width, |images, outputs, output| {
        let input = &input[images.start * image..images.end * image];
        let maps = PaddedMaps::new(input, shape.input_size, squares.padding);
        let (first, outputs) = (outputs.start, outputs.len());
        arch::dispatch(Task { squares: &squares, maps: &maps, sums, finish, first, outputs, panels, output });
    });
    result
}

/// Some images, and some output channels of each.
struct Task<'a> {
    squares: &'a Squares,
    maps: &'a PaddedMaps,
    sums: &'a [f32],
    finish: Finish<'a>,
    /// The first of these channels,
    first: usize,
    /// and their number.
    outputs: usize,
    /// Panels of squares in a block.
    panels: usize,
    /// The maps of these channels, for each image.
    output: Vec<&'a mut [f32]>,
}

/// Where a square's outputs lie.
#[derive(Clone, Copy, Default)]
struct Place {
    image: usize,
    /// The first of its pixels in a map.
    pixel: usize,
    /// Whether it has a second row,
    tall: bool,
    /// and a second column.
    wide: bool,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { squares, maps, sums, finish, first, outputs, panels, mut output } = self;
        let lanes = VECTORS * S::F32_LANES;
        let inputs = squares.channels;
        let [height, width] = squares.size;
        let all = output.len() * squares.in_image();
        let panels = panels.min(all.div_ceil(lanes));
        let mut pixels = Pixels::new(simd, squares);
        let runs = lanes / pixels.run;
        let mut starts = vec![0; panels * runs];
        let mut places = vec![Place::default(); panels * lanes];
        let mut differences = vec![simd.splat_f32s(0.0); panels * SQUARE * inputs * VECTORS];
        for begin in (0..all).step_by(panels * lanes) {
            let count = (all - begin).min(panels * lanes);
            squares.starts(pixels.run, begin, all, &mut starts);
            for (place, square) in places.iter_mut().zip(begin..begin + count) {
                let [image, row, column] = squares.place(square);
                let (tall, wide) = (2 * row + 1 < height, 2 * column + 1 < width);
                *place = Place { image, pixel: 2 * row * width + 2 * column, tall, wide };
            }
            let panels = count.div_ceil(lanes);
            for panel in 0..panels {
                let starts = &starts[panel * runs..(panel + 1) * runs];
                for channel in 0..inputs {
                    let to = &mut differences[(panel * SQUARE * inputs + channel) * VECTORS..];
                    pixels.differences(simd, maps, channel, starts, to, inputs * VECTORS);
                }
            }
            for output_panel in (0..outputs).step_by(ROWS) {
                for panel in 0..panels {
                    let mut products = [zero(simd); SQUARE];
                    for (position, product) in products.iter_mut().enumerate() {
                        // Rows past the last are the last again; nothing of them is written.
                        let of = |row: usize| {
                            let channel = first + (output_panel + row).min(outputs - 1);
                            &sums[(channel * SQUARE + position) * inputs..][..inputs]
                        };
                        let at = (panel * SQUARE + position) * inputs * VECTORS;
                        let differences = &differences[at..at + inputs * VECTORS];
                        *product = multiply_rows(simd, [of(0), of(1), of(2), of(3)], differences, zero(simd));
                    }
                    let places = &places[panel * lanes..count.min((panel + 1) * lanes)];
                    for row in 0..ROWS.min(outputs - output_panel) {
                        let channel = output_panel + row;
                        let bias = simd.splat_f32s(finish.bias.map_or(0.0, |bias| bias[first + channel]));
                        for (vector, places) in places.chunks(S::F32_LANES).enumerate() {
                            let mut square = [bias; SQUARE];
                            for (sum, product) in square.iter_mut().zip(&products) {
                                *sum = product[row][vector];
                            }
                            let mut values = outputs_of(simd, square);
                            for value in &mut values {
                                *value = simd.add_f32s(*value, bias);
                                if finish.relu {
                                    // In this order a NaN stays one.
                                    *value = simd.max_f32s(simd.splat_f32s(0.0), *value);
                                }
                            }
                            let values: &[f32] = bytemuck::cast_slice(&values);
                            write(values, places, channel * height * width, width, &mut output);
                        }
                    }
                }
            }
        }
    }
}

/// Writes the outputs of squares: the four pixels of each stand a vector apart.
#[inline(always)]
fn write(values: &[f32], places: &[Place], map: usize, width: usize, output: &mut [&mut [f32]]) {
    let lanes = values.len() / 4;
    for (square, place) in places.iter().enumerate() {
        let to = &mut output[place.image][map + place.pixel..];
        to[0] = values[square];
        if place.wide {
            to[1] = values[lanes + square];
        }
        if place.tall {
            to[width] = values[2 * lanes + square];
            if place.wide {
                to[width + 1] = values[3 * lanes + square];
            }
        }
    }
}

/// `A^T m A` of squares of products side by side, row by row: 2 x 2 outputs.
#[inline(always)]
fn outputs_of<S: Simd>(simd: S, m: [S::f32s; SQUARE]) -> [S::f32s; 4] {
    let mut columns = [m[0]; 8];
    for x in 0..4 {
        let [a, b, c, d] = [m[x], m[4 + x], m[8 + x], m[12 + x]];
        columns[x] = simd.add_f32s(simd.add_f32s(a, b), c);
        columns[4 + x] = simd.sub_f32s(simd.sub_f32s(b, c), d);
    }
    let mut rows = [m[0]; 4];
    for y in 0..2 {
        let [a, b, c, d] = [columns[4 * y], columns[4 * y + 1], columns[4 * y + 2], columns[4 * y + 3]];
        rows[2 * y] = simd.add_f32s(simd.add_f32s(a, b), c);
        rows[2 * y + 1] = simd.sub_f32s(simd.sub_f32s(b, c), d);
    }
    rows
}
