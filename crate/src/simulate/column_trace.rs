//! One column worked through by hand: its cells, the input bits, the sums, the codes.

use serde::Serialize;

use super::simulator::{CrossbarLayer, Simulator};
use crate::config::Subtraction;
use crate::error::{Error, Result};

/// One conversion of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Conversion {
    /// Which rows of the tile were active, first and last but one.
    pub rows: (usize, usize),
    /// The weight slice, the lowest bits first.
    pub slice: usize,
    /// `positive`, `negative`, `difference` (a pair subtracted in analog) or `offset`.
    pub polarity: &'static str,
    /// The chunk of input bits, the lowest first.
    pub chunk: usize,
    /// What the column's current stands for.
    pub sum: i64,
    /// Bits of the conversion, its sign among them; none where nothing is converted.
    pub bits: Option<u8>,
    /// What the converter gives.
    pub code: i64,
    /// Whether the sum had no code of its own.
    pub saturated: bool,
    /// What the code counts in the output: a power of two, or its negative.
    pub weight: i64,
}

/// One column of one tile under one window of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ColumnTrace {
    /// The weight's name.
    pub layer: String,
    /// The tile, in tile order.
    pub tile: usize,
    /// The column within the tile.
    pub column: usize,
    /// The output channel it belongs to.
    pub output: usize,
    /// The layer's inputs on the tile's rows, first and last but one.
    pub inputs: (usize, usize),
    /// The quantized weights on the rows.
    pub weights: Vec<i16>,
    /// The integers applied to the rows.
    pub applied: Vec<u16>,
    /// What each chunk of input bits applies: a list over the rows for each chunk, the lowest first.
    pub chunks: Vec<Vec<u16>>,
    /// The levels of the cells: a list over the rows for each crossbar, by slice, the positive one first.
    pub cells: Vec<Vec<u32>>,
    /// Every conversion.
    pub conversions: Vec<Conversion>,
    /// What the codes add up to.
    pub result: i64,
    /// The digital product that they should add up to.
    pub expected: i64,
}

impl Simulator {
    /// Works through column `column` of tile `tile` of the `layer`th layer on crossbars, at window
    /// `position` of an image, given with its place in the data set, with ideal cells and granular
    /// converters.
    ///
    /// # Errors
    /// When one of these is beyond what there is; its name says which.
    pub fn trace_column(
        &self,
        (layer, tile, column): (usize, usize, usize),
        image: (&[f32], usize),
        position: usize,
    ) -> Result<ColumnTrace> {
        let layers = self.layers.iter().enumerate();
        let mut layers = layers.filter_map(|(at, p)| Some((at, &p.layer, p.mapped.as_ref()?)));
        let (at, own, mapped) = layers.nth(layer).ok_or_else(|| beyond("layer", layer))?;
        let tiling = mapped.crossbars.layout.tiling;
        if tile >= tiling.len() {
            return Err(beyond("tile", tile));
        }
        let place = tiling.tile(tile);
        let output = place.outputs.clone().nth(column).ok_or_else(|| beyond("column", column))?;
        let patches = self.patches(image, at)?;
        let windows = &mut patches.chunks_exact(own.matrix.cols);
        let window = windows.nth(position).ok_or_else(|| beyond("position", position))?;
        let applied = window[place.inputs.clone()].to_vec();
        Ok(work_through(mapped, own.matrix.name.clone(), tile, column, output, applied))
    }
}

pub(crate) fn beyond(field: &str, value: usize) -> Error {
    Error::field(field, value, "is beyond the last one")
}

fn work_through(
    mapped: &CrossbarLayer,
    layer: String,
    tile: usize,
    column: usize,
    output: usize,
    applied: Vec<u16>,
) -> ColumnTrace {
    let layout = &mapped.crossbars.layout;
    let place = layout.tiling.tile(tile);
    let weights = mapped.crossbars.weights.row(output)[place.inputs.clone()].to_vec();
    let mask = (1_u32 << layout.dac_bits) - 1;
    let chunk =
        |at: usize| applied.iter().map(move |&u| (u32::from(u) >> (at * layout.dac_bits) & mask) as u16);
    let cells = (0..layout.slicing.crossbars()).map(|crossbar| {
        weights.iter().map(|&weight| layout.slicing.cell(weight, crossbar)).collect::<Vec<_>>()
    });
    let mut example = ColumnTrace {
        layer,
        tile,
        column,
        output,
        inputs: (place.inputs.start, place.inputs.end),
        chunks: (0..layout.chunks()).map(|at| chunk(at).collect()).collect(),
        cells: cells.collect(),
        conversions: Vec::new(),
        result: 0,
        expected: weights.iter().zip(&applied).map(|(&w, &u)| i64::from(w) * i64::from(u)).sum(),
        weights,
        applied,
    };
    convert(mapped, &mut example);
    let applied: i64 = example.applied.iter().map(|&u| i64::from(u)).sum();
    let codes: i64 = example.conversions.iter().map(|c| c.code * c.weight).sum();
    example.result = codes - i64::from(layout.slicing.offset()) * applied;
    example
}

/// Every conversion of the column, in the order of rows, slices, polarities and chunks.
fn convert(mapped: &CrossbarLayer, example: &mut ColumnTrace) {
    let layout = &mapped.crossbars.layout;
    let polarities = layout.slicing.polarities();
    let start = example.inputs.0;
    for (group, active) in layout.groups.iter().enumerate() {
        if layout.tile(group, example.output) != example.tile {
            continue;
        }
        let rows = active.inputs.start - start..active.inputs.end - start;
        for (conversion, &bits) in mapped.crossbars.bits(group, example.output).iter().enumerate() {
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
                    let cells = &example.cells[crossbar][rows.clone()];
                    let inputs = &example.chunks[chunk][rows.clone()];
                    cells.iter().zip(inputs).map(|(&cell, &input)| i64::from(cell) * i64::from(input)).sum()
                };
                let sum = if paired { sum_of(2 * slice) - sum_of(2 * slice + 1) } else { sum_of(conversion) };
                let (least, most) = codes(bits.unwrap_or(0), paired);
                let code = sum.clamp(least, most);
                let weight = 1_i64 << (layout.slicing.shift(slice) as usize + chunk * layout.dac_bits);
                let weight = if polarity == "negative" { -weight } else { weight };
                let rows = (rows.start, rows.end);
                let saturated = code != sum;
                let one = Conversion { rows, slice, polarity, chunk, sum, bits, code, saturated, weight };
                example.conversions.push(one);
            }
        }
    }
}

/// The least and the largest code of a converter.
fn codes(bits: u8, signed: bool) -> (i64, i64) {
    let most = (1_i64 << if signed { bits.saturating_sub(1) } else { bits }) - 1;
    (if signed { -most } else { 0 }, most)
}
