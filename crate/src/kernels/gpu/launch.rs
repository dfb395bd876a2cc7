//! What starting any shader needs: inputs side by side, an output, and how many units of work there are.

use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::prelude::{CubeCount, CubeDim};
use burn_cubecl::cubecl::{calculate_cube_count_elemwise, client::Client};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

/// A tensor whose values lie side by side in the order of its dimensions, as all shaders here expect them.
pub(crate) fn side_by_side(tensor: CubeTensor) -> CubeTensor {
    debug_assert_eq!(tensor.dtype, DType::F32, "the shaders compute in float32");
    into_contiguous(tensor)
}

/// A tensor on the same device, whose values a shader is about to write.
pub(crate) fn new_like(tensor: &CubeTensor, shape: Shape) -> CubeTensor {
    let (client, device) = (tensor.client.clone(), tensor.device.clone());
    empty_device_contiguous_dtype(client, device, shape, tensor.dtype)
}

/// How `units` of work are handed out.
pub(crate) fn grid(client: &Client, units: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(client, units);
    (calculate_cube_count_elemwise(client, units, dim), dim)
}

/// The columns of a block, so that the blocks of a line of `width` are as even as can be.
pub(crate) fn block_columns(width: usize, most: usize) -> usize {
    width.div_ceil(width.div_ceil(most).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::block_columns;

    #[test]
    fn blocks_cover_a_line_evenly() {
        let columns = [1, 2, 7, 8, 9, 14, 28, 32].map(|width| block_columns(width, 8));
        assert_eq!(columns, [1, 2, 7, 8, 5, 7, 7, 8]);
    }
}
