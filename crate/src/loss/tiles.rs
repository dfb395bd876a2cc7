//! A weight laid out as its crossbar tiles, zero-padded at the edges, and gradients laid back.

use burn::tensor::Tensor;

use crate::crossbar::tiling::TileShape;

/// A convolution's weight as `[output blocks, columns, input blocks, rows]`.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use burn::tensor::{Device, Tensor};
/// use crossdub::crossbar::tiling::TileShape;
/// use crossdub::loss::tiles::TiledWeight;
///
/// let weight = Tensor::<4>::ones([6, 3, 3, 3], &Device::flex());
/// let tiled = TiledWeight::new(weight, TileShape { rows: 8, columns: 4 });
/// // 6 outputs take two blocks of 4 columns, 27 inputs four blocks of 8 rows.
/// assert_eq!(tiled.weight.dims(), [2, 4, 4, 8]);
/// assert_eq!(tiled.untile(tiled.weight.clone()).dims(), [6, 3, 3, 3]);
/// # }
/// ```
pub struct TiledWeight {
    /// The weight; zero where a tile extends beyond the matrix.
    pub weight: Tensor<4>,
    /// Columns of a full tile.
    pub columns: usize,
    original: [usize; 4],
}

impl TiledWeight {
    /// Lays out a weight.
    ///
    /// # Shapes
    /// - `weight`: `[out, in, kh, kw]`
    pub fn new(weight: Tensor<4>, tile: TileShape) -> Self {
        let original = weight.dims();
        let (outputs, inputs) = (original[0], original[1] * original[2] * original[3]);
        let (output_blocks, input_blocks) = (outputs.div_ceil(tile.columns), inputs.div_ceil(tile.rows));
        let (padded_outputs, padded_inputs) = (output_blocks * tile.columns, input_blocks * tile.rows);
        let mut matrix: Tensor<2> = weight.reshape([outputs, inputs]);
        if (padded_outputs, padded_inputs) != (outputs, inputs) {
            let padding = (0, padded_inputs - inputs, 0, padded_outputs - outputs);
            matrix = matrix.pad(padding, 0.0);
        }
        let weight = matrix.reshape([output_blocks, tile.columns, input_blocks, tile.rows]);
        Self { weight, columns: tile.columns, original }
    }

    /// A tensor in the tiled layout, such as the gradient, in the weight's own layout.
    ///
    /// # Shapes
    /// - `tiled`: `[output blocks, columns, input blocks, rows]`
    /// - output: `[out, in, kh, kw]`
    pub fn untile(&self, tiled: Tensor<4>) -> Tensor<4> {
        let [output_blocks, columns, input_blocks, rows] = tiled.dims();
        let (outputs, inputs) = (self.original[0], self.original[1] * self.original[2] * self.original[3]);
        let padded = (output_blocks * columns, input_blocks * rows);
        let matrix: Tensor<2> = tiled.reshape([padded.0, padded.1]);
        let matrix = if padded == (outputs, inputs) { matrix } else { matrix.slice([0..outputs, 0..inputs]) };
        matrix.reshape(self.original)
    }
}
