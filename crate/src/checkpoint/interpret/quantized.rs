//! Weights of 8 bits as numbers: PyTorch's quantized tensors, which carry their scales, and integers
//! or 8-bit floats whose scales are tensors of their own.

use super::super::dtype::Dtype;
use super::super::names::{sibling, split_leaf};
use super::super::stored::{Affine, ParseResult, element_count};
use super::draft::{Draft, DraftValues, Drafts};

/// Block sizes that are tried where a scale serves a block that does not divide the weight evenly, the
/// customary one first.
const BLOCKS: [usize; 8] = [128, 64, 32, 16, 256, 512, 8, 1024];

/// Multiplies integers and 8-bit floats with their scales.
///
/// # Errors
/// When a weight or its scale can't be read.
pub(super) fn dequantize(drafts: &mut Drafts<'_, '_>) -> ParseResult<()> {
    let (mut quantized, mut unscaled) = (0, Vec::new());
    for name in drafts.names() {
        let Some(draft) = drafts.get(&name) else { continue };
        let (dtype, dimensions) = (draft.dtype, draft.shape.len());
        if dtype.is_quantized() && draft.unreadable.is_none() {
            quantized += usize::from(affine(drafts, &name)?);
        } else if dimensions >= 2 && (matches!(dtype, Dtype::I8 | Dtype::U8) || dtype.is_float8()) {
            match find_scale(drafts, &name) {
                Some(scale) if scale.name == name => {}
                Some(scale) => {
                    let done = scaled(drafts, &name, &scale)?;
                    if !done && dtype.is_float8() {
                        drafts.lost.push(format!("{name} has a scale that is not read here"));
                        let why = format!("8-bit floats whose scale {} is not read here", scale.name);
                        drafts.leave_out(&name, why);
                    }
                    quantized += usize::from(done);
                }
                None if dtype == Dtype::I8 && is_weight(&name) => unscaled.push(name),
                None => {}
            }
        }
    }
    if quantized > 0 {
        let tensors = if quantized == 1 { "tensor holds" } else { "tensors hold" };
        drafts.notes.push(format!(
            "{quantized} {tensors} 8-bit values, taken as numbers: the values times their scales"
        ));
    }
    for name in &unscaled {
        integers(drafts, name, vec![1.0])?;
    }
    if let Some(first) = unscaled.first() {
        let count = unscaled.len();
        drafts
            .notes
            .push(format!("{count} int8 tensors have no scale, and are taken as integers ({first}, ...)"));
    }
    Ok(())
}

fn is_weight(name: &str) -> bool {
    split_leaf(name).1.contains("weight")
}

/// A tensor of `torch.quantization`.
fn affine(drafts: &mut Drafts<'_, '_>, name: &str) -> ParseResult<bool> {
    let Some(draft) = drafts.get(name) else { return Ok(false) };
    let Some(Affine { axis, scales, zero_points }) = draft.affine.clone() else {
        drafts.lost.push(format!("{name} is quantized, and its scales are missing"));
        drafts.leave_out(name, "quantized, and its scales are missing");
        return Ok(false);
    };
    let size = draft.shape.get(axis).copied().unwrap_or(1);
    let inner = draft.shape.get(axis + 1..).and_then(element_count).unwrap_or(1);
    let fits = |numbers: &[f64]| numbers.len() == 1 || numbers.len() == size;
    if !fits(&scales) || !fits(&zero_points) {
        drafts.lost.push(format!("{name} has scales that do not fit it"));
        drafts.leave_out(name, "quantized, and its scales do not fit it");
        return Ok(false);
    }
    let of = |numbers: &[f64], at: usize| {
        if numbers.len() == 1 { numbers[0] } else { numbers[(at / inner.max(1)) % size.max(1)] }
    };
    let mut values = drafts.values(name)?;
    for (at, value) in values.iter_mut().enumerate() {
        *value = ((f64::from(*value) - of(&zero_points, at)) * of(&scales, at)) as f32;
    }
    let per_output = scales.len() == 1 || axis == 0;
    let whole = zero_points.iter().all(|point| point.fract() == 0.0);
    let steps = (per_output && whole).then(|| scales.iter().map(|&scale| scale as f32).collect());
    finish(drafts, name, name, values, steps);
    Ok(true)
}

/// Integers that are numbers as they are.
fn integers(drafts: &mut Drafts<'_, '_>, name: &str, steps: Vec<f32>) -> ParseResult<()> {
    let values = drafts.values(name)?;
    finish(drafts, name, name, values, Some(steps));
    Ok(())
}

fn finish(drafts: &mut Drafts<'_, '_>, place: &str, name: &str, values: Vec<f32>, steps: Option<Vec<f32>>) {
    let Some(draft) = drafts.get(place).cloned() else { return };
    let source = DraftValues::Computed(values);
    drafts.replace(place, Draft { name: name.to_owned(), source, affine: None, steps, ..draft });
}

/// A weight's scale beside it.
struct StoredScale {
    name: String,
    zero_point: Option<String>,
    /// The name of the weight without the parts of its format.
    weight: String,
    /// What the scale itself is multiplied with.
    unit: f64,
}

/// The name of the tensor that holds a weight's scales.
fn find_scale(drafts: &Drafts<'_, '_>, name: &str) -> Option<StoredScale> {
    let (_, leaf) = split_leaf(name);
    let zero_points = [
        format!("{name}_zero_point"),
        format!("{name}.zero_point"),
        sibling(name, "zero_point"),
        sibling(name, "zero_points"),
    ];
    let zero_point = zero_points.into_iter().find(|point| drafts.has(point));
    let scale = |scale: String, weight: &str, unit: f64| StoredScale {
        name: scale,
        zero_point: zero_point.clone(),
        weight: weight.to_owned(),
        unit,
    };
    // Quanto keeps `weight._data` and `weight._scale`.
    if let Some(weight) = name.strip_suffix("._data") {
        let inner = format!("{weight}._scale");
        return drafts.has(&inner).then(|| scale(inner, weight, 1.0));
    }
    if !leaf.contains("weight") && !leaf.contains("kernel") && !drafts.has(&format!("{name}_scale")) {
        return None;
    }
    let beside =
        ["_scale", "_scale_inv", ".scale", "_scales", ".scales", "._scale"].map(|end| format!("{name}{end}"));
    let under_parent =
        ["scale", "scales", "weight_scale", "weight_scale_inv"].map(|leaf| sibling(name, leaf));
    let found = beside.into_iter().chain(under_parent).find(|scale| drafts.has(scale));
    if let Some(found) = found {
        return Some(scale(found, name, 1.0));
    }
    // bitsandbytes: the largest magnitude of each row, which became 127.
    let largest = sibling(name, "SCB");
    drafts.has(&largest).then(|| scale(largest, name, 1.0 / 127.0))
}

/// Multiplies a weight with its scale.
fn scaled(drafts: &mut Drafts<'_, '_>, name: &str, scale: &StoredScale) -> ParseResult<bool> {
    let shape_of = |name: &str| drafts.get(name).map(|draft| (draft.shape.clone(), draft.dtype));
    let (Some((shape, dtype)), Some((scale_shape, scale_dtype))) = (shape_of(name), shape_of(&scale.name))
    else {
        return Ok(false);
    };
    let blocks = blocks(&shape, &scale_shape);
    let known = scale_dtype.is_float() || scale_dtype == Dtype::F8E8M0;
    let Some(blocks) = blocks.filter(|_| known) else {
        // Packed integers have scales of other shapes.
        return Ok(false);
    };
    let points = match &scale.zero_point {
        Some(point) => drafts.values(point)?,
        // Unsigned integers without a zero point are packed, or of a format that is not known.
        None if dtype == Dtype::U8 => return Ok(false),
        None => vec![0.0],
    };
    let factors = drafts.values(&scale.name)?;
    if points.len() != 1 && points.len() != factors.len() {
        return Ok(false);
    }
    let mut values = drafts.values(name)?;
    for (at, value) in values.iter_mut().enumerate() {
        let place = blocks.place(at);
        let point = points[if points.len() == 1 { 0 } else { place }];
        *value = ((f64::from(*value) - f64::from(point)) * f64::from(factors[place]) * scale.unit) as f32;
    }
    let is_integer = matches!(dtype, Dtype::I8 | Dtype::U8);
    let per_output = factors.len() == 1 || (blocks.is_per_output() && factors.len() == shape[0]);
    let steps = (is_integer && per_output)
        .then(|| factors.iter().map(|&factor| (f64::from(factor) * scale.unit) as f32).collect());
    finish(drafts, name, &scale.weight, values, steps);
    drafts.leave_out(&scale.name, "scale, applied to its weight");
    if let Some(point) = &scale.zero_point {
        drafts.leave_out(point, "zero point, applied to its weight");
    }
    Ok(true)
}

/// Which scale belongs to which element.
struct Blocks {
    shape: Vec<usize>,
    /// Elements along each dimension that share a scale.
    block: Vec<usize>,
    /// Scales along each dimension.
    scales: Vec<usize>,
}

impl Blocks {
    /// The index of an element's scale.
    fn place(&self, at: usize) -> usize {
        let (mut rest, mut place, mut step) = (at, 0, 1);
        for dimension in (0..self.shape.len()).rev() {
            let index = rest % self.shape[dimension];
            rest /= self.shape[dimension];
            place += (index / self.block[dimension]) * step;
            step *= self.scales[dimension];
        }
        place
    }

    /// Whether each scale serves whole outputs.
    fn is_per_output(&self) -> bool {
        self.scales.iter().skip(1).all(|&scales| scales == 1)
    }
}

/// How scales of this shape belong to a weight of that shape; `None` if they don't.
fn blocks(weight: &[usize], scale: &[usize]) -> Option<Blocks> {
    let mut scales = scale.to_vec();
    if element_count(scale) == Some(1) {
        scales = vec![1; weight.len()];
    }
    if scales.len() > weight.len() {
        return None;
    }
    scales.resize(weight.len(), 1);
    let block = |(&size, &scales): (&usize, &usize)| match scales {
        1 => Some(size.max(1)),
        scales if scales == size => Some(1),
        0 => None,
        scales => {
            let customary = BLOCKS.into_iter().find(|&block| size.div_ceil(block) == scales);
            customary.or_else(|| size.is_multiple_of(scales).then_some(size / scales))
        }
    };
    let block = weight.iter().zip(&scales).map(block).collect::<Option<Vec<_>>>()?;
    Some(Blocks { shape: weight.to_vec(), block, scales })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_serve_a_tensor_an_output_or_a_block() {
        let place = |weight: &[usize], scale: &[usize], at| blocks(weight, scale).map(|b| b.place(at));
        assert_eq!(place(&[2, 3], &[], 5), Some(0));
        assert_eq!(place(&[2, 3], &[1], 5), Some(0));
        assert_eq!(place(&[2, 3], &[2], 5), Some(1));
        assert_eq!(place(&[2, 3, 1, 1], &[2, 1, 1, 1], 2), Some(0));
        // 200 x 300 in blocks of 128: 2 x 3 scales.
        assert_eq!(place(&[200, 300], &[2, 3], 127 * 300 + 255), Some(1));
        assert_eq!(place(&[200, 300], &[2, 3], 128 * 300 + 256), Some(5));
        // 6 x 10 in blocks of 3 x 5.
        assert_eq!(place(&[6, 10], &[2, 2], 3 * 10 + 4), Some(2));
        assert!(blocks(&[200, 300], &[9, 3]).is_none());
        assert!(blocks(&[2], &[2, 2]).is_none());
    }
}
