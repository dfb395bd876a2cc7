//! The mapping: which weights lie in which tile.

use std::ops::Range;

use crate::config::HardwareConfig;
use crate::matrix::Matrix;

/// The shape of a full tile, counted in weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileShape {
    /// Rows (word lines): inputs.
    pub rows: usize,
    /// Columns of weights: outputs, `columns / weight_bits`.
    pub columns: usize,
}

impl From<&HardwareConfig> for TileShape {
    fn from(hardware: &HardwareConfig) -> Self {
        Self { rows: hardware.tile, columns: hardware.weight_columns() }
    }
}

/// A matrix cut into tiles; tiles at the right and bottom edge are narrower. A grouped layer is cut
/// group by group: outputs of different groups have different inputs and can't share word lines.
///
/// Order of tiles: output block, then input block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    shape: TileShape,
    /// Outputs of one group.
    outputs: usize,
    inputs: usize,
    groups: usize,
}

/// The part of a matrix that one tile holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Output channels: the crossbar's columns.
    pub outputs: Range<usize>,
    /// Inputs: the crossbar's rows.
    pub inputs: Range<usize>,
}

impl Tile {
    /// Rows the tile really uses.
    pub fn rows(&self) -> usize {
        self.inputs.len()
    }

    /// Columns the tile really uses.
    pub fn columns(&self) -> usize {
        self.outputs.len()
    }

    /// The tile's columns, each a slice over its rows.
    pub fn columns_of<'a>(&self, matrix: &'a Matrix) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let inputs = self.inputs.clone();
        self.outputs.clone().map(move |output| &matrix.row(output)[inputs.clone()])
    }
}

impl Tiling {
    /// Cuts a matrix of `outputs` x `inputs`.
    pub fn with_size(shape: TileShape, outputs: usize, inputs: usize) -> Self {
        Self { shape, outputs, inputs, groups: 1 }
    }

    /// Cuts a matrix, group by group.
    pub fn new(matrix: &Matrix, shape: TileShape) -> Self {
        let groups = matrix.groups;
        Self { shape, outputs: matrix.rows / groups, inputs: matrix.cols, groups }
    }

    /// Tiles side by side along the inputs.
    pub fn input_blocks(&self) -> usize {
        self.inputs.div_ceil(self.shape.rows)
    }

    /// Tiles below one another along the outputs.
    pub fn output_blocks(&self) -> usize {
        self.groups * self.output_blocks_of_group()
    }

    fn output_blocks_of_group(&self) -> usize {
        self.outputs.div_ceil(self.shape.columns)
    }

    /// Number of tiles.
    pub fn len(&self) -> usize {
        self.input_blocks() * self.output_blocks()
    }

    /// Whether there is no tile.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tile `index`, below [`Tiling::len`].
    pub fn tile(&self, index: usize) -> Tile {
        let (down, across) = (index / self.input_blocks(), index % self.input_blocks());
        let block = |at: usize, size: usize, end: usize| at * size..((at + 1) * size).min(end);
        let (group, down) = (down / self.output_blocks_of_group(), down % self.output_blocks_of_group());
        let outputs = block(down, self.shape.columns, self.outputs);
        let first = group * self.outputs;
        Tile {
            outputs: first + outputs.start..first + outputs.end,
            inputs: block(across, self.shape.rows, self.inputs),
        }
    }

    /// All tiles, in order.
    pub fn tiles(self) -> impl Iterator<Item = Tile> {
        (0..self.len()).map(move |index| self.tile(index))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_weight_lies_in_exactly_one_tile(
            in_group in 1_usize..70, groups in 1_usize..5, inputs in 1_usize..90,
            rows in 2_usize..40, columns in 2_usize..40,
        ) {
            let outputs = in_group * groups;
            let mut seen = vec![0_u8; outputs * inputs];
            let matrix = Matrix::new("w", outputs, inputs, vec![0.0; outputs * inputs])
                .and_then(|matrix| matrix.grouped(groups))
                .expect("fits");
            for tile in Tiling::new(&matrix, TileShape { rows, columns }).tiles() {
                prop_assert!(tile.rows() <= rows && tile.columns() <= columns);
                let last = tile.outputs.end - 1;
                prop_assert_eq!(tile.outputs.start / in_group, last / in_group, "one group a tile");
                for output in tile.outputs.clone() {
                    for input in tile.inputs.clone() {
                        seen[output * inputs + input] += 1;
                    }
                }
            }
            prop_assert!(seen.iter().all(|&count| count == 1));
        }
    }

    /// VGG11's convolutions at four tile sizes.
    #[test]
    fn vgg11_has_the_published_number_of_tiles() {
        let widths =
            [(64, 3), (128, 64), (256, 128), (256, 256), (512, 256), (512, 512), (512, 512), (512, 512)];
        for (tile, expected) in [(32, 9002), (64, 2251), (128, 564), (256, 144)] {
            let shape = TileShape { rows: tile, columns: tile };
            let total: usize =
                widths.iter().map(|&(out, inp)| Tiling::with_size(shape, out, inp * 9).len()).sum();
            assert_eq!(total, expected, "tile {tile}");
        }
    }
}
