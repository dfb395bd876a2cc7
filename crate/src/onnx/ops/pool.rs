//! Pooling.

use super::window::{OUTSIDE, Window};
use super::{Call, Shaped, bounded};
use crate::onnx::element::ElementType;
use crate::onnx::tensor::{Reason, Tensor, Values, elements};

fn window(call: &Call<'_>) -> Result<Option<Window>, Reason> {
    let [_, _, spatial @ ..] = call.shape(0)? else { return Err("takes images".to_owned()) };
    if call.node.op.starts_with("Global") {
        return Ok(None);
    }
    let kernel = call.node.ints("kernel_shape").ok_or("the window is missing")?;
    let kernel: Option<Vec<usize>> = kernel.iter().map(|&size| usize::try_from(size).ok()).collect();
    Window::new(call.node, spatial, &kernel.ok_or("the window is impossible")?).map(Some)
}

pub(super) fn infer(call: &Call<'_>) -> Result<Vec<Shaped>, Reason> {
    let own = call.shape(0)?;
    let shape = match window(call)? {
        Some(window) => [&own[..2], &window.output].concat(),
        None => [&own[..2], &vec![1; own.len() - 2]].concat(),
    };
    let element = call.input(0)?.element;
    let shape = bounded(shape)?;
    // `MaxPool` can tell where its maxima were.
    Ok(vec![(element, shape.clone()), (ElementType::I64, shape)])
}

pub(super) fn compute(call: &Call<'_>) -> Result<Vec<Tensor>, Reason> {
    let tensor = call.tensor(0)?;
    let window = window(call)?;
    let spatial = elements(&tensor.shape[2..]).unwrap_or(0);
    let (table, positions, sizes, output) = match &window {
        Some(window) => {
            let counted = call.node.int("count_include_pad", 0) != 0;
            let sizes = counted.then(|| window.padded_sizes());
            (window.table(), window.positions(), sizes, window.output.clone())
        }
        None => ((0..spatial as u32).collect(), 1, None, vec![1; tensor.shape.len() - 2]),
    };
    let shape = [&tensor.shape[..2], &output].concat();
    let maximum = call.node.op.ends_with("MaxPool");
    let power = (call.node.op == "LpPool").then(|| call.node.int("p", 2) as f32);
    let Values::Floats(own) = &tensor.values else { return integers(call, &table, positions, shape) };
    let mut values = Vec::with_capacity(elements(&shape).unwrap_or(0));
    for plane in own.chunks_exact(spatial.max(1)) {
        for position in 0..positions {
            let places = table[position..].iter().step_by(positions).filter(|&&at| at != OUTSIDE);
            let inside = places.map(|&at| plane[at as usize]);
            values.push(match power {
                Some(power) => inside.map(|v| v.abs().powf(power)).sum::<f32>().powf(power.recip()),
                // NaN stays NaN.
                None if maximum => {
                    inside.fold(f32::NEG_INFINITY, |most, v| if v > most || v.is_nan() { v } else { most })
                }
                None => {
                    let (sum, count) =
                        inside.fold((0.0_f64, 0_usize), |(sum, n), v| (sum + f64::from(v), n + 1));
                    let count = sizes.as_ref().map_or(count, |sizes| sizes[position]);
                    (sum / count.max(1) as f64) as f32
                }
            });
        }
    }
    Ok(vec![Tensor { element: tensor.element, ..Tensor::from_floats(shape, values) }])
}

/// The maxima of quantized images.
fn integers(
    call: &Call<'_>,
    table: &[u32],
    positions: usize,
    shape: Vec<usize>,
) -> Result<Vec<Tensor>, Reason> {
    let tensor = call.tensor(0)?;
    if !call.node.op.ends_with("MaxPool") {
        return Err(format!("takes floats, not {}", tensor.element));
    }
    let spatial = elements(&tensor.shape[2..]).unwrap_or(0);
    let mut values = Vec::with_capacity(elements(&shape).unwrap_or(0));
    for plane in tensor.integers()?.chunks_exact(spatial.max(1)) {
        values.extend((0..positions).map(|position| {
            let places = table[position..].iter().step_by(positions).filter(|&&at| at != OUTSIDE);
            places.map(|&at| plane[at as usize]).max().unwrap_or(tensor.element.range().0)
        }));
    }
    Ok(vec![Tensor::from_integers(tensor.element, shape, values)])
}
