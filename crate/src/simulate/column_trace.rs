//! [`ColumnTrace`]: one column step by step, with its cells, input bits, sums and codes.

use serde::Serialize;

use super::simulator::{CrossbarLayer, Simulator};
use crate::config::Subtraction;
use crate::crossbar::tiling::Tile;
use crate::error::{Error, Result};

/// One conversion of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Conversion {
    /// The active rows of the tile, as start and end (exclusive).
    pub rows: (usize, usize),
    /// The weight slice, the lowest bits first.
    pub slice: usize,
    /// `positive`, `negative`, `difference` (a pair subtracted in analog) or `offset`.
    pub polarity: &'static str,
    /// The chunk of input bits, the lowest first.
    pub chunk: usize,
    /// The sum that the column's current represents.
    pub sum: i64,
    /// Bits of the conversion, including its sign; `None` if nothing is converted.
    pub bits: Option<u8>,
    /// The converter's code.
    pub code: i64,
    /// Whether the sum was beyond the largest code.
    pub saturated: bool,
    /// The code's factor in the output: a power of two, or its negative.
    pub weight: i64,
}

/// One column of one tile, for one window of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ColumnTrace {
    /// The weight's name.
    pub layer: String,
    /// The tile's index in the layer.
    pub tile: usize,
    /// The column's index in the tile.
    pub column: usize,
    /// The output channel it belongs to.
    pub output: usize,
    /// The layer's inputs on the tile's rows, as start and end (exclusive).
    pub inputs: (usize, usize),
    /// The quantized weights on the rows.
    pub weights: Vec<i16>,
    /// The integers applied to the rows.
    pub applied: Vec<u16>,
    /// The values of each chunk of input bits: a list over the rows for each chunk, the lowest first.
    pub chunks: Vec<Vec<u16>>,
    /// The levels of the cells: a list over the rows for each crossbar, by slice, the positive one first.
    pub cells: Vec<Vec<u32>>,
    /// Every conversion.
    pub conversions: Vec<Conversion>,
    /// The sum of the codes times their factors.
    pub result: i64,
    /// The digital product, which an exact result equals.
    pub expected: i64,
}

/// The indices of one column, and of the window that it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnIndex {
    /// The layer, among those on crossbars.
    pub layer: usize,
    /// The tile of the layer, in tile order.
    pub tile: usize,
    /// The column of the tile.
    pub column: usize,
    /// The output position of the window.
    pub position: usize,
}

impl Simulator {
    /// Traces all conversions of one column for one image, with ideal cells and converters of unit steps.
    /// `image_index` is the image's index in the data set.
    ///
    /// # Shapes
    /// - `image`: `[channels, side, side]`
    ///
    /// # Errors
    /// If an index is out of range, naming it, or the image is not of the network's size.
    pub fn trace_column(&self, index: ColumnIndex, image: &[f32], image_index: usize) -> Result<ColumnTrace> {
        let ColumnIndex { layer, tile, column, position } = index;
        let layers = self.layers.iter().enumerate();
        let mut layers = layers.filter_map(|(at, state)| Some((at, &state.layer, state.mapped.as_ref()?)));
        let (at, own, mapped) = layers.nth(layer).ok_or_else(|| out_of_range("layer", layer))?;
        let tiling = mapped.crossbars.layout.tiling;
        if tile >= tiling.len() {
            return Err(out_of_range("tile", tile));
        }
        let Tile { mut outputs, inputs } = tiling.tile(tile);
        let output = outputs.nth(column).ok_or_else(|| out_of_range("column", column))?;
        let patches = self.patches(image, image_index, at)?;
        let windows = &mut patches.chunks_exact(own.matrix.cols);
        let window = windows.nth(position).ok_or_else(|| out_of_range("position", position))?;
        Ok(trace(mapped, own.matrix.name.clone(), index, output, window[inputs].to_vec()))
    }
}

/// The error for an index beyond the last one.
pub(crate) fn out_of_range(field: &str, value: usize) -> Error {
    Error::field(field, value, "is beyond the last one")
}

fn trace(
    mapped: &CrossbarLayer,
    layer: String,
    ColumnIndex { tile, column, .. }: ColumnIndex,
    output: usize,
    applied: Vec<u16>,
) -> ColumnTrace {
    let layout = &mapped.crossbars.layout;
    let Tile { inputs, .. } = layout.tiling.tile(tile);
    let weights = mapped.crossbars.weights.row(output)[inputs.clone()].to_vec();
    let mask = (1_u32 << layout.dac_bits) - 1;
    let chunk =
        |at: usize| applied.iter().map(move |&u| (u32::from(u) >> (at * layout.dac_bits) & mask) as u16);
    let cells = (0..layout.slicing.crossbars()).map(|crossbar| {
        weights.iter().map(|&weight| layout.slicing.cell(weight, crossbar)).collect::<Vec<_>>()
    });
    let mut trace = ColumnTrace {
        layer,
        tile,
        column,
        output,
        inputs: (inputs.start, inputs.end),
        chunks: (0..layout.chunks()).map(|at| chunk(at).collect()).collect(),
        cells: cells.collect(),
        conversions: Vec::new(),
        result: 0,
        expected: weights.iter().zip(&applied).map(|(&w, &u)| i64::from(w) * i64::from(u)).sum(),
        weights,
        applied,
    };
    convert(mapped, &mut trace);
    let applied: i64 = trace.applied.iter().map(|&u| i64::from(u)).sum();
    let codes: i64 = trace.conversions.iter().map(|c| c.code * c.weight).sum();
    trace.result = codes - i64::from(layout.slicing.offset()) * applied;
    trace
}

/// Adds every conversion of the column, in the order of rows, slices, polarities and chunks.
fn convert(mapped: &CrossbarLayer, trace: &mut ColumnTrace) {
    let layout = &mapped.crossbars.layout;
    let polarities = layout.slicing.polarities();
    let start = trace.inputs.0;
    for (group, active) in layout.groups.iter().enumerate() {
        if layout.tile(group, trace.output) != trace.tile {
            continue;
        }
        let rows = active.inputs.start - start..active.inputs.end - start;
        for (conversion, &bits) in mapped.crossbars.bits(group, trace.output).iter().enumerate() {
            let paired = layout.subtraction == Subtraction::Analog;
            let slice = if paired { conversion } else { conversion / polarities };
            let polarity = match layout.subtraction {
                Subtraction::Analog => "difference",
                Subtraction::Offset => "offset",
                Subtraction::Digital if conversion % 2 == 0 => "positive",
                Subtraction::Digital => "negative",
            };
            for chunk in 0..layout.chunks() {
                let sum_of = |crossbar: usize| -> i64 {
                    let cells = &trace.cells[crossbar][rows.clone()];
                    let inputs = &trace.chunks[chunk][rows.clone()];
                    cells.iter().zip(inputs).map(|(&cell, &input)| i64::from(cell) * i64::from(input)).sum()
                };
                let sum = if paired { sum_of(2 * slice) - sum_of(2 * slice + 1) } else { sum_of(conversion) };
                let (least, most) = code_range(bits.unwrap_or(0), paired);
                let code = sum.clamp(least, most);
                let weight = 1_i64 << (layout.slicing.shift(slice) as usize + chunk * layout.dac_bits);
                let weight = if polarity == "negative" { -weight } else { weight };
                let rows = (rows.start, rows.end);
                let saturated = code != sum;
                let conversion =
                    Conversion { rows, slice, polarity, chunk, sum, bits, code, saturated, weight };
                trace.conversions.push(conversion);
            }
        }
    }
}

/// The smallest and the largest code of a converter.
fn code_range(bits: u8, signed: bool) -> (i64, i64) {
    let most = (1_i64 << if signed { bits.saturating_sub(1) } else { bits }) - 1;
    (if signed { -most } else { 0 }, most)
}
