//! Convolutions, and their gradients by the input, which are convolutions with turned kernels.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::{block_columns, grid, new_like, side_by_side};
use super::{by_input, convolved};
use crate::kernels::ConvolutionOptions;

/// Most columns of a block.
const COLUMNS: usize = 8;
/// Output channels of a block.
const CHANNELS: usize = 4;

/// What the shader is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct BlockedConvolution {
    /// Height and width of a kernel.
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Whether the kernels are turned by 180 degrees, and channels trade places.
    turned: bool,
    /// Whether ReLU follows.
    relu: bool,
    /// Columns and output channels whose sums a unit keeps.
    columns: usize,
    channels: usize,
}

/// See [`GpuKernels`](super::GpuKernels).
pub(super) fn forward(
    x: CubeTensor,
    weight: CubeTensor,
    bias: Option<CubeTensor>,
    options: &ConvolutionOptions,
) -> CubeTensor {
    let shape = convolved(x.meta.shape(), weight.meta.shape(), options);
    let shader = BlockedConvolution {
        kernel: kernel_size(&weight),
        stride: options.stride,
        turned: false,
        relu: options.relu,
        columns: block_columns(shape[3], COLUMNS),
        channels: CHANNELS,
    };
    launch([x, weight], bias, shape, options.padding, shader)
}

/// See [`GpuGradients`](super::GpuGradients).
pub(super) fn input_gradient(
    gradient: CubeTensor,
    weight: CubeTensor,
    size: [usize; 2],
    options: &ConvolutionOptions,
) -> CubeTensor {
    let shape = by_input(gradient.meta.shape(), weight.meta.shape(), &size);
    let kernel = kernel_size(&weight);
    let shader = BlockedConvolution {
        kernel,
        stride: [1, 1],
        turned: true,
        relu: false,
        columns: block_columns(shape[3], COLUMNS),
        channels: CHANNELS,
    };
    // Of a kernel's positions that hold the pixel, those beyond the map's edge by the padding don't exist. More zeros
    // than the kernel is wide wrap around, as the shader's positions do.
    let padding = [0, 1].map(|side| (kernel[side] - 1).wrapping_sub(options.padding[side]));
    launch([gradient, weight], None, shape, padding, shader)
}

fn kernel_size(weight: &CubeTensor) -> [usize; 2] {
    let [_, _, height, width] = weight.meta.shape().dims();
    [height, width]
}

fn launch(
    [input, weight]: [CubeTensor; 2],
    bias: Option<CubeTensor>,
    shape: Shape,
    padding: [usize; 2],
    shader: BlockedConvolution,
) -> CubeTensor {
    let (input, weight, bias) = (side_by_side(input), side_by_side(weight), bias.map(side_by_side));
    let [images, channels, height, width] = shape.dims();
    let units = images * channels.div_ceil(shader.channels) * height * width.div_ceil(shader.columns);
    let output = new_like(&input, shape);
    let client = output.client.clone();
    let (count, dim) = grid(&client, units);
    let [top, left] = padding.map(|zeros| zeros as u32);
    convolution_shader::launch(
        &client,
        count,
        dim,
        input.into_tensor_arg(),
        weight.into_tensor_arg(),
        bias.map(CubeTensor::into_tensor_arg).into(),
        output.clone().into_tensor_arg(),
        top,
        left,
        shader,
    );
    output
}

/// Each unit sums up a block: a few columns of a line, in a few output channels. Positions beyond the edges are below
/// zero and wrap around, so that one comparison finds them on either side.
#[cube(launch)]
fn convolution_shader(
    input: &Tensor<f32>,
    weight: &Tensor<f32>,
    bias: ComptimeOption<&Tensor<f32>>,
    output: &mut Tensor<f32>,
    top: u32,
    left: u32,
    #[comptime] shader: BlockedConvolution,
) {
    let kernel_height = comptime!(shader.kernel[0]);
    let kernel_width = comptime!(shader.kernel[1]);
    let down = comptime!(shader.stride[0]);
    let right = comptime!(shader.stride[1]);
    let block_columns = comptime!(shader.columns);
    let block_channels = comptime!(shader.channels);
    let reach = comptime!((shader.columns - 1) * shader.stride[1] + shader.kernel[1]);

    let channels = output.shape(1);
    let out_height = output.shape(2);
    let out_width = output.shape(3);
    let inputs = input.shape(1);
    let height = input.shape(2);
    let width = input.shape(3);

    let strips = out_width.div_ceil(block_columns);
    let groups = channels.div_ceil(block_channels);
    let first_column = (ABSOLUTE_POS % strips) * block_columns;
    let line = ABSOLUTE_POS / strips;
    let y = line % out_height;
    let block = line / out_height;
    let first_channel = (block % groups) * block_channels;
    let image = block / groups;
    if image >= output.shape(0) {
        terminate!();
    }

    // Channels beyond the last one compute what the first does, and don't write it.
    let by_output = if comptime!(shader.turned) { weight.stride(1) } else { weight.stride(0) };
    let by_input = if comptime!(shader.turned) { weight.stride(0) } else { weight.stride(1) };
    let mut kernels = Array::<usize>::new(block_channels);
    let mut sums = Array::<f32>::new(comptime!(shader.channels * shader.columns));
    #[unroll]
    for c in 0..block_channels {
        let channel = select(first_channel + c < channels, first_channel + c, first_channel);
        kernels[c] = channel * by_output;
        let start: ComptimeOption<f32> = bias.as_ref().map(|bias| bias[channel]);
        let start = start.unwrap_or_else(|| 0.0f32);
        #[unroll]
        for x in 0..block_columns {
            sums[c * block_columns + x] = start;
        }
    }

    // Where a line's values are, and which are zeros beyond an edge.
    let start = first_column * right - left as usize;
    let mut places = Array::<usize>::new(reach);
    #[unroll]
    for at in 0..reach {
        places[at] = select(start + at < width, start + at, 0usize);
    }

    for channel in 0..inputs {
        let map = (image * inputs + channel) * height;
        for ky in 0..kernel_height {
            let row = y * down + ky - top as usize;
            if row < height {
                let line = (map + row) * width;
                let mut values = Array::<f32>::new(reach);
                #[unroll]
                for at in 0..reach {
                    values[at] = select(start + at < width, input[line + places[at]], 0.0f32);
                }
                #[unroll]
                for kx in 0..kernel_width {
                    let tap = ky * kernel_width + kx;
                    let tap = if comptime!(shader.turned) {
                        comptime!(shader.kernel[0] * shader.kernel[1] - 1) - tap
                    } else {
                        tap
                    };
                    #[unroll]
                    for c in 0..block_channels {
                        let factor = weight[kernels[c] + channel * by_input + tap];
                        #[unroll]
                        for x in 0..block_columns {
                            sums[c * block_columns + x] += factor * values[x * right + kx];
                        }
                    }
                }
            }
        }
    }

    #[unroll]
    for c in 0..block_channels {
        if first_channel + c < channels {
            let line = ((image * channels + first_channel + c) * out_height + y) * out_width;
            #[unroll]
            for x in 0..block_columns {
                if first_column + x < out_width {
                    let sum = sums[c * block_columns + x];
                    output[line + first_column + x] =
                        if comptime!(shader.relu) { select(sum < 0.0f32, 0.0f32, sum) } else { sum };
                }
            }
        }
    }
}
