//! A layer mapped to crossbars: its cells as bit planes in 64-bit words, and the bits of each conversion.
//!
//! A tile's rows are divided into **groups** that are active at once (one group of all rows, unless
//! `active_rows` is smaller), and each column of a group has its own conversion. A cell of `c` bits is `c`
//! planes of one bit, so the sum of a group's column under `d` input bits is
//! `sum_{i<c, j<d} 2^(i+j) * popcount(cells_i AND inputs_j)` for any widths.

use std::ops::Range;

use crate::adc::conversions::TileCells;
use crate::adc::resolution::row_groups;
use crate::config::{HardwareConfig, Subtraction};
use crate::crossbar::bit_slicing::BitSlicing;
use crate::crossbar::quantize::QuantizedMatrix;
use crate::crossbar::tiling::{TileShape, Tiling};
use crate::matrix::Matrix;
use crate::parallel;

/// Bits in a word.
pub const WORD: usize = u64::BITS as usize;

/// Rows that are active at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowGroup {
    /// The layer's inputs on these rows.
    pub inputs: Range<usize>,
    /// The tile's index along the inputs.
    pub input_block: usize,
}

/// How a layer is mapped to crossbars; the same for all layers of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrossbarLayout {
    /// How the matrix is divided into tiles.
    pub tiling: Tiling,
    /// Outputs of a full tile.
    pub columns: usize,
    /// How a weight is divided into slices.
    pub slicing: BitSlicing,
    /// The groups of rows, in the order of the inputs.
    pub groups: Vec<RowGroup>,
    /// Words that the rows of one group take.
    pub words: usize,
    /// Bits in a cell.
    pub cell_bits: usize,
    /// Bits of an input.
    pub input_bits: usize,
    /// Input bits applied at a time.
    pub dac_bits: usize,
    /// How negative weights are mapped.
    pub subtraction: Subtraction,
}

impl CrossbarLayout {
    /// The layout of a matrix of `outputs` x `inputs`.
    pub fn new(outputs: usize, inputs: usize, hardware: &HardwareConfig) -> Self {
        let shape = TileShape::from(hardware);
        let tiling = Tiling::with_size(shape, outputs, inputs);
        let mut groups = Vec::new();
        for (input_block, start) in (0..inputs).step_by(shape.rows).enumerate() {
            let rows = shape.rows.min(inputs - start);
            groups.extend(row_groups(hardware, rows).map(|group| {
                let inputs = start + group.start..start + group.end;
                RowGroup { inputs, input_block }
            }));
        }
        let largest = groups.iter().map(|group| group.inputs.len()).max().unwrap_or(0);
        Self {
            tiling,
            columns: shape.columns,
            slicing: BitSlicing::from(hardware),
            groups,
            words: largest.div_ceil(WORD),
            cell_bits: hardware.cell_bits as usize,
            input_bits: hardware.input_bits as usize,
            dac_bits: hardware.dac_bits as usize,
            subtraction: hardware.subtraction,
        }
    }

    /// Chunks of `dac_bits` in which one input is applied.
    pub fn chunks(&self) -> usize {
        self.input_bits.div_ceil(self.dac_bits)
    }

    /// The highest level of a cell.
    pub fn max_level(&self) -> u32 {
        (1 << self.cell_bits) - 1
    }

    /// The tile that holds an output's column in a group.
    pub fn tile(&self, group: usize, output: usize) -> usize {
        output / self.columns * self.tiling.input_blocks() + self.groups[group].input_block
    }

    /// Conversions of one column, over all slices and polarities; a pair subtracted in analog shares one.
    pub fn converted_crossbars(&self) -> usize {
        if self.subtraction == Subtraction::Analog { self.slicing.slices() } else { self.slicing.crossbars() }
    }
}

/// A layer on its crossbars.
#[derive(Debug, Clone)]
pub struct Crossbars {
    /// The mapping.
    pub layout: CrossbarLayout,
    /// The weights that the cells hold.
    pub weights: QuantizedMatrix,
    /// `[group][output][crossbar][plane][word]`: the cells.
    words: Vec<u64>,
    /// `[group][output][converted crossbar]`: bits of a conversion, including its sign; `None` if
    /// nothing is converted.
    bits: Vec<Option<u8>>,
}

impl Crossbars {
    /// Maps a layer and chooses the resolution of each conversion.
    ///
    /// ```
    /// use crossdub::config::{HardwareConfig, Resolution};
    /// use crossdub::matrix::Matrix;
    /// use crossdub::simulate::crossbars::Crossbars;
    ///
    /// // 2-bit weights have one slice of 1-bit cells, for positive and for negative weights.
    /// let layer = Matrix::new("w", 1, 4, vec![1.0, 1.0, -1.0, 0.0])?;
    /// let (tile, weight_precision, resolution) = (4, 2, Resolution::LosslessSliced);
    /// let hardware = HardwareConfig { tile, weight_precision, resolution, ..HardwareConfig::default() };
    /// let crossbars = Crossbars::new(&layer, &hardware);
    /// // Two positive cells need 2 bits (sums of 0 to 2), one negative cell needs 1.
    /// assert_eq!(crossbars.bits(0, 0), [Some(2), Some(1)]);
    /// // Two columns, each converted once for each of 8 input bits.
    /// assert_eq!(crossbars.conversions(), 16);
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    pub fn new(matrix: &Matrix, hardware: &HardwareConfig) -> Self {
        Self::with_weights(matrix, QuantizedMatrix::new(matrix, hardware), hardware)
    }

    /// Maps a layer whose weights are integers already. `matrix` are the weights before quantization, of the
    /// same size, by which [`crate::config::Resolution::Paper`] counts zeros.
    pub fn with_weights(matrix: &Matrix, weights: QuantizedMatrix, hardware: &HardwareConfig) -> Self {
        let layout = CrossbarLayout::new(matrix.rows, matrix.cols, hardware);
        let words = parallel::map(layout.groups.len(), |group| pack(&weights, &layout, group)).concat();
        let bits = vec![None; layout.groups.len() * matrix.rows * layout.converted_crossbars()];
        let mut crossbars = Self { layout, weights, words, bits };
        crossbars.set_resolutions(matrix, hardware);
        crossbars
    }

    /// Sets the bits of every conversion, tile by tile.
    fn set_resolutions(&mut self, matrix: &Matrix, hardware: &HardwareConfig) {
        let rule = (hardware.resolution, hardware.per);
        let (tiling, converted) = (self.layout.tiling, self.layout.converted_crossbars());
        let tiles = parallel::map(tiling.len(), |index| {
            let cells = TileCells::count(matrix, &self.weights, &tiling.tile(index), hardware);
            (0..converted).map(|conversion| cells.bits(rule, conversion, false)).collect::<Vec<_>>()
        });
        for (index, conversions) in tiles.into_iter().enumerate() {
            let block = index % tiling.input_blocks();
            let groups =
                self.layout.groups.iter().enumerate().filter(|(_, group)| group.input_block == block);
            let groups: Vec<usize> = groups.map(|(group, _)| group).collect();
            for (conversion, bits) in conversions.into_iter().enumerate() {
                for (&group, bits) in groups.iter().zip(bits) {
                    for (output, bits) in tiling.tile(index).outputs.zip(bits) {
                        // At 0 bits an empty column needs no conversion; a set one loses its sum.
                        let converts = bits > 0 || self.is_set(group, output, conversion);
                        let index = (group * self.weights.rows + output) * converted + conversion;
                        self.bits[index] = converts.then_some(bits as u8);
                    }
                }
            }
        }
    }

    /// Whether a conversion's column, or either column of its pair, has a cell above level 0.
    fn is_set(&self, group: usize, output: usize, conversion: usize) -> bool {
        let cells = self.cells(group, output);
        let size = cells.len() / self.layout.converted_crossbars();
        cells[conversion * size..][..size].iter().any(|&word| word != 0)
    }

    /// The cells of one output's column in a group: `[crossbar][plane][word]`.
    pub fn cells(&self, group: usize, output: usize) -> &[u64] {
        let size = self.layout.slicing.crossbars() * self.layout.cell_bits * self.layout.words;
        &self.words[(group * self.weights.rows + output) * size..][..size]
    }

    /// The bits of that column's conversions: `[converted crossbar]`.
    pub fn bits(&self, group: usize, output: usize) -> &[Option<u8>] {
        let size = self.layout.converted_crossbars();
        &self.bits[(group * self.weights.rows + output) * size..][..size]
    }

    /// Number of conversions for one window of the layer's input.
    pub fn conversions(&self) -> u64 {
        let columns = self.bits.iter().filter(|bits| bits.is_some()).count();
        (columns * self.layout.chunks()) as u64
    }

    /// Columns by the bits of their conversions, from 0 bits on.
    pub fn histogram(&self) -> Vec<u64> {
        let most = self.bits.iter().flatten().max().map_or(0, |&bits| usize::from(bits));
        let mut histogram = vec![0; most + 1];
        for &bits in self.bits.iter().flatten() {
            histogram[usize::from(bits)] += 1;
        }
        histogram
    }
}

/// Packs the cells of a group into words.
fn pack(weights: &QuantizedMatrix, layout: &CrossbarLayout, group: usize) -> Vec<u64> {
    let (crossbars, planes, words) = (layout.slicing.crossbars(), layout.cell_bits, layout.words);
    let size = crossbars * planes * words;
    let mut packed = vec![0; weights.rows * size];
    for (output, column) in packed.chunks_exact_mut(size).enumerate() {
        let cells = &weights.row(output)[layout.groups[group].inputs.clone()];
        for (at, &weight) in cells.iter().enumerate() {
            if weight == 0 && layout.slicing.offset() == 0 {
                continue;
            }
            for crossbar in 0..crossbars {
                let level = u64::from(layout.slicing.cell(weight, crossbar));
                for plane in 0..planes {
                    column[(crossbar * planes + plane) * words + at / WORD] |=
                        ((level >> plane) & 1) << (at % WORD);
                }
            }
        }
    }
    packed
}
