//! Resizing images: to the nearest pixel, or linearly between them.

use super::{Call, Shaped, bounded};
use crate::onnx::tensor::{Reason, Tensor, axis, elements};

/// The output's sizes, and by how much each axis grows.
fn target(call: &Call<'_>) -> Result<(Vec<usize>, Vec<f64>), Reason> {
    let own = call.shape(0)?;
    // Version 10's operator takes the scales second, later ones third.
    let upsample = call.node.op == "Upsample" || call.opset < 11;
    let (scales, sizes) = if upsample { (1, usize::MAX) } else { (2, 3) };
    let filled = |at: usize| call.has(at) && call.shape(at).is_ok_and(|shape| shape.first() != Some(&0));
    let axes: Vec<usize> = match call.node.ints("axes") {
        Some(axes) => axes.iter().map(|&at| axis(at, own.len())).collect::<Result<_, _>>()?,
        None => (0..own.len()).collect(),
    };
    let (mut shape, mut factors) = (own.to_vec(), vec![1.0; own.len()]);
    let wrong = || "the new size does not fit the image".to_owned();
    if sizes != usize::MAX && filled(sizes) {
        if call.node.text("keep_aspect_ratio_policy", "stretch") != "stretch" {
            return Err("keeping the aspect ratio is not supported".to_owned());
        }
        let asked = call.ints(sizes)?;
        if asked.len() != axes.len() {
            return Err(wrong());
        }
        for (&at, &size) in axes.iter().zip(asked) {
            shape[at] = usize::try_from(size).map_err(|_| wrong())?;
            factors[at] = size as f64 / own[at].max(1) as f64;
        }
    } else {
        let asked = call.tensor(scales)?.floats()?;
        if asked.len() != axes.len() {
            return Err(wrong());
        }
        for (&at, &scale) in axes.iter().zip(asked) {
            if !(scale > 0.0 && scale.is_finite()) {
                return Err(wrong());
            }
            factors[at] = f64::from(scale);
            shape[at] = (own[at] as f64 * f64::from(scale)).floor() as usize;
        }
    }
    Ok((bounded(shape)?, factors))
}

pub(super) fn infer(call: &Call<'_>) -> Result<Vec<Shaped>, Reason> {
    Ok(vec![(call.input(0)?.element, target(call)?.0)])
}

/// The pixels that one output pixel takes along an axis, and their shares.
type Taps = [(usize, f32); 2];

fn taps(call: &Call<'_>, own: usize, size: usize, factor: f64) -> Result<Vec<Taps>, Reason> {
    let default = if call.node.op == "Upsample" || call.opset < 11 { "asymmetric" } else { "half_pixel" };
    let mode = call.node.text("coordinate_transformation_mode", default);
    let last = own.saturating_sub(1);
    let place = |at: usize| -> Result<f64, Reason> {
        let at = at as f64;
        Ok(match mode {
            "half_pixel" => (at + 0.5) / factor - 0.5,
            "pytorch_half_pixel" if size == 1 => 0.0,
            "pytorch_half_pixel" => (at + 0.5) / factor - 0.5,
            "align_corners" if size == 1 => 0.0,
            "align_corners" => at * last as f64 / (size - 1) as f64,
            "asymmetric" => at / factor,
            other => return Err(format!("coordinates by {other} are not supported")),
        })
    };
    let nearest =
        call.node.text("nearest_mode", if default == "asymmetric" { "floor" } else { "round_prefer_floor" });
    (0..size)
        .map(|at| {
            let place = place(at)?;
            Ok(match call.node.text("mode", "nearest") {
                "nearest" => {
                    let whole = match nearest {
                        "floor" => place.floor(),
                        "ceil" => place.ceil(),
                        "round_prefer_ceil" => (place + 0.5).floor(),
                        _ => (place - 0.5).ceil(),
                    };
                    let pixel = (whole.max(0.0) as usize).min(last);
                    [(pixel, 1.0), (pixel, 0.0)]
                }
                "linear" => {
                    let inside = place.clamp(0.0, last as f64);
                    let first = inside.floor() as usize;
                    let share = (inside - first as f64) as f32;
                    [(first, 1.0 - share), ((first + 1).min(last), share)]
                }
                other => return Err(format!("resizing by {other} is not supported")),
            })
        })
        .collect()
}

pub(super) fn compute(call: &Call<'_>) -> Result<Vec<Tensor>, Reason> {
    let tensor = call.tensor(0)?;
    let (shape, factors) = target(call)?;
    if tensor.len() == 0 {
        return tensor.with_shape(shape).map(|tensor| vec![tensor]);
    }
    if call.node.int("antialias", 0) != 0 {
        return Err("resizing with antialiasing is not supported".to_owned());
    }
    // One axis after another.
    let mut values = tensor.floats()?.to_vec();
    let mut sizes = tensor.shape.clone();
    for at in 0..shape.len() {
        if factors[at] == 1.0 && sizes[at] == shape[at] {
            continue;
        }
        let taps = taps(call, sizes[at], shape[at], factors[at])?;
        let inner = elements(&sizes[at + 1..]).unwrap_or(0);
        let run = sizes[at] * inner;
        let mut resized = Vec::with_capacity(values.len() / run.max(1) * shape[at] * inner);
        for block in values.chunks_exact(run.max(1)) {
            for [(first, one), (second, other)] in &taps {
                let (first, second) = (&block[first * inner..][..inner], &block[second * inner..][..inner]);
                // A share of 0 must not turn an infinite neighbour into NaN.
                resized.extend(
                    first
                        .iter()
                        .zip(second)
                        .map(|(a, b)| if *other == 0.0 { *a } else { a * one + b * other }),
                );
            }
        }
        sizes[at] = shape[at];
        values = resized;
    }
    Ok(vec![Tensor { element: tensor.element, ..Tensor::from_floats(shape, values) }])
}
