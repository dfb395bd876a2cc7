//! Sums in parts, which units of work compute side by side; then they are added up, always in the same order.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::{grid, new_like};

/// Units of work that a graphics processor should have at least.
pub(super) const UNITS: usize = 8192;

/// The sums over the first dimension.
pub(crate) fn add_parts(parts: CubeTensor, shape: Shape) -> CubeTensor {
    if parts.meta.shape()[0] == 1 {
        return CubeTensor::new_contiguous(parts.client, parts.device, shape, parts.handle, parts.dtype);
    }
    let units = shape.num_elements();
    let output = new_like(&parts, shape);
    let client = output.client.clone();
    let (count, dim) = grid(&client, units);
    add_parts_shader::launch(&client, count, dim, parts.into_tensor_arg(), output.clone().into_tensor_arg());
    output
}

#[cube(launch)]
fn add_parts_shader(parts: &Tensor<f32>, total: &mut Tensor<f32>) {
    let count = total.len();
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let mut sum = 0.0f32;
    for part in 0..parts.shape(0) {
        sum += parts[part * count + ABSOLUTE_POS];
    }
    total[ABSOLUTE_POS] = sum;
}
