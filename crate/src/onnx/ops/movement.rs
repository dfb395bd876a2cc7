//! Operators that move elements without computing on them.

use super::creation::{cast, cast_type, constant, filled, range};
use super::selection::{
    concat, concat_shape, gather, gather_elements, gather_nd, gather_nd_shape, gather_shape, pad, padded,
    trilu,
};
use super::{Call, Shaped, bounded};
use crate::onnx::element::ElementType;
use crate::onnx::tensor::{Reason, Tensor, axis, broadcast, broadcast_strides, elements, places, strides};

/// Where an output's elements come from.
enum Movement {
    /// The same elements in another shape.
    Reshape(Vec<usize>),
    /// A view of these sizes, strides and start, in its final shape.
    View { sizes: Vec<usize>, strides: Vec<isize>, start: isize, shape: Vec<usize> },
}

impl Movement {
    fn shape(&self) -> &[usize] {
        match self {
            Self::Reshape(shape) | Self::View { shape, .. } => shape,
        }
    }

    fn apply(self, tensor: &Tensor) -> Result<Tensor, Reason> {
        match self {
            Self::Reshape(shape) => tensor.with_shape(shape),
            Self::View { sizes, strides, start, shape } => {
                Ok(tensor.select(shape, &places(&sizes, &strides, start)))
            }
        }
    }
}

/// The types and shapes that an operator of this file gives; `None` if it is another one.
pub(super) fn infer(call: &Call<'_>) -> Option<Result<Vec<Shaped>, Reason>> {
    if let Some(movements) = movements(call) {
        let element = call.input(0).map(|input| input.element);
        return Some(movements.and_then(|movements| {
            let element = element?;
            Ok(movements.iter().map(|movement| (element, movement.shape().to_vec())).collect())
        }));
    }
    let shape = match &*call.node.op {
        "Constant" => return Some(constant(call).map(|tensor| vec![(tensor.element, tensor.shape)])),
        "Shape" => return Some(shape_of(call).map(|shape| vec![(ElementType::I64, vec![shape.len()])])),
        "Size" => return Some(Ok(vec![(ElementType::I64, Vec::new())])),
        "Concat" => concat_shape(call),
        "Gather" => gather_shape(call),
        "GatherElements" => call.shape(1).map(<[usize]>::to_vec),
        "GatherND" => gather_nd_shape(call),
        "Pad" => padded(call).map(|(_, shape)| shape),
        "Trilu" => call.shape(0).map(<[usize]>::to_vec),
        "ConstantOfShape" => {
            let shaped = filled(call).map(|(element, _, shape)| vec![(element, shape)]);
            return Some(shaped);
        }
        "Range" => return Some(range(call).map(|(element, count, _)| vec![(element, vec![count])])),
        "Cast" | "CastLike" => {
            let shaped = cast_type(call).and_then(|element| Ok(vec![(element, call.shape(0)?.to_vec())]));
            return Some(shaped);
        }
        _ => return None,
    };
    Some(shape.and_then(|shape| Ok(vec![(call.input(0)?.element, shape)])))
}

/// Computes an operator of this file; `None` if it is another one.
pub(super) fn compute(call: &Call<'_>) -> Option<Result<Vec<Tensor>, Reason>> {
    if let Some(movements) = movements(call) {
        return Some(movements.and_then(|movements| {
            let tensor = call.tensor(0)?;
            let mut outputs: Vec<Tensor> =
                movements.into_iter().map(|movement| movement.apply(tensor)).collect::<Result<_, _>>()?;
            // The mask of a dropout that drops nothing.
            if call.node.op == "Dropout" && call.node.outputs.len() > 1 {
                let kept = vec![1; tensor.len()];
                outputs.push(Tensor::from_integers(ElementType::Bool, tensor.shape.clone(), kept));
            }
            Ok(outputs)
        }));
    }
    let one = match &*call.node.op {
        "Constant" => constant(call),
        "Shape" => shape_of(call).map(|shape| {
            let sizes: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
            Tensor::from_integers(ElementType::I64, vec![sizes.len()], sizes)
        }),
        "Size" => call.shape(0).map(|shape| {
            let count = elements(shape).unwrap_or(0) as i64;
            Tensor::from_integers(ElementType::I64, Vec::new(), vec![count])
        }),
        "Concat" => concat(call),
        "Gather" => gather(call),
        "GatherElements" => gather_elements(call),
        "GatherND" => gather_nd(call),
        "Pad" => pad(call),
        "Trilu" => trilu(call),
        "ConstantOfShape" => filled(call).map(|(element, value, shape)| {
            let count = elements(&shape).unwrap_or(0);
            if element.is_float() {
                Tensor { element, ..Tensor::from_floats(shape, vec![value as f32; count]) }
            } else {
                Tensor::from_integers(element, shape, vec![value as i64; count])
            }
        }),
        "Range" => range(call).map(|(element, count, of)| {
            let values = (0..count).map(of);
            if element.is_float() {
                Tensor { element, ..Tensor::from_floats(vec![count], values.map(|v| v as f32).collect()) }
            } else {
                Tensor::from_integers(element, vec![count], values.map(|v| v as i64).collect())
            }
        }),
        "Cast" | "CastLike" => cast_type(call).and_then(|element| cast(call.tensor(0)?, element)),
        _ => return None,
    };
    Some(one.map(|tensor| vec![tensor]))
}

/// The outputs as movements of the first input, if the operator is one.
fn movements(call: &Call<'_>) -> Option<Result<Vec<Movement>, Reason>> {
    let one = |movement: Result<Movement, Reason>| Some(movement.map(|movement| vec![movement]));
    let reshaped = |shape: Result<Vec<usize>, Reason>| one(shape.map(Movement::Reshape));
    match &*call.node.op {
        "Identity" | "Dropout" => reshaped(call.shape(0).map(<[usize]>::to_vec)),
        "Reshape" => reshaped(reshape(call)),
        "Flatten" => reshaped(flatten(call)),
        "Squeeze" => reshaped(squeeze(call)),
        "Unsqueeze" => reshaped(unsqueeze(call)),
        "Transpose" => one(transpose(call)),
        "Expand" => one(expand(call)),
        "Tile" => one(tile(call)),
        "Slice" => one(slice(call)),
        "DepthToSpace" => one(depth_to_space(call)),
        "SpaceToDepth" => one(space_to_depth(call)),
        "Split" => Some(split(call)),
        _ => None,
    }
}

fn reshape(call: &Call<'_>) -> Result<Vec<usize>, Reason> {
    let (own, asked) = (call.shape(0)?, call.list(1, "shape")?.ok_or("the new shape is missing")?);
    let count = elements(own).unwrap_or(0);
    let keep_zeros = call.node.int("allowzero", 0) != 0;
    let mut shape = Vec::with_capacity(asked.len());
    let mut open = None;
    for (at, &size) in asked.iter().enumerate() {
        shape.push(match size {
            0 if !keep_zeros => *own.get(at).ok_or("the new shape copies a dimension that is not there")?,
            -1 if open.is_none() => {
                open = Some(at);
                1
            }
            size => usize::try_from(size).map_err(|_| format!("the new shape {asked:?} is impossible"))?,
        });
    }
    if let Some(at) = open {
        let rest = elements(&shape).filter(|&rest| rest > 0 && count.is_multiple_of(rest));
        shape[at] = count / rest.ok_or_else(|| format!("{own:?} does not reshape to {asked:?}"))?;
    }
    if elements(&shape) != Some(count) {
        return Err(format!("{own:?} does not reshape to {asked:?}"));
    }
    Ok(shape)
}

fn flatten(call: &Call<'_>) -> Result<Vec<usize>, Reason> {
    let own = call.shape(0)?;
    let at = call.node.int("axis", 1);
    let at = if at == own.len() as i64 { own.len() } else { axis(at, own.len())? };
    let product = |sizes| elements(sizes).ok_or("the shape is too large");
    Ok(vec![product(&own[..at])?, product(&own[at..])?])
}

fn squeeze(call: &Call<'_>) -> Result<Vec<usize>, Reason> {
    let own = call.shape(0)?;
    let Some(axes) = call.list(1, "axes")? else {
        return Ok(own.iter().copied().filter(|&size| size != 1).collect());
    };
    let mut gone = vec![false; own.len()];
    for &at in axes {
        let at = axis(at, own.len())?;
        gone[at] = true;
        if own[at] != 1 {
            return Err(format!("dimension {at} of {own:?} is not 1"));
        }
    }
    Ok(own.iter().zip(gone).filter(|(_, gone)| !gone).map(|(&size, _)| size).collect())
}

fn unsqueeze(call: &Call<'_>) -> Result<Vec<usize>, Reason> {
    let own = call.shape(0)?;
    let axes = call.list(1, "axes")?.ok_or("the axes are missing")?;
    let rank = own.len() + axes.len();
    let mut new = vec![false; rank];
    for &at in axes {
        if std::mem::replace(&mut new[axis(at, rank)?], true) {
            return Err("an axis is named twice".to_owned());
        }
    }
    let mut sizes = own.iter();
    Ok(new.into_iter().map(|new| if new { 1 } else { sizes.next().copied().unwrap_or(1) }).collect())
}

fn view(sizes: Vec<usize>, strides: Vec<isize>) -> Movement {
    Movement::View { shape: sizes.clone(), sizes, strides, start: 0 }
}

/// The axes of a transposition; without an attribute, all reversed.
pub(in crate::onnx) fn permutation(node_axes: Option<&[i64]>, rank: usize) -> Result<Vec<usize>, Reason> {
    let Some(axes) = node_axes else { return Ok((0..rank).rev().collect()) };
    let axes: Vec<usize> = axes.iter().map(|&at| axis(at, rank)).collect::<Result<_, _>>()?;
    let all = (0..rank).all(|at| axes.contains(&at));
    if axes.len() == rank && all { Ok(axes) } else { Err(format!("{axes:?} does not permute {rank} axes")) }
}

fn transpose(call: &Call<'_>) -> Result<Movement, Reason> {
    let own = call.shape(0)?;
    let axes = permutation(call.node.ints("perm"), own.len())?;
    let steps = strides(own);
    Ok(view(axes.iter().map(|&at| own[at]).collect(), axes.iter().map(|&at| steps[at]).collect()))
}

fn expand(call: &Call<'_>) -> Result<Movement, Reason> {
    let own = call.shape(0)?;
    let asked = sizes(call.ints(1)?)?;
    let shape = bounded(broadcast(own, &asked)?)?;
    Ok(view(shape.clone(), broadcast_strides(own, &shape)))
}

fn tile(call: &Call<'_>) -> Result<Movement, Reason> {
    let own = call.shape(0)?;
    let repeats = sizes(call.ints(1)?)?;
    if repeats.len() != own.len() {
        return Err(format!("{repeats:?} does not repeat {own:?}"));
    }
    let pairs = || repeats.iter().zip(own);
    let shape = pairs().map(|(&times, &size)| times.checked_mul(size)).collect::<Option<Vec<_>>>();
    let shape = bounded(shape.ok_or("would give too many values")?)?;
    let views = pairs().flat_map(|(&times, &size)| [times, size]).collect();
    let steps = strides(own).into_iter().flat_map(|stride| [0, stride]).collect();
    Ok(Movement::View { sizes: views, strides: steps, start: 0, shape })
}

/// Sizes of an untrusted list.
pub(super) fn sizes(list: &[i64]) -> Result<Vec<usize>, Reason> {
    list.iter().map(|&size| usize::try_from(size).map_err(|_| format!("{size} is not a size"))).collect()
}

fn slice(call: &Call<'_>) -> Result<Movement, Reason> {
    let own = call.shape(0)?;
    let starts = call.list(1, "starts")?.ok_or("the starts are missing")?;
    let ends = call.list(2, "ends")?.ok_or("the ends are missing")?;
    let axes = call.list(3, "axes")?;
    let steps = call.has(4).then(|| call.ints(4)).transpose()?;
    let mut shape = own.to_vec();
    let mut view_strides = strides(own);
    let mut start = 0_isize;
    let counted = axes.map_or(starts.len(), <[i64]>::len);
    if starts.len() != ends.len() || counted != starts.len() || steps.is_some_and(|s| s.len() != counted) {
        return Err("starts, ends, axes and steps are not equally many".to_owned());
    }
    for at in 0..starts.len() {
        let along = axis(axes.map_or(at as i64, |axes| axes[at]), own.len())?;
        let (size, step) = (own[along] as i64, steps.map_or(1, |steps| steps[at]));
        if step == 0 {
            return Err("a step is 0".to_owned());
        }
        let from_end = |place: i64| if place < 0 { place.saturating_add(size) } else { place };
        let (first, last) = if step > 0 {
            (from_end(starts[at]).clamp(0, size), from_end(ends[at]).clamp(0, size))
        } else {
            (from_end(starts[at]).clamp(0, (size - 1).max(0)), from_end(ends[at]).clamp(-1, size - 1))
        };
        let distance = if step > 0 { last - first } else { first - last };
        shape[along] =
            if size == 0 { 0 } else { distance.max(0).unsigned_abs().div_ceil(step.unsigned_abs()) as usize };
        start += first as isize * view_strides[along];
        view_strides[along] = view_strides[along].saturating_mul(step as isize);
    }
    if shape.contains(&0) {
        start = 0;
    }
    Ok(Movement::View { sizes: shape.clone(), strides: view_strides, start, shape })
}

/// Batch, channels, height and width of an image, and a block's side that divides what it must.
fn blocks(call: &Call<'_>) -> Result<([usize; 4], usize), Reason> {
    let shape: [usize; 4] = call.shape(0)?.try_into().map_err(|_| "takes images".to_owned())?;
    let block =
        usize::try_from(call.node.int("blocksize", 0)).ok().filter(|&block| (1..1 << 16).contains(&block));
    Ok((shape, block.ok_or("the block's size is missing")?))
}

fn depth_to_space(call: &Call<'_>) -> Result<Movement, Reason> {
    let ([n, c, h, w], b) = blocks(call)?;
    if !c.is_multiple_of(b * b) {
        return Err(format!("{c} channels do not fill blocks of {b} x {b}"));
    }
    let d = c / (b * b);
    let (from, order) = if call.node.text("mode", "DCR") == "CRD" {
        (vec![n, d, b, b, h, w], [0, 1, 4, 2, 5, 3])
    } else {
        (vec![n, b, b, d, h, w], [0, 3, 4, 1, 5, 2])
    };
    let steps = strides(&from);
    let (sizes, strides) = (order.map(|at| from[at]).to_vec(), order.map(|at| steps[at]).to_vec());
    Ok(Movement::View { sizes, strides, start: 0, shape: vec![n, d, h * b, w * b] })
}

fn space_to_depth(call: &Call<'_>) -> Result<Movement, Reason> {
    let ([n, c, h, w], b) = blocks(call)?;
    if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
        return Err(format!("{h} x {w} does not fall into blocks of {b} x {b}"));
    }
    let from = [n, c, h / b, b, w / b, b];
    let (steps, order) = (strides(&from), [0, 3, 5, 1, 2, 4]);
    let (sizes, strides) = (order.map(|at| from[at]).to_vec(), order.map(|at| steps[at]).to_vec());
    Ok(Movement::View { sizes, strides, start: 0, shape: vec![n, c * b * b, h / b, w / b] })
}

fn split(call: &Call<'_>) -> Result<Vec<Movement>, Reason> {
    let own = call.shape(0)?;
    let along = axis(call.node.int("axis", 0), own.len())?;
    let parts = call.node.outputs.len().max(1);
    let lengths = match call.list(1, "split")? {
        Some(lengths) => sizes(lengths)?,
        None => {
            let each = own[along].div_ceil(parts);
            (0..parts).map(|part| each.min(own[along].saturating_sub(part * each))).collect()
        }
    };
    let total = lengths.iter().try_fold(0_usize, |sum, &length| sum.checked_add(length));
    if lengths.len() != parts || total != Some(own[along]) {
        return Err(format!("{lengths:?} does not split {}", own[along]));
    }
    let steps = strides(own);
    let mut first = 0;
    let part = |length| {
        let shape: Vec<usize> = (0..own.len()).map(|at| if at == along { length } else { own[at] }).collect();
        let start = if elements(&shape) == Some(0) { 0 } else { first as isize * steps[along] };
        first += length;
        Movement::View { sizes: shape.clone(), strides: steps.clone(), start, shape }
    };
    Ok(lengths.into_iter().map(part).collect())
}

fn shape_of<'a>(call: &'a Call<'_>) -> Result<&'a [usize], Reason> {
    let own = call.shape(0)?;
    let rank = own.len() as i64;
    let place = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let (start, end) = (place(call.node.int("start", 0)), place(call.node.int("end", rank)));
    Ok(&own[start.min(end)..end])
}
