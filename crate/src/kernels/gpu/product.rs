//! Products of small matrices, as fully connected layers of small networks take them.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::{grid, new_like, side_by_side};
use super::parts::{UNITS, add_parts};
use super::product_shape;

/// Rows and columns of a block.
const ROWS: usize = 8;
const COLUMNS: usize = 4;

/// What the shader is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct BlockedProduct {
    /// Whether each factor is transposed.
    transposed: [bool; 2],
    /// Rows and columns whose sums a unit keeps.
    rows: usize,
    columns: usize,
}

/// See [`GpuGradients`](super::GpuGradients).
pub(super) fn multiply(a: CubeTensor, b: CubeTensor, transposed: [bool; 2]) -> CubeTensor {
    let shape = product_shape(a.meta.shape(), b.meta.shape(), &transposed);
    let inner = a.meta.shape()[usize::from(!transposed[0])];
    let (a, b) = (side_by_side(a), side_by_side(b));
    let [rows, columns] = shape.dims();
    let units = rows.div_ceil(ROWS) * columns.div_ceil(COLUMNS);
    let parts = UNITS.div_ceil(units.max(1)).clamp(1, inner.max(1));
    let output = new_like(&a, Shape::from([parts, rows, columns]));
    let client = output.client.clone();
    let (count, dim) = grid(&client, units * parts);
    let shader = BlockedProduct { transposed, rows: ROWS, columns: COLUMNS };
    let (a, b, sums) = (a.into_tensor_arg(), b.into_tensor_arg(), output.clone().into_tensor_arg());
    product_shader::launch(&client, count, dim, a, b, sums, shader);
    add_parts(output, shape)
}

/// Each unit sums up a block of the product, over every `parts`-th of the inner positions.
#[cube(launch)]
fn product_shader(
    a: &Tensor<f32>,
    b: &Tensor<f32>,
    parts: &mut Tensor<f32>,
    #[comptime] shader: BlockedProduct,
) {
    let block_rows = comptime!(shader.rows);
    let block_columns = comptime!(shader.columns);
    let stride = parts.shape(0);
    let rows = parts.shape(1);
    let columns = parts.shape(2);
    let across = columns.div_ceil(block_columns);
    let down = rows.div_ceil(block_rows);
    let first_column = (ABSOLUTE_POS % across) * block_columns;
    let block = ABSOLUTE_POS / across;
    let first_row = (block % down) * block_rows;
    let part = block / down;
    if part >= stride {
        terminate!();
    }
    let inner = if comptime!(shader.transposed[0]) { a.shape(0) } else { a.shape(1) };
    let a_by_row = if comptime!(shader.transposed[0]) { a.stride(1) } else { a.stride(0) };
    let a_by_inner = if comptime!(shader.transposed[0]) { a.stride(0) } else { a.stride(1) };
    let b_by_inner = if comptime!(shader.transposed[1]) { b.stride(1) } else { b.stride(0) };
    let b_by_column = if comptime!(shader.transposed[1]) { b.stride(0) } else { b.stride(1) };

    // Rows and columns beyond the last one sum up what the first does, and don't write it.
    let mut a_starts = Array::<usize>::new(block_rows);
    #[unroll]
    for r in 0..block_rows {
        a_starts[r] = select(first_row + r < rows, first_row + r, first_row) * a_by_row;
    }
    let mut b_starts = Array::<usize>::new(block_columns);
    #[unroll]
    for c in 0..block_columns {
        b_starts[c] = select(first_column + c < columns, first_column + c, first_column) * b_by_column;
    }
    let mut sums = Array::<f32>::new(comptime!(shader.rows * shader.columns));
    #[unroll]
    for at in 0..comptime!(shader.rows * shader.columns) {
        sums[at] = 0.0f32;
    }

    let mut k = part;
    while k < inner {
        let mut factors = Array::<f32>::new(block_columns);
        #[unroll]
        for c in 0..block_columns {
            factors[c] = b[b_starts[c] + k * b_by_inner];
        }
        #[unroll]
        for r in 0..block_rows {
            let value = a[a_starts[r] + k * a_by_inner];
            #[unroll]
            for c in 0..block_columns {
                sums[r * block_columns + c] += value * factors[c];
            }
        }
        k += stride;
    }

    #[unroll]
    for r in 0..block_rows {
        if first_row + r < rows {
            #[unroll]
            for c in 0..block_columns {
                if first_column + c < columns {
                    parts[(part * rows + first_row + r) * columns + first_column + c] =
                        sums[r * block_columns + c];
                }
            }
        }
    }
}
