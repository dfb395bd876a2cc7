//! Operators that reduce an axis, or normalize along it: sums, means, softmax.

use super::{Call, Shaped};
use crate::onnx::element::ElementType;
use crate::onnx::tensor::{Reason, Tensor, Values, axis, elements, places, strides};

/// The types and shapes that an operator of this file gives; `None` if it is another one.
pub(super) fn infer(call: &Call<'_>) -> Option<Result<Vec<Shaped>, Reason>> {
    let op = &*call.node.op;
    let element = call.input(0).map(|input| input.element);
    if reduction(op).is_some() {
        return Some(reduced(call).and_then(|reduced| Ok(vec![(element?, reduced.shape)])));
    }
    match op {
        "Softmax" | "LogSoftmax" | "CumSum" => {
            Some(element.and_then(|element| Ok(vec![(element, call.shape(0)?.to_vec())])))
        }
        "ArgMax" | "ArgMin" => Some(along(call).map(|(_, shape)| vec![(ElementType::I64, shape)])),
        "TopK" => Some(
            top(call)
                .and_then(|(_, _, shape)| Ok(vec![(element?, shape.clone()), (ElementType::I64, shape)])),
        ),
        _ => None,
    }
}

/// Computes an operator of this file; `None` if it is another one.
pub(super) fn compute(call: &Call<'_>) -> Option<Result<Vec<Tensor>, Reason>> {
    let op = &*call.node.op;
    if let Some(of) = reduction(op) {
        return Some(reduce(call, of).map(|tensor| vec![tensor]));
    }
    let one = match op {
        "Softmax" => softmax(call, false),
        "LogSoftmax" => softmax(call, true),
        "CumSum" => cumulated(call),
        "ArgMax" => arg(call, |new, best| new > best),
        "ArgMin" => arg(call, |new, best| new < best),
        "TopK" => return Some(largest(call)),
        _ => return None,
    };
    Some(one.map(|tensor| vec![tensor]))
}

/// A function of a run of elements and their number.
type Reduction = fn(&mut dyn Iterator<Item = f64>, f64) -> f64;

/// What a reduction makes of a run of elements.
fn reduction(op: &str) -> Option<Reduction> {
    Some(match op {
        "ReduceSum" => |values, _| values.sum(),
        "ReduceMean" => |values, count| values.sum::<f64>() / count,
        "ReduceMax" => |values, _| values.fold(f64::NEG_INFINITY, f64::max),
        "ReduceMin" => |values, _| values.fold(f64::INFINITY, f64::min),
        "ReduceProd" => |values, _| values.product(),
        "ReduceL1" => |values, _| values.map(f64::abs).sum(),
        "ReduceL2" => |values, _| values.map(|v| v * v).sum::<f64>().sqrt(),
        "ReduceSumSquare" => |values, _| values.map(|v| v * v).sum(),
        "ReduceLogSum" => |values, _| values.sum::<f64>().ln(),
        "ReduceLogSumExp" => |values, _| values.map(f64::exp).sum::<f64>().ln(),
        _ => return None,
    })
}

/// The axes that are reduced, and what is left.
struct Reduced {
    gone: Vec<bool>,
    shape: Vec<usize>,
}

fn reduced(call: &Call<'_>) -> Result<Reduced, Reason> {
    let own = call.shape(0)?;
    let axes = call.list(1, "axes")?.unwrap_or_default();
    let mut gone = vec![axes.is_empty() && call.node.int("noop_with_empty_axes", 0) == 0; own.len()];
    for &at in axes {
        gone[axis(at, own.len())?] = true;
    }
    let keep = call.node.int("keepdims", 1) != 0;
    let left = own.iter().zip(&gone).filter(|(_, gone)| keep || !**gone);
    let shape = left.map(|(&size, &gone)| if gone { 1 } else { size }).collect();
    Ok(Reduced { gone, shape })
}

fn reduce(call: &Call<'_>, of: Reduction) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    let Reduced { gone, shape } = reduced(call)?;
    let steps = strides(&tensor.shape);
    let part = |wanted: bool| -> (Vec<usize>, Vec<isize>) {
        let axes = (0..gone.len()).filter(|&at| gone[at] == wanted);
        axes.map(|at| (tensor.shape[at], steps[at])).unzip()
    };
    let ((kept_sizes, kept_steps), (gone_sizes, gone_steps)) = (part(false), part(true));
    let inner = places(&gone_sizes, &gone_steps, 0);
    let outer = places(&kept_sizes, &kept_steps, 0);
    let count = inner.len() as f64;
    let each = |values: &dyn Fn(usize) -> f64| -> Vec<f64> {
        outer.iter().map(|&start| of(&mut inner.iter().map(|&at| values(start + at)), count)).collect()
    };
    Ok(match &tensor.values {
        Values::Floats(own) => {
            let reduced = each(&|at| f64::from(own[at]));
            let values = reduced.into_iter().map(|v| v as f32).collect();
            Tensor { element: tensor.element, ..Tensor::from_floats(shape, values) }
        }
        Values::Integers(own) => {
            let reduced = each(&|at| own[at] as f64);
            Tensor::from_integers(tensor.element, shape, reduced.into_iter().map(|v| v as i64).collect())
        }
    })
}

/// Elements before, along and after an axis.
fn runs(shape: &[usize], at: usize) -> (usize, usize, usize) {
    let product = |sizes| elements(sizes).unwrap_or(0);
    (product(&shape[..at]), shape[at], product(&shape[at + 1..]))
}

fn softmax(call: &Call<'_>, logarithm: bool) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    let own = tensor.floats()?;
    let rank = tensor.shape.len();
    // Before version 13 the input was taken as a matrix, cut before the axis.
    let (outer, size, inner) = if call.opset < 13 {
        let at = axis(call.node.int("axis", 1), rank)?;
        let product = |sizes| elements(sizes).unwrap_or(0);
        (product(&tensor.shape[..at]), product(&tensor.shape[at..]), 1)
    } else {
        runs(&tensor.shape, axis(call.node.int("axis", -1), rank)?)
    };
    let mut values = own.to_vec();
    for before in 0..outer {
        for after in 0..inner {
            let at = |place: usize| (before * size + place) * inner + after;
            let most = (0..size).map(|place| own[at(place)]).fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = (0..size).map(|place| (own[at(place)] - most).exp()).sum();
            for place in 0..size {
                let centred = own[at(place)] - most;
                values[at(place)] = if logarithm { centred - sum.ln() } else { centred.exp() / sum };
            }
        }
    }
    Ok(Tensor { element: tensor.element, ..Tensor::from_floats(tensor.shape.clone(), values) })
}

fn cumulated(call: &Call<'_>) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    let at = axis(*call.ints(1)?.first().ok_or("the axis is missing")?, tensor.shape.len())?;
    let (exclusive, reverse) = (call.node.int("exclusive", 0) != 0, call.node.int("reverse", 0) != 0);
    let (outer, size, inner) = runs(&tensor.shape, at);
    let own = tensor.to_floats64();
    let mut sums = vec![0.0; own.len()];
    for before in 0..outer {
        for after in 0..inner {
            let mut sum = 0.0;
            for step in 0..size {
                let place = if reverse { size - 1 - step } else { step };
                let place = (before * size + place) * inner + after;
                let with = sum + own[place];
                sums[place] = if exclusive { sum } else { with };
                sum = with;
            }
        }
    }
    Ok(match &tensor.values {
        Values::Floats(_) => {
            let values = sums.into_iter().map(|v| v as f32).collect();
            Tensor { element: tensor.element, ..Tensor::from_floats(tensor.shape.clone(), values) }
        }
        Values::Integers(_) => {
            let values = sums.into_iter().map(|v| v as i64).collect();
            Tensor::from_integers(tensor.element, tensor.shape.clone(), values)
        }
    })
}

/// The axis of an `ArgMax` and the shape without it.
fn along(call: &Call<'_>) -> Result<(usize, Vec<usize>), Reason> {
    let mut shape = call.shape(0)?.to_vec();
    let at = axis(call.node.int("axis", 0), shape.len())?;
    if call.node.int("keepdims", 1) != 0 {
        shape[at] = 1;
    } else {
        shape.remove(at);
    }
    Ok((at, shape))
}

fn arg(call: &Call<'_>, better: fn(f64, f64) -> bool) -> Result<Tensor, Reason> {
    let (tensor, (at, shape)) = (call.tensor(0)?, along(call)?);
    let (outer, size, inner) = runs(&tensor.shape, at);
    let own = tensor.to_floats64();
    let last = call.node.int("select_last_index", 0) != 0;
    let mut found = Vec::with_capacity(outer * inner);
    for before in 0..outer {
        for after in 0..inner {
            let value = |place: usize| own[(before * size + place) * inner + after];
            let mut best = 0;
            for place in 1..size {
                if better(value(place), value(best)) || (last && value(place) == value(best)) {
                    best = place;
                }
            }
            found.push(best as i64);
        }
    }
    Ok(Tensor::from_integers(ElementType::I64, shape, found))
}

/// The axis of a `TopK`, how many it keeps, and the shape that gives.
fn top(call: &Call<'_>) -> Result<(usize, usize, Vec<usize>), Reason> {
    let mut shape = call.shape(0)?.to_vec();
    let at = axis(call.node.int("axis", -1), shape.len())?;
    let asked = call.ints(1)?.first().and_then(|&k| usize::try_from(k).ok()).filter(|&k| k <= shape[at]);
    let count = asked.ok_or("keeps more than there are")?;
    shape[at] = count;
    Ok((at, count, shape))
}

fn largest(call: &Call<'_>) -> Result<Vec<Tensor>, Reason> {
    let (tensor, (at, count, shape)) = (call.tensor(0)?, top(call)?);
    let (outer, size, inner) = runs(&tensor.shape, at);
    let own = tensor.to_floats64();
    let descending = call.node.int("largest", 1) != 0;
    let kept = outer * count * inner;
    let (mut from, mut order) = (vec![0; kept], vec![0; kept]);
    for before in 0..outer {
        for after in 0..inner {
            let place = |at: usize| (before * size + at) * inner + after;
            let mut all: Vec<usize> = (0..size).collect();
            // Equal ones stay in their order.
            all.sort_by(|&a, &b| {
                let (a, b) = (own[place(a)], own[place(b)]);
                if descending { b.total_cmp(&a) } else { a.total_cmp(&b) }
            });
            for (rank, &at) in all.iter().take(count).enumerate() {
                let to = (before * count + rank) * inner + after;
                (from[to], order[to]) = (place(at), at as i64);
            }
        }
    }
    let values = tensor.select(shape.clone(), &from);
    Ok(vec![values, Tensor::from_integers(ElementType::I64, shape, order)])
}
