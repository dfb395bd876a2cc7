//! The quantizers of a network that was trained with quantized weights, as small tensors beside each weight.
//!
//! | tensor | what it holds |
//! | --- | --- |
//! | `weight_step` | the value of one unit of the weight's integers: one number, or one for each output |
//! | `weight_bits` | bits of a weight, its sign among them |
//! | `tile_cap` | the most set cells of a column in each slice and polarity: one number, or one a tile, slice and polarity; absent without a limit |
//! | `cap_cells` | with caps by tile, the cells that they are for: rows and columns of a tile, bits of a cell, rows that are active at once |
//! | `input_step`, `input_zero`, `input_bits` | an input `x` becomes the integer `round(x / step) + zero` of so many bits; absent where inputs are not quantized yet |

use super::names::{sibling, split_leaf};
use super::roles::outputs_of;
use super::{Checkpoint, NamedTensor};
use crate::crossbar::bit_planes::{CellShape, LayerQuantization};
use crate::crossbar::tiling::TileShape;
use crate::error::{Error, Result};

/// The names of the tensors.
const LEAVES: [&str; 7] =
    ["weight_step", "weight_bits", "tile_cap", "cap_cells", "input_step", "input_zero", "input_bits"];

/// The quantizer of a layer's inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputQuantizer {
    /// The value of one unit.
    pub step: f32,
    /// The integer of 0.
    pub zero: u16,
    /// Bits of an input.
    pub bits: u32,
}

impl InputQuantizer {
    /// The largest integer.
    pub fn top(&self) -> u16 {
        ((1_u32 << self.bits) - 1) as u16
    }

    /// The value of the integer that an input becomes.
    pub(crate) fn round(&self, input: f32) -> f32 {
        let zero = f32::from(self.zero);
        let integer = (input / self.step + 0.5).floor().clamp(-zero, f32::from(self.top()) - zero);
        integer * self.step
    }
}

/// The quantizers of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerQuantizers {
    /// Of its weights.
    pub weights: LayerQuantization,
    /// Of its inputs, once they are calibrated or trained.
    pub inputs: Option<InputQuantizer>,
}

/// Whether a tensor of this name belongs to a quantizer, which always has steps and bits: alone, such a name is another
/// tool's for something else.
pub(super) fn is_quantizer(name: &str, has: impl Fn(&str) -> bool) -> bool {
    LEAVES.contains(&split_leaf(name).1)
        && ["weight_step", "weight_bits"].iter().all(|leaf| has(&sibling(name, leaf)))
}

/// The numbers of `cap_cells`.
fn cells_to(cells: CellShape) -> [f32; 4] {
    let CellShape { tile: TileShape { rows, columns }, cell_bits, rows_at_once } = cells;
    [rows as f32, columns as f32, cell_bits as f32, rows_at_once as f32]
}

/// The cells of these numbers, if they are some.
fn cells_from(numbers: &[f32]) -> Option<CellShape> {
    let whole = |number: &f32| number.fract() == 0.0 && (1.0..=65_536.0).contains(number);
    match numbers {
        &[rows, columns, cell_bits, rows_at_once] if numbers.iter().all(whole) => Some(CellShape {
            tile: TileShape { rows: rows as usize, columns: columns as usize },
            cell_bits: cell_bits as u32,
            rows_at_once: rows_at_once as usize,
        }),
        _ => None,
    }
}

impl Checkpoint {
    /// The quantizers of the layer of this weight, if it was trained with quantized weights.
    ///
    /// ```
    /// use crossdub::checkpoint::{Checkpoint, InputQuantizer, LayerQuantizers, NamedTensor};
    /// use crossdub::crossbar::bit_planes::LayerQuantization;
    ///
    /// let weight = NamedTensor { name: "conv.weight".into(), shape: vec![1, 2, 1, 1], data: vec![0.5, -1.0] };
    /// let quantizers = LayerQuantizers {
    ///     weights: LayerQuantization { precision: 3, steps: vec![0.5], caps: vec![3], cells: None },
    ///     inputs: Some(InputQuantizer { step: 0.01, zero: 0, bits: 8 }),
    /// };
    /// let checkpoint = Checkpoint::new(vec![weight]).with_quantizers("conv.weight", &quantizers);
    /// assert_eq!(checkpoint.quantizers("conv.weight")?, Some(quantizers));
    /// assert_eq!(checkpoint.matrices(false)?[0].steps, Some(vec![0.5]));
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// If some of their tensors are missing or out of range.
    pub fn quantizers(&self, weight: &str) -> Result<Option<LayerQuantizers>> {
        let tensor = |leaf: &str| self.get(&sibling(weight, leaf));
        if ["weight_step", "weight_bits"].iter().any(|leaf| tensor(leaf).is_none()) {
            return Ok(None);
        }
        let outputs = self.get(weight).map_or(0, |weight| outputs_of(&weight.shape));
        let fail = |leaf: &str, why: &str| {
            Error::file("reading a quantizer", "", format!("{} {why}", sibling(weight, leaf)))
        };
        let number = |leaf: &str, low: f32, high: f32| match tensor(leaf).map(|tensor| &*tensor.data) {
            Some(&[number]) if number.fract() == 0.0 && (low..=high).contains(&number) => Ok(number),
            _ => Err(fail(leaf, &format!("must be a whole number of {low} to {high}"))),
        };
        let steps = |leaf: &str, most: usize| match tensor(leaf).map(|tensor| tensor.data.clone()) {
            Some(steps)
                if (steps.len() == 1 || steps.len() == most)
                    && steps.iter().all(|step| step.is_finite() && *step > 0.0) =>
            {
                Ok(steps)
            }
            _ => Err(fail(leaf, "must be a positive number, or one for each output")),
        };
        let caps: Option<Vec<u32>> = tensor("tile_cap").map_or(Some(Vec::new()), |caps| {
            let whole = |cap: &f32| cap.fract() == 0.0 && (0.0..=65_536.0).contains(cap);
            caps.data.iter().map(|cap| whole(cap).then_some(*cap as u32)).collect()
        });
        let weights = LayerQuantization {
            precision: number("weight_bits", 2.0, 16.0)? as u32,
            steps: steps("weight_step", outputs)?,
            caps: caps.ok_or_else(|| fail("tile_cap", "must be whole numbers"))?,
            cells: match tensor("cap_cells") {
                Some(cells) => Some(
                    cells_from(&cells.data).ok_or_else(|| fail("cap_cells", "must be four whole numbers"))?,
                ),
                None => None,
            },
        };
        let inputs = if tensor("input_step").is_some() {
            let bits = number("input_bits", 1.0, 16.0)? as u32;
            let step = steps("input_step", 1)?[0];
            let zero = number("input_zero", 0.0, ((1_u32 << bits) - 1) as f32)? as u16;
            Some(InputQuantizer { step, zero, bits })
        } else {
            None
        };
        Ok(Some(LayerQuantizers { weights, inputs }))
    }

    /// The same checkpoint with other quantizers for the layer of this weight.
    #[must_use]
    pub fn with_quantizers(mut self, weight: &str, quantizers: &LayerQuantizers) -> Self {
        let names = LEAVES.map(|leaf| sibling(weight, leaf));
        self.tensors.retain(|tensor| !names.contains(&tensor.name));
        let LayerQuantizers { weights, inputs } = quantizers;
        let values = [
            weights.steps.clone(),
            vec![weights.precision as f32],
            weights.caps.iter().map(|&cap| cap as f32).collect(),
            weights.cells.map(cells_to).into_iter().flatten().collect(),
            inputs.iter().map(|inputs| inputs.step).collect(),
            inputs.iter().map(|inputs| f32::from(inputs.zero)).collect(),
            inputs.iter().map(|inputs| inputs.bits as f32).collect(),
        ];
        let tensors = names.into_iter().zip(values).filter(|(_, data)| !data.is_empty());
        self.tensors.extend(tensors.map(|(name, data)| NamedTensor { name, shape: vec![data.len()], data }));
        let mut facts = std::mem::take(&mut self.facts);
        // Those of the file that it was read from are of other integers.
        facts.hints.entry(weight.to_owned()).or_default().steps = None;
        Self { facts, ..Self::new(self.tensors) }
    }

    /// Whether it was trained with quantized weights.
    pub fn is_quantized(&self) -> bool {
        self.tensors.iter().any(|tensor| self.is_quantizer(&tensor.name))
    }

    /// Whether the tensor of this name belongs to a quantizer.
    pub(crate) fn is_quantizer(&self, name: &str) -> bool {
        is_quantizer(name, |name| self.get(name).is_some())
    }
}

/// The steps of a weight that was trained quantized, of tensors by name; `None` for tensors of another meaning under these
/// names.
pub(super) fn trained_steps<'a>(
    weight: &str,
    get: impl Fn(&str) -> Option<&'a NamedTensor>,
) -> Option<&'a [f32]> {
    let steps = &*get(&sibling(weight, "weight_step"))?.data;
    get(&sibling(weight, "weight_bits"))?;
    let outputs = outputs_of(&get(weight)?.shape);
    let fits = steps.len() == 1 || steps.len() == outputs;
    (fits && steps.iter().all(|step| step.is_finite() && *step > 0.0)).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_of_another_meaning_are_no_steps() {
        let tensor = |name: &str, shape: &[usize], value: f32| NamedTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            data: vec![value; shape.iter().product()],
        };
        let with = |others: Vec<NamedTensor>| {
            let weight = tensor("conv.weight", &[4, 2, 1, 1], 0.5);
            Checkpoint::new([vec![weight], others].concat())
        };
        let bits = || tensor("conv.weight_bits", &[1], 3.0);
        let steps = |steps: NamedTensor| {
            with(vec![steps, bits()]).matrices(false).expect("readable")[0].steps.clone()
        };
        assert_eq!(steps(tensor("conv.weight_step", &[4], 0.5)), Some(vec![0.5; 4]));
        assert_eq!(steps(tensor("conv.weight_step", &[3], 0.5)), None, "another number");
        assert_eq!(steps(tensor("conv.weight_step", &[1], f32::NAN)), None);
        let alone = with(vec![tensor("conv.weight_step", &[1], 0.5)]);
        assert_eq!(alone.matrices(false).expect("readable")[0].steps, None);
        assert_eq!(alone.quantizers("conv.weight"), Ok(None));
        assert!(!alone.is_quantized() && !alone.is_quantizer("conv.weight_step"));
        let broken = with(vec![tensor("conv.weight_step", &[1], -1.0), bits()]);
        assert!(broken.quantizers("conv.weight").is_err(), "a network that would compute with them");
    }
}
