//! A weight laid out as its tiles, zero-padded at the edges, and gradients laid back.

use burn::tensor::Tensor;

use crate::crossbar::tiling::TileShape;

/// A convolution's weight as `[output blocks, columns, input blocks, rows]`.
pub struct Blocks {
    /// The weight, zero where a tile ends beyond the matrix.
    pub weight: Tensor<4>,
    /// Columns of a full tile.
    pub columns: usize,
    original: [usize; 4],
}

impl Blocks {
    /// Lays out `[out, in, kh, kw]`.
    pub fn of(weight: Tensor<4>, shape: TileShape) -> Self {
        let original = weight.dims();
        let (outputs, inputs) = (original[0], original[1] * original[2] * original[3]);
        let (down, across) = (outputs.div_ceil(shape.columns), inputs.div_ceil(shape.rows));
        let (padded_outputs, padded_inputs) = (down * shape.columns, across * shape.rows);
        let mut matrix: Tensor<2> = weight.reshape([outputs, inputs]);
        if (padded_outputs, padded_inputs) != (outputs, inputs) {
            let padding = (0, padded_inputs - inputs, 0, padded_outputs - outputs);
            matrix = matrix.pad(padding, 0.0);
        }
        let weight = matrix.reshape([down, shape.columns, across, shape.rows]);
        Self { weight, columns: shape.columns, original }
    }

    /// A gradient of the blocks as one of the weight.
    pub fn restore(&self, gradient: Tensor<4>) -> Tensor<4> {
        let [down, columns, across, rows] = gradient.dims();
        let (outputs, inputs) = (self.original[0], self.original[1] * self.original[2] * self.original[3]);
        let matrix: Tensor<2> = gradient.reshape([down * columns, across * rows]);
        let matrix = if (down * columns, across * rows) == (outputs, inputs) {
            matrix
        } else {
            matrix.slice([0..outputs, 0..inputs])
        };
        matrix.reshape(self.original)
    }
}
