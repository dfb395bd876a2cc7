//! Normalizations.

use super::{Call, Shaped};
use crate::onnx::element::ElementType;
use crate::onnx::tensor::{Reason, Tensor, axis, broadcast, broadcast_strides, elements, places};

/// The types and shapes that an operator of this file gives; `None` if it is another one.
pub(super) fn infer(call: &Call<'_>) -> Option<Result<Vec<Shaped>, Reason>> {
    let same = || Ok((call.input(0)?.element, call.shape(0)?.to_vec()));
    match &*call.node.op {
        "BatchNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "RMSNormalization"
        | "LRN"
        | "LpNormalization"
        | "MeanVarianceNormalization" => Some(same().map(|same| vec![same])),
        "LayerNormalization" => Some(same().and_then(|(element, shape)| {
            let at = axis(call.node.int("axis", -1), shape.len())?;
            let mut statistics = shape.clone();
            statistics[at..].fill(1);
            let statistics = (ElementType::F32, statistics);
            Ok(vec![(element, shape), statistics.clone(), statistics])
        })),
        _ => None,
    }
}

/// Computes an operator of this file; `None` if it is another one.
pub(super) fn compute(call: &Call<'_>) -> Option<Result<Vec<Tensor>, Reason>> {
    let one = match &*call.node.op {
        "BatchNormalization" => batch(call),
        "InstanceNormalization" => instance(call),
        "GroupNormalization" => group(call),
        "LayerNormalization" => layer(call, true),
        "RMSNormalization" => layer(call, false),
        "LRN" => local_response(call),
        "LpNormalization" => lp(call),
        "MeanVarianceNormalization" => mean_variance(call),
        _ => return None,
    };
    Some(one.map(|tensor| vec![tensor]))
}

fn finished(tensor: &Tensor, values: Vec<f32>) -> Tensor {
    Tensor { element: tensor.element, ..Tensor::from_floats(tensor.shape.clone(), values) }
}

/// Images, channels and values of a channel.
fn channels(tensor: &Tensor) -> Result<(usize, usize, usize), Reason> {
    match &tensor.shape[..] {
        [images, channels, rest @ ..] => Ok((*images, *channels, elements(rest).unwrap_or(0))),
        _ => Err("takes channels".to_owned()),
    }
}

/// A list of one number for each of `count`.
fn each<'a>(call: &'a Call<'_>, at: usize, count: usize) -> Result<&'a [f32], Reason> {
    let values = call.tensor(at)?.floats()?;
    if values.len() == count {
        Ok(values)
    } else {
        Err(format!("input {at} has {} values, not {count}", values.len()))
    }
}

fn batch(call: &Call<'_>) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    if call.node.int("training_mode", 0) != 0 {
        return Err("batch normalization in training mode is not supported".to_owned());
    }
    let (_, count, size) = channels(tensor)?;
    let (scale, bias) = (each(call, 1, count)?, each(call, 2, count)?);
    let (mean, variance) = (each(call, 3, count)?, each(call, 4, count)?);
    let epsilon = call.node.float("epsilon", 1e-5);
    let mut values = tensor.floats()?.to_vec();
    for (at, plane) in values.chunks_exact_mut(size.max(1)).enumerate() {
        let channel = at % count.max(1);
        let factor = scale[channel] / (variance[channel] + epsilon).sqrt();
        plane.iter_mut().for_each(|value| *value = (*value - mean[channel]) * factor + bias[channel]);
    }
    Ok(finished(tensor, values))
}

/// Mean and `1 / sqrt(variance + epsilon)` of a run.
fn statistics(run: &[f32], epsilon: f32) -> (f64, f64) {
    let count = run.len().max(1) as f64;
    let mean = run.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let variance = run.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    (mean, 1.0 / (variance + f64::from(epsilon)).sqrt())
}

fn instance(call: &Call<'_>) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    let (_, count, size) = channels(tensor)?;
    let (scale, bias) = (each(call, 1, count)?, each(call, 2, count)?);
    let mut values = tensor.floats()?.to_vec();
    for (at, plane) in values.chunks_exact_mut(size.max(1)).enumerate() {
        let (mean, factor) = statistics(plane, call.node.float("epsilon", 1e-5));
        let channel = at % count.max(1);
        let (scale, bias) = (f64::from(scale[channel]), f64::from(bias[channel]));
        plane
            .iter_mut()
            .for_each(|value| *value = ((f64::from(*value) - mean) * factor * scale + bias) as f32);
    }
    Ok(finished(tensor, values))
}

fn group(call: &Call<'_>) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    let (_, count, size) = channels(tensor)?;
    let groups =
        usize::try_from(call.node.int("num_groups", 0)).ok().filter(|&g| g > 0 && count.is_multiple_of(g));
    let groups = groups.ok_or_else(|| format!("{count} channels can't be divided into its groups"))?;
    let (scale, bias) = (call.tensor(1)?.floats()?, call.tensor(2)?.floats()?);
    // Until version 21 there was one scale for each group.
    let each = if scale.len() == groups && groups != count { count / groups } else { 1 };
    if scale.len() * each != count || bias.len() != scale.len() {
        return Err(format!("{} scales do not fit {count} channels", scale.len()));
    }
    let mut values = tensor.floats()?.to_vec();
    for (at, run) in values.chunks_exact_mut((count / groups * size).max(1)).enumerate() {
        let (mean, factor) = statistics(run, call.node.float("epsilon", 1e-5));
        for (plane, values) in run.chunks_exact_mut(size.max(1)).enumerate() {
            let channel = (at % groups * (count / groups) + plane) / each;
            let (scale, bias) = (f64::from(scale[channel]), f64::from(bias[channel]));
            values.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) * factor * scale + bias) as f32);
        }
    }
    Ok(finished(tensor, values))
}

/// Normalizes the last axes; without `centred` by the root of the mean square alone.
fn layer(call: &Call<'_>, centred: bool) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    let at = axis(call.node.int("axis", -1), tensor.shape.len())?;
    let own = &tensor.shape[at..];
    let size = elements(own).unwrap_or(0);
    let spread = |at: usize| -> Result<Option<Vec<f32>>, Reason> {
        let Some(given) = call.optional(at)? else { return Ok(None) };
        if broadcast(&given.shape, own)? != own {
            return Err(format!("input {at} of {:?} does not fit {own:?}", given.shape));
        }
        let values = given.floats()?;
        Ok(Some(
            places(own, &broadcast_strides(&given.shape, own), 0).into_iter().map(|at| values[at]).collect(),
        ))
    };
    let (scale, bias) = (spread(1)?, if centred { spread(2)? } else { None });
    let epsilon = call.node.float("epsilon", 1e-5);
    let mut values = tensor.floats()?.to_vec();
    for run in values.chunks_exact_mut(size.max(1)) {
        let (mean, factor) = if centred {
            statistics(run, epsilon)
        } else {
            let squares = run.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
            (0.0, 1.0 / (squares / size.max(1) as f64 + f64::from(epsilon)).sqrt())
        };
        for (at, value) in run.iter_mut().enumerate() {
            let scale = scale.as_ref().map_or(1.0, |scale| f64::from(scale[at]));
            let bias = bias.as_ref().map_or(0.0, |bias| f64::from(bias[at]));
            *value = ((f64::from(*value) - mean) * factor * scale + bias) as f32;
        }
    }
    Ok(finished(tensor, values))
}

fn local_response(call: &Call<'_>) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    let (images, count, size) = channels(tensor)?;
    let reach =
        usize::try_from(call.node.int("size", 0)).ok().filter(|&n| n > 0).ok_or("its size is missing")?;
    let (alpha, beta) = (call.node.float("alpha", 1e-4), call.node.float("beta", 0.75));
    let bias = call.node.float("bias", 1.0);
    let own = tensor.floats()?;
    let mut values = own.to_vec();
    for image in 0..images {
        for channel in 0..count {
            let (first, last) =
                (channel.saturating_sub((reach - 1) / 2), (channel + reach / 2).min(count - 1));
            for place in 0..size {
                let at = |channel: usize| (image * count + channel) * size + place;
                let squares: f32 = (first..=last).map(|other| own[at(other)].powi(2)).sum();
                values[at(channel)] /= (bias + alpha / reach as f32 * squares).powf(beta);
            }
        }
    }
    Ok(finished(tensor, values))
}

fn lp(call: &Call<'_>) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    let at = axis(call.node.int("axis", -1), tensor.shape.len())?;
    let (size, inner) = (tensor.shape[at], elements(&tensor.shape[at + 1..]).unwrap_or(0));
    let squared = call.node.int("p", 2) == 2;
    let mut values = tensor.floats()?.to_vec();
    for block in values.chunks_exact_mut((size * inner).max(1)) {
        for column in 0..inner {
            let run = block[column..].iter().step_by(inner).map(|&v| f64::from(v));
            let norm = if squared { run.map(|v| v * v).sum::<f64>().sqrt() } else { run.map(f64::abs).sum() };
            if norm > 0.0 {
                block[column..].iter_mut().step_by(inner).for_each(|v| *v = (f64::from(*v) / norm) as f32);
            }
        }
    }
    Ok(finished(tensor, values))
}

fn mean_variance(call: &Call<'_>) -> Result<Tensor, Reason> {
    let tensor = call.tensor(0)?;
    if call.node.ints("axes").is_some_and(|axes| axes != [0, 2, 3]) || tensor.shape.len() != 4 {
        return Err("normalizes other axes than 0, 2 and 3".to_owned());
    }
    let (images, count, size) = channels(tensor)?;
    let mut values = tensor.floats()?.to_vec();
    for channel in 0..count {
        let plane = |image: usize| (image * count + channel) * size..(image * count + channel + 1) * size;
        let all: Vec<f32> = (0..images)
            .flat_map(|image| tensor.floats().unwrap_or_default()[plane(image)].to_vec())
            .collect();
        let (mean, _) = statistics(&all, 0.0);
        let deviation = (all.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>()
            / all.len().max(1) as f64)
            .sqrt();
        for image in 0..images {
            let run = &mut values[plane(image)];
            run.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) / (deviation + 1e-9)) as f32);
        }
    }
    Ok(finished(tensor, values))
}
