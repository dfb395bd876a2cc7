//! A convolution's gradients by its weight and bias: sums over all images, in parts that are added up afterwards, always
//! in the same order.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::{block_columns, grid, new_like, side_by_side};
use super::parts::{UNITS, add_parts};
use crate::kernels::ConvolutionOptions;

/// Most columns of a block.
const COLUMNS: usize = 4;
/// Output channels of a block.
const CHANNELS: usize = 4;
/// Most places of a kernel whose sums a unit keeps; of a larger one, each line has a unit of its own.
const PLACES: usize = 9;

/// What the shader is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct BlockedGradient {
    /// Height and width of a kernel.
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Lines of the kernel whose sums a unit keeps: all, or one.
    lines: usize,
    /// Columns of the gradient that a unit reads at once, and the output channels it sums for.
    columns: usize,
    channels: usize,
}

/// See [`GpuGradients`](super::GpuGradients).
pub(super) fn by_weight(
    x: CubeTensor,
    gradient: CubeTensor,
    kernel: [usize; 2],
    options: &ConvolutionOptions,
) -> CubeTensor {
    let (x, gradient) = (side_by_side(x), side_by_side(gradient));
    let [_, inputs, _, _] = x.meta.shape().dims();
    let [images, outputs, height, width] = gradient.meta.shape().dims();
    let shader = BlockedGradient {
        kernel,
        stride: options.stride,
        lines: if kernel[0] * kernel[1] <= PLACES { kernel[0] } else { 1 },
        columns: block_columns(width, COLUMNS),
        channels: CHANNELS,
    };
    let units = inputs * outputs.div_ceil(CHANNELS) * (kernel[0] / shader.lines);
    let parts = UNITS.div_ceil(units.max(1)).clamp(1, (images * height).max(1));
    let output = new_like(&gradient, Shape::from([parts, outputs, inputs, kernel[0], kernel[1]]));
    let client = output.client.clone();
    let (count, dim) = grid(&client, units * parts);
    let [top, left] = options.padding.map(|zeros| zeros as u32);
    weight_gradient_shader::launch(
        &client,
        count,
        dim,
        x.into_tensor_arg(),
        gradient.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        top,
        left,
        shader,
    );
    add_parts(output, Shape::from([outputs, inputs, kernel[0], kernel[1]]))
}

/// See [`GpuGradients`](super::GpuGradients).
pub(super) fn by_bias(gradient: CubeTensor) -> CubeTensor {
    let gradient = side_by_side(gradient);
    let [images, outputs, height, _] = gradient.meta.shape().dims();
    let parts = UNITS.div_ceil(outputs.max(1)).clamp(1, (images * height).max(1));
    let output = new_like(&gradient, Shape::from([parts, outputs]));
    let client = output.client.clone();
    let (count, dim) = grid(&client, parts * outputs);
    let (gradient, sums) = (gradient.into_tensor_arg(), output.clone().into_tensor_arg());
    bias_gradient_shader::launch(&client, count, dim, gradient, sums);
    add_parts(output, Shape::from([outputs]))
}

/// Each unit sums up, for a few output channels and one input channel, over every `parts`-th line of all images.
#[cube(launch)]
fn weight_gradient_shader(
    input: &Tensor<f32>,
    gradient: &Tensor<f32>,
    parts: &mut Tensor<f32>,
    top: u32,
    left: u32,
    #[comptime] shader: BlockedGradient,
) {
    let kernel_height = comptime!(shader.kernel[0]);
    let kernel_width = comptime!(shader.kernel[1]);
    let lines = comptime!(shader.lines);
    let down = comptime!(shader.stride[0]);
    let right = comptime!(shader.stride[1]);
    let block_columns = comptime!(shader.columns);
    let block_channels = comptime!(shader.channels);
    let reach = comptime!((shader.columns - 1) * shader.stride[1] + shader.kernel[1]);
    let line_groups = comptime!(shader.kernel[0] / shader.lines);

    let images = gradient.shape(0);
    let channels = gradient.shape(1);
    let out_height = gradient.shape(2);
    let out_width = gradient.shape(3);
    let inputs = input.shape(1);
    let height = input.shape(2);
    let width = input.shape(3);

    let groups = channels.div_ceil(block_channels);
    let from_input = ABSOLUTE_POS % inputs;
    let block = ABSOLUTE_POS / inputs;
    let first_channel = (block % groups) * block_channels;
    let rest = block / groups;
    let first_line = (rest % line_groups) * lines;
    let part = rest / line_groups;
    let stride = parts.shape(0);
    if part >= stride {
        terminate!();
    }

    let mut sums = Array::<f32>::new(comptime!(shader.channels * shader.lines * shader.kernel[1]));
    #[unroll]
    for at in 0..comptime!(shader.channels * shader.lines * shader.kernel[1]) {
        sums[at] = 0.0f32;
    }

    let strips = out_width.div_ceil(block_columns);
    let all = images * out_height;
    let mut line = part;
    while line < all {
        let image = line / out_height;
        let y = line % out_height;
        let map = (image * inputs + from_input) * height;
        for strip in 0..strips {
            let first_column = strip * block_columns;
            // Channels beyond the last one sum up what the first does, and don't write it.
            let mut slopes = Array::<f32>::new(comptime!(shader.channels * shader.columns));
            #[unroll]
            for c in 0..block_channels {
                let channel = select(first_channel + c < channels, first_channel + c, first_channel);
                let start = ((image * channels + channel) * out_height + y) * out_width;
                #[unroll]
                for x in 0..block_columns {
                    let column = first_column + x;
                    let inside = column < out_width;
                    let slope = gradient[start + select(inside, column, 0usize)];
                    slopes[c * block_columns + x] = select(inside, slope, 0.0f32);
                }
            }
            let start = first_column * right - left as usize;
            #[unroll]
            for ky in 0..lines {
                let row = y * down + first_line + ky - top as usize;
                if row < height {
                    let from = (map + row) * width;
                    let mut values = Array::<f32>::new(reach);
                    #[unroll]
                    for at in 0..reach {
                        let inside = start + at < width;
                        let value = input[from + select(inside, start + at, 0usize)];
                        values[at] = select(inside, value, 0.0f32);
                    }
                    #[unroll]
                    for c in 0..block_channels {
                        #[unroll]
                        for kx in 0..kernel_width {
                            let mut sum = sums[(c * lines + ky) * kernel_width + kx];
                            #[unroll]
                            for x in 0..block_columns {
                                sum += slopes[c * block_columns + x] * values[x * right + kx];
                            }
                            sums[(c * lines + ky) * kernel_width + kx] = sum;
                        }
                    }
                }
            }
        }
        line += stride;
    }

    #[unroll]
    for c in 0..block_channels {
        if first_channel + c < channels {
            let kernel = ((part * channels + first_channel + c) * inputs + from_input) * kernel_height;
            #[unroll]
            for ky in 0..lines {
                #[unroll]
                for kx in 0..kernel_width {
                    parts[(kernel + first_line + ky) * kernel_width + kx] =
                        sums[(c * lines + ky) * kernel_width + kx];
                }
            }
        }
    }
}

/// Each unit sums up, for one output channel, over every `parts`-th line of all images.
#[cube(launch)]
fn bias_gradient_shader(gradient: &Tensor<f32>, parts: &mut Tensor<f32>) {
    let channels = gradient.shape(1);
    let height = gradient.shape(2);
    let width = gradient.shape(3);
    let channel = ABSOLUTE_POS % channels;
    let part = ABSOLUTE_POS / channels;
    let stride = parts.shape(0);
    if part >= stride {
        terminate!();
    }
    let all = gradient.shape(0) * height;
    let mut sum = 0.0f32;
    let mut line = part;
    while line < all {
        let start = (((line / height) * channels + channel) * height + line % height) * width;
        for x in 0..width {
            sum += gradient[start + x];
        }
        line += stride;
    }
    parts[part * channels + channel] = sum;
}
