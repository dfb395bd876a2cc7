//! Tiling: which weights lie in which tile.

use std::ops::Range;

use crate::config::HardwareConfig;
use crate::matrix::Matrix;

/// The shape of a full tile, in weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileShape {
    /// Rows (word lines): inputs.
    pub rows: usize,
    /// Columns (bit lines) of weights: outputs; the crossbar's columns over `weight_bits`.
    pub columns: usize,
}

impl From<&HardwareConfig> for TileShape {
    fn from(hardware: &HardwareConfig) -> Self {
        Self { rows: hardware.tile, columns: hardware.weight_columns() }
    }
}

/// A matrix cut into tiles; the tiles of the last output and input blocks can be smaller. A grouped
/// layer is cut group by group: outputs of different groups have different inputs and can't share
/// word lines.
///
/// Tiles are in order of output blocks, within these of input blocks.
///
/// ```
/// use crossdub::crossbar::tiling::{TileShape, Tiling};
/// use crossdub::matrix::Matrix;
///
/// // 6 outputs of 10 inputs on crossbars with 4 rows (inputs) and 4 columns (outputs).
/// let layer = Matrix::new("w", 6, 10, vec![0.5; 60])?;
/// let tiling = Tiling::new(&layer, TileShape { rows: 4, columns: 4 });
/// assert_eq!((tiling.output_blocks(), tiling.input_blocks(), tiling.len()), (2, 3, 6));
/// let last = tiling.tile(5);
/// assert_eq!((last.outputs.clone(), last.inputs.clone()), (4..6, 8..10));
/// # Ok::<(), crossdub::error::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    shape: TileShape,
    /// Outputs of each group.
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
    /// Crossbar rows that the tile uses.
    pub fn rows(&self) -> usize {
        self.inputs.len()
    }

    /// Crossbar columns that the tile uses.
    pub fn columns(&self) -> usize {
        self.outputs.len()
    }

    /// The tile's crossbar columns, each the weights of one output over the tile's inputs.
    pub fn columns_of<'a>(&self, matrix: &'a Matrix) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let inputs = self.inputs.clone();
        self.outputs.clone().map(move |output| &matrix.row(output)[inputs.clone()])
    }
}

impl Tiling {
    /// Cuts an ungrouped matrix of `outputs` x `inputs`.
    pub fn with_size(shape: TileShape, outputs: usize, inputs: usize) -> Self {
        Self { shape, outputs, inputs, groups: 1 }
    }

    /// Cuts a matrix, group by group.
    pub fn new(matrix: &Matrix, shape: TileShape) -> Self {
        let groups = matrix.groups;
        Self { shape, outputs: matrix.rows / groups, inputs: matrix.cols, groups }
    }

    /// Blocks along the inputs.
    pub fn input_blocks(&self) -> usize {
        self.inputs.div_ceil(self.shape.rows)
    }

    /// Blocks along the outputs, of all groups.
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

    /// The tile of this index, which is less than [`len`](Self::len).
    pub fn tile(&self, index: usize) -> Tile {
        let (output_block, input_block) = (index / self.input_blocks(), index % self.input_blocks());
        let block = |at: usize, size: usize, end: usize| at * size..((at + 1) * size).min(end);
        let in_group = self.output_blocks_of_group();
        let (group, output_block) = (output_block / in_group, output_block % in_group);
        let outputs = block(output_block, self.shape.columns, self.outputs);
        let first = group * self.outputs;
        Tile {
            outputs: first + outputs.start..first + outputs.end,
            inputs: block(input_block, self.shape.rows, self.inputs),
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
        fn every_weight_is_in_exactly_one_tile(
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
