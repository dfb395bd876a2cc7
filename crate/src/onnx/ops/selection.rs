//! Operators that pick, join or frame elements: gathering, concatenation, padding.

use super::{Call, bounded};
use crate::onnx::tensor::{Reason, Tensor, Values, axis, elements, places, strides};

pub(super) fn concat_shape(call: &Call<'_>) -> Result<Vec<usize>, Reason> {
    let mut shape = call.shape(0)?.to_vec();
    let along = axis(call.node.int("axis", 0), shape.len())?;
    for at in 1..call.inputs.len() {
        let own = call.shape(at)?;
        let fits = own.len() == shape.len() && (0..own.len()).all(|a| a == along || own[a] == shape[a]);
        if !fits {
            return Err(format!("{own:?} does not join {shape:?} along axis {along}"));
        }
        shape[along] = shape[along].checked_add(own[along]).ok_or("would give too many values")?;
    }
    Ok(shape)
}

pub(super) fn concat(call: &Call<'_>) -> Result<Tensor, Reason> {
    let shape = concat_shape(call)?;
    let along = axis(call.node.int("axis", 0), shape.len())?;
    let outer = elements(&shape[..along]).unwrap_or(0);
    let tensors: Vec<&Tensor> = (0..call.inputs.len()).map(|at| call.tensor(at)).collect::<Result<_, _>>()?;
    fn joined<T: Copy>(parts: &[(&[T], usize)], outer: usize) -> Vec<T> {
        let rows =
            (0..outer).flat_map(|row| parts.iter().map(move |&(all, run)| &all[row * run..(row + 1) * run]));
        rows.flatten().copied().collect()
    }
    let run = |tensor: &Tensor| tensor.len() / outer.max(1);
    let element = tensors[0].element;
    if tensors.iter().all(|tensor| matches!(tensor.values, Values::Floats(_))) {
        let parts = tensors.iter().map(|t| Ok((t.floats()?, run(t)))).collect::<Result<Vec<_>, Reason>>()?;
        Ok(Tensor { element, ..Tensor::from_floats(shape, joined(&parts, outer)) })
    } else {
        let parts =
            tensors.iter().map(|t| Ok((t.integers()?, run(t)))).collect::<Result<Vec<_>, Reason>>()?;
        Ok(Tensor::from_integers(element, shape, joined(&parts, outer)))
    }
}

pub(super) fn gather_shape(call: &Call<'_>) -> Result<Vec<usize>, Reason> {
    let (own, indices) = (call.shape(0)?, call.shape(1)?);
    let along = axis(call.node.int("axis", 0), own.len())?;
    Ok([&own[..along], indices, &own[along + 1..]].concat())
}

/// Places from indices that may count from the end.
fn indices(list: &[i64], size: usize) -> Result<Vec<usize>, Reason> {
    list.iter().map(|&at| axis(at, size).map_err(|_| format!("index {at} is beyond {size}"))).collect()
}

pub(super) fn gather(call: &Call<'_>) -> Result<Tensor, Reason> {
    let (tensor, shape) = (call.tensor(0)?, bounded(gather_shape(call)?)?);
    let along = axis(call.node.int("axis", 0), tensor.shape.len())?;
    let size = tensor.shape[along];
    let picked = indices(call.ints(1)?, size)?;
    let inner = elements(&tensor.shape[along + 1..]).unwrap_or(0);
    let outer = elements(&tensor.shape[..along]).unwrap_or(0);
    let mut from = Vec::with_capacity(outer * picked.len() * inner);
    for row in 0..outer {
        for &index in &picked {
            let start = (row * size + index) * inner;
            from.extend(start..start + inner);
        }
    }
    Ok(tensor.select(shape, &from))
}

pub(super) fn gather_elements(call: &Call<'_>) -> Result<Tensor, Reason> {
    let (tensor, shape) = (call.tensor(0)?, call.shape(1)?.to_vec());
    let along = axis(call.node.int("axis", 0), tensor.shape.len())?;
    let fits = shape.len() == tensor.shape.len()
        && (0..shape.len()).all(|at| at == along || shape[at] <= tensor.shape[at]);
    if !fits {
        return Err(format!("indices of {shape:?} do not fit {:?}", tensor.shape));
    }
    let mut steps = strides(&tensor.shape);
    let step = std::mem::replace(&mut steps[along], 0) as usize;
    let picked = indices(call.ints(1)?, tensor.shape[along])?;
    let rows = places(&shape, &steps, 0);
    let from: Vec<usize> = rows.into_iter().zip(picked).map(|(row, index)| row + index * step).collect();
    Ok(tensor.select(shape, &from))
}

pub(super) fn gather_nd_shape(call: &Call<'_>) -> Result<Vec<usize>, Reason> {
    let (own, indices) = (call.shape(0)?, call.shape(1)?);
    let (&depth, outer) = indices.split_last().ok_or("the indices have no dimension")?;
    if call.node.int("batch_dims", 0) != 0 || depth > own.len() {
        return Err("batches of indices are not supported".to_owned());
    }
    if depth == 0 {
        return Err("the indices are empty".to_owned());
    }
    Ok([outer, &own[depth..]].concat())
}

pub(super) fn gather_nd(call: &Call<'_>) -> Result<Tensor, Reason> {
    let (tensor, shape) = (call.tensor(0)?, bounded(gather_nd_shape(call)?)?);
    let depth = call.shape(1)?.last().copied().unwrap_or(0);
    let inner = elements(&tensor.shape[depth..]).unwrap_or(0);
    let steps = strides(&tensor.shape);
    let mut from = Vec::with_capacity(elements(&shape).unwrap_or(0));
    for index in call.ints(1)?.chunks_exact(depth.max(1)) {
        let mut start = 0;
        for (at, &place) in index.iter().enumerate().take(depth) {
            start += indices(&[place], tensor.shape[at])?[0] * steps[at] as usize;
        }
        from.extend(start..start + inner);
    }
    Ok(tensor.select(shape, &from))
}

/// How far each axis is padded in front, and the shape that gives.
pub(super) fn padded(call: &Call<'_>) -> Result<(Vec<i64>, Vec<usize>), Reason> {
    let own = call.shape(0)?;
    let pads = call.list(1, "pads")?.ok_or("the padding is missing")?;
    let axes = if call.has(3) { call.ints(3)?.to_vec() } else { (0..own.len() as i64).collect() };
    if pads.len() != 2 * axes.len() {
        return Err(format!("{} paddings do not go with {} axes", pads.len(), axes.len()));
    }
    let (mut front, mut shape) = (vec![0; own.len()], own.to_vec());
    for (at, &along) in axes.iter().enumerate() {
        let along = axis(along, own.len())?;
        let (before, after) = (pads[at], pads[at + axes.len()]);
        let size = (own[along] as i64).checked_add(before).and_then(|size| size.checked_add(after));
        shape[along] = size.and_then(|size| usize::try_from(size).ok()).ok_or("the padding is impossible")?;
        front[along] = before;
    }
    Ok((front, bounded(shape)?))
}

pub(super) fn pad(call: &Call<'_>) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    let (front, shape) = padded(call)?;
    let mode = call.node.text("mode", "constant");
    let inside = |at: usize, own: usize, front: i64| -> Option<usize> {
        let (place, size) = (at as i64 - front, own as i64);
        let whole = match mode {
            "reflect" if size > 1 => {
                let around = place.rem_euclid(2 * (size - 1));
                if around < size { around } else { 2 * (size - 1) - around }
            }
            "edge" | "reflect" => place.clamp(0, (size - 1).max(0)),
            "wrap" if size > 0 => place.rem_euclid(size),
            _ => place,
        };
        usize::try_from(whole).ok().filter(|&whole| whole < own)
    };
    let fill = call.optional(2)?;
    // Where each index of each axis comes from, then their sums; none is outside.
    let mut from: Vec<Option<usize>> = vec![Some(0)];
    for (at, &size) in shape.iter().enumerate() {
        let along: Vec<_> = (0..size).map(|place| inside(place, tensor.shape[at], front[at])).collect();
        let own = tensor.shape[at];
        from = from
            .iter()
            .flat_map(|start| along.iter().map(move |place| Some(start.as_ref()? * own + place.as_ref()?)))
            .collect();
    }
    match &tensor.values {
        Values::Floats(own) => {
            let outside = match fill {
                Some(fill) => *fill.floats()?.first().ok_or("the padding's value is missing")?,
                None => call.node.float("value", 0.0),
            };
            let values = from.into_iter().map(|at| at.map_or(outside, |at| own[at])).collect();
            Ok(Tensor { element: tensor.element, ..Tensor::from_floats(shape, values) })
        }
        Values::Integers(own) => {
            let outside = fill.map_or(Ok(0), |fill| {
                fill.integers()?.first().copied().ok_or("the padding's value is missing".to_owned())
            })?;
            let values = from.into_iter().map(|at| at.map_or(outside, |at| own[at])).collect();
            Ok(Tensor::from_integers(tensor.element, shape, values))
        }
    }
}

pub(super) fn trilu(call: &Call<'_>) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    let [.., rows, columns] = tensor.shape[..] else { return Err("takes matrices".to_owned()) };
    let diagonal =
        call.optional(1)?.map_or(Ok(0), |k| k.integers().map(|k| k.first().copied().unwrap_or(0)))?;
    let upper = call.node.int("upper", 1) != 0;
    let kept = |at: usize| {
        let (row, column) = ((at / columns % rows) as i64, (at % columns) as i64);
        let beyond = column.saturating_sub(row);
        if upper { beyond >= diagonal } else { beyond <= diagonal }
    };
    Ok(match &tensor.values {
        Values::Floats(own) => {
            let values = own.iter().enumerate().map(|(at, &v)| if kept(at) { v } else { 0.0 }).collect();
            Tensor { element: tensor.element, ..Tensor::from_floats(tensor.shape.clone(), values) }
        }
        Values::Integers(own) => {
            let values = own.iter().enumerate().map(|(at, &v)| if kept(at) { v } else { 0 }).collect();
            Tensor::from_integers(tensor.element, tensor.shape.clone(), values)
        }
    })
}
