//! Maximum pooling. Its gradient looks for each window's largest value again, which costs less than to store where it was.

use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::{grid, new_like, side_by_side};
use super::pooled;
use crate::kernels::PoolOptions;

/// What the shaders are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PoolWindow {
    size: [usize; 2],
    stride: [usize; 2],
    relu: bool,
}

impl PoolWindow {
    fn new(options: &PoolOptions) -> Self {
        Self { size: options.window, stride: options.stride, relu: options.relu }
    }
}

/// See [`GpuKernels`](super::GpuKernels).
pub(super) fn forward(x: CubeTensor, options: &PoolOptions) -> CubeTensor {
    let shape = pooled(x.meta.shape(), options);
    let x = side_by_side(x);
    let units = shape.num_elements();
    let output = new_like(&x, shape);
    let client = output.client.clone();
    let (count, dim) = grid(&client, units);
    let [top, left] = options.padding.map(|edge| edge as u32);
    let (x, maxima) = (x.into_tensor_arg(), output.clone().into_tensor_arg());
    max_pool_shader::launch(&client, count, dim, x, maxima, top, left, PoolWindow::new(options));
    output
}

/// See [`GpuGradients`](super::GpuGradients).
pub(super) fn backward(x: CubeTensor, gradient: CubeTensor, options: &PoolOptions) -> CubeTensor {
    let (x, gradient) = (side_by_side(x), side_by_side(gradient));
    let shape = x.meta.shape().clone();
    let units = shape.num_elements();
    let output = new_like(&x, shape);
    let client = output.client.clone();
    let (count, dim) = grid(&client, units);
    let [top, left] = options.padding.map(|edge| edge as u32);
    max_pool_gradient_shader::launch(
        &client,
        count,
        dim,
        x.into_tensor_arg(),
        gradient.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        top,
        left,
        PoolWindow::new(options),
    );
    output
}

/// Each unit finds the largest value of one window.
#[cube(launch)]
fn max_pool_shader(
    input: &Tensor<f32>,
    output: &mut Tensor<f32>,
    top: u32,
    left: u32,
    #[comptime] window: PoolWindow,
) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    let window_height = comptime!(window.size[0]);
    let window_width = comptime!(window.size[1]);
    let down = comptime!(window.stride[0]);
    let right = comptime!(window.stride[1]);
    let height = input.shape(2);
    let width = input.shape(3);
    let out_height = output.shape(2);
    let out_width = output.shape(3);
    let x = ABSOLUTE_POS % out_width;
    let line = ABSOLUTE_POS / out_width;
    let y = line % out_height;
    let map = line / out_height;

    let mut largest = f32::min_value();
    #[unroll]
    for ky in 0..window_height {
        let row = y * down + ky - top as usize;
        if row < height {
            #[unroll]
            for kx in 0..window_width {
                let column = x * right + kx - left as usize;
                if column < width {
                    let value = input[(map * height + row) * width + column];
                    largest = select(value > largest, value, largest);
                }
            }
        }
    }
    output[ABSOLUTE_POS] =
        if comptime!(window.relu) { select(largest < 0.0f32, 0.0f32, largest) } else { largest };
}

/// Each unit adds up, for one input value, the gradients of the windows whose largest value it is.
#[cube(launch)]
fn max_pool_gradient_shader(
    input: &Tensor<f32>,
    gradient: &Tensor<f32>,
    output: &mut Tensor<f32>,
    top: u32,
    left: u32,
    #[comptime] window: PoolWindow,
) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    let window_height = comptime!(window.size[0]);
    let window_width = comptime!(window.size[1]);
    let down = comptime!(window.stride[0]);
    let right = comptime!(window.stride[1]);
    // Windows, in each direction, that one value can be in.
    let lines = comptime!(window.size[0].div_ceil(window.stride[0]));
    let columns = comptime!(window.size[1].div_ceil(window.stride[1]));
    let height = input.shape(2);
    let width = input.shape(3);
    let out_height = gradient.shape(2);
    let out_width = gradient.shape(3);
    let column = ABSOLUTE_POS % width;
    let line = ABSOLUTE_POS / width;
    let row = line % height;
    let map = line / height;
    let own = input[ABSOLUTE_POS];

    let mut sum = 0.0f32;
    #[unroll]
    for line_back in 0..lines {
        // Windows before the first one wrap around to positions beyond the last.
        let y = (row + top as usize) / down - line_back;
        let ky = row + top as usize - y * down;
        #[unroll]
        for column_back in 0..columns {
            let x = (column + left as usize) / right - column_back;
            let kx = column + left as usize - x * right;
            if y < out_height && x < out_width && ky < window_height && kx < window_width {
                let mut largest = true;
                #[unroll]
                for other_y in 0..window_height {
                    let other_row = y * down + other_y - top as usize;
                    #[unroll]
                    for other_x in 0..window_width {
                        let other_column = x * right + other_x - left as usize;
                        if other_row < height && other_column < width {
                            let other = input[(map * height + other_row) * width + other_column];
                            let before = other_y < ky || (other_y == ky && other_x < kx);
                            let beaten = (before && other >= own) || other > own;
                            largest = largest && !beaten;
                        }
                    }
                }
                if largest {
                    sum += gradient[(map * out_height + y) * out_width + x];
                }
            }
        }
    }
    output[ABSOLUTE_POS] = if comptime!(window.relu) { select(own > 0.0f32, sum, 0.0f32) } else { sum };
}
