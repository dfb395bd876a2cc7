//! Quantization, and the integer operators that onnxruntime adds in its own domain.

use super::integers::{finish_integers, multiply_integers, zero_points};
use super::{Call, Shaped, bounded, unknown};
use crate::onnx::element::ElementType;
use crate::onnx::graph::Node;
use crate::onnx::tensor::{Reason, Tensor, Values, axis, broadcast, broadcast_strides, elements, places};

/// Whether a node is a dequantization.
pub(in crate::onnx) fn is_dequantize(node: &Node) -> bool {
    node.op == "DequantizeLinear" && node.domain.is_empty()
}

pub(super) fn infer(call: &Call<'_>) -> Result<Vec<Shaped>, Reason> {
    let shape = call.shape(0)?.to_vec();
    Ok(match &*call.node.op {
        "DequantizeLinear" => vec![(call.input(1)?.element, shape)],
        "QuantizeLinear" => vec![(quantized_type(call)?, shape)],
        _ => vec![(ElementType::U8, shape), (ElementType::F32, Vec::new()), (ElementType::U8, Vec::new())],
    })
}

fn quantized_type(call: &Call<'_>) -> Result<ElementType, Reason> {
    Ok(if call.has(2) {
        call.input(2)?.element
    } else {
        match call.node.int("output_dtype", 0) {
            0 => ElementType::U8,
            code => ElementType::from_code(i32::try_from(code).unwrap_or(0)),
        }
    })
}

/// Computes the operators of this file that are ONNX's own; `None` if it is another one.
pub(super) fn compute(call: &Call<'_>) -> Option<Result<Vec<Tensor>, Reason>> {
    Some(match &*call.node.op {
        "DequantizeLinear" => dequantize(call).map(|tensor| vec![tensor]),
        "QuantizeLinear" => quantize(call).map(|tensor| vec![tensor]),
        "DynamicQuantizeLinear" => quantize_dynamically(call),
        _ => return None,
    })
}

/// Where each element's scale lies among the scales.
pub(in crate::onnx) fn scale_places(
    node: &Node,
    shape: &[usize],
    scale: &[usize],
) -> Result<Vec<usize>, Reason> {
    let count = elements(shape).unwrap_or(0);
    if elements(scale) == Some(1) {
        return Ok(vec![0; count]);
    }
    let at = axis(node.int("axis", 1), shape.len())?;
    let block = usize::try_from(node.int("block_size", 0)).unwrap_or(0);
    if block > 0 {
        let blocks = |along: usize| if along == at { shape[along].div_ceil(block) } else { shape[along] };
        if scale.len() != shape.len() || (0..shape.len()).any(|along| scale[along] != blocks(along)) {
            return Err(format!("scales {scale:?} do not fit {shape:?} in blocks of {block}"));
        }
        let (inner, size) = (elements(&shape[at + 1..]).unwrap_or(0), shape[at]);
        let place = |element: usize| {
            let (outer, along) = (element / (size * inner), element / inner % size);
            (outer * size.div_ceil(block) + along / block) * inner + element % inner
        };
        return Ok((0..count).map(place).collect());
    }
    if elements(scale) != Some(shape[at]) {
        return Err(format!("{scale:?} scales do not fit axis {at} of {shape:?}"));
    }
    let inner = elements(&shape[at + 1..]).unwrap_or(0);
    Ok((0..count).map(|element| element / inner.max(1) % shape[at]).collect())
}

/// The zero point of each scale.
pub(in crate::onnx) fn zeros_of(zeros: Option<&Tensor>, scales: usize) -> Result<Vec<i64>, Reason> {
    let Some(zeros) = zeros else { return Ok(vec![0; scales]) };
    // Types without a zero point have one of floats.
    if matches!(zeros.values, Values::Floats(_)) {
        return Ok(vec![0; scales]);
    }
    zero_points(zeros, scales)
}

fn dequantize(call: &Call<'_>) -> Result<Tensor, Reason> {
    let (tensor, scale) = (call.tensor(0)?, call.tensor(1)?);
    let from = scale_places(call.node, &tensor.shape, &scale.shape)?;
    let (scales, zeros) = (scale.floats()?, zeros_of(call.optional(2)?, scale.len())?);
    let pairs = tensor.integers()?.iter().zip(from);
    let values = pairs.map(|(&value, at)| (value - zeros[at]) as f32 * scales[at]).collect();
    Ok(Tensor { element: scale.element, ..Tensor::from_floats(tensor.shape.clone(), values) })
}

fn quantize(call: &Call<'_>) -> Result<Tensor, Reason> {
    let (tensor, scale) = (call.tensor(0)?, call.tensor(1)?);
    let element = quantized_type(call)?;
    let from = scale_places(call.node, &tensor.shape, &scale.shape)?;
    let (scales, zeros) = (scale.floats()?, zeros_of(call.optional(2)?, scale.len())?);
    let (low, high) = element.range();
    let numbers = tensor.to_floats();
    let pairs = numbers.iter().zip(from);
    let values = pairs.map(|(&value, at)| {
        ((value / scales[at]).round_ties_even() as i64).saturating_add(zeros[at]).clamp(low, high)
    });
    Ok(Tensor::from_integers(element, tensor.shape.clone(), values.collect()))
}

fn quantize_dynamically(call: &Call<'_>) -> Result<Vec<Tensor>, Reason> {
    let tensor = call.tensor(0)?;
    let own = tensor.floats()?;
    let (low, high) = own.iter().fold((0.0_f32, 0.0_f32), |(low, high), &v| (low.min(v), high.max(v)));
    let scale = if high > low { (high - low) / 255.0 } else { 1.0 };
    let zero = (-low / scale).round_ties_even().clamp(0.0, 255.0) as i64;
    let values =
        own.iter().map(|&v| ((v / scale).round_ties_even() as i64).saturating_add(zero).clamp(0, 255));
    Ok(vec![
        Tensor::from_integers(ElementType::U8, tensor.shape.clone(), values.collect()),
        Tensor::from_floats(Vec::new(), vec![scale]),
        Tensor::from_integers(ElementType::U8, Vec::new(), vec![zero]),
    ])
}

/// The shapes of onnxruntime's own operators.
pub(super) fn infer_other_domain(call: &Call<'_>) -> Result<Vec<Shaped>, Reason> {
    if call.node.domain != "com.microsoft" {
        return Err(unknown(call.node));
    }
    let shape = match &*call.node.op {
        "QLinearAdd" | "QLinearMul" => broadcast(call.shape(0)?, call.shape(3)?)?,
        "QLinearSigmoid" | "QLinearLeakyRelu" => call.shape(0)?.to_vec(),
        "QLinearGlobalAveragePool" => global(call)?.0,
        "QGemm" => {
            let (a, b) = (call.shape(0)?, call.shape(3)?);
            let (&[rows, terms], &[b0, b1]) = (a, b) else { return Err("takes matrices".to_owned()) };
            let (same, columns) = if call.node.int("transB", 0) != 0 { (b1, b0) } else { (b0, b1) };
            if same != terms || call.node.int("transA", 0) != 0 {
                return Err(format!("{a:?} and {b:?} have no product"));
            }
            let shape = bounded(vec![rows, columns])?;
            let element = if call.has(8) { call.input(8)?.element } else { ElementType::F32 };
            return Ok(vec![(element, shape)]);
        }
        "Gelu" | "FastGelu" | "QuickGelu" => call.shape(0)?.to_vec(),
        _ => return Err(unknown(call.node)),
    };
    Ok(vec![(output_element(call)?, bounded(shape)?)])
}

/// The type of a quantized output: that of its zero point, if it has one, else the first input's.
fn output_element(call: &Call<'_>) -> Result<ElementType, Reason> {
    let zero = match &*call.node.op {
        "QLinearAdd" | "QLinearMul" => Some(7),
        "QLinearSigmoid" | "QLinearLeakyRelu" | "QLinearGlobalAveragePool" => Some(4),
        _ => None,
    };
    let at = zero.filter(|&at| call.has(at)).unwrap_or(0);
    Ok(call.input(at)?.element)
}

/// Computes onnxruntime's own operators.
pub(super) fn compute_other_domain(call: &Call<'_>) -> Result<Vec<Tensor>, Reason> {
    let op = &*call.node.op;
    let one = match op {
        "QLinearAdd" => quantized_sum(call)?,
        "QLinearMul" => {
            let (a, b) = (number_of(call, 0)?, number_of(call, 3)?);
            let (shape_a, shape_b) = (call.shape(0)?, call.shape(3)?);
            let shape = broadcast(shape_a, shape_b)?;
            let at = |own: &[usize]| places(&shape, &broadcast_strides(own, &shape), 0);
            let pairs = at(shape_a).into_iter().zip(at(shape_b));
            let values: Vec<f32> = pairs.map(|(i, j)| a[i] * b[j]).collect();
            quantized(call, 6, shape, &values)?
        }
        "QLinearSigmoid" | "QLinearLeakyRelu" => {
            let alpha = call.node.float("alpha", 0.01);
            let of = |v: &f32| {
                if op == "QLinearSigmoid" {
                    super::math::sigmoid(*v)
                } else if *v < 0.0 {
                    alpha * v
                } else {
                    *v
                }
            };
            let values: Vec<f32> = number_of(call, 0)?.iter().map(of).collect();
            quantized(call, 3, call.shape(0)?.to_vec(), &values)?
        }
        "QLinearGlobalAveragePool" => {
            let (shape, size, last) = global(call)?;
            let own = number_of(call, 0)?;
            let channels = elements(&shape).unwrap_or(0);
            // With channels last, a channel's values lie apart.
            let count = call.shape(0)?.last().copied().unwrap_or(1).max(1);
            let start = |channel: usize| {
                if last { channel / count * count * size + channel % count } else { channel * size }
            };
            let step = if last { count } else { 1 };
            let mean = |channel: usize| {
                (0..size).map(|at| own[start(channel) + at * step]).sum::<f32>() / size.max(1) as f32
            };
            let values: Vec<f32> = (0..channels).map(mean).collect();
            quantized(call, 3, shape, &values)?
        }
        "QGemm" => return quantized_gemm(call).map(|tensor| vec![tensor]),
        _ => return Err(unknown(call.node)),
    };
    Ok(vec![one])
}

/// The sum of two quantized tensors, rounded as onnxruntime does: with the scales divided first, and each product
/// added without being rounded itself.
fn quantized_sum(call: &Call<'_>) -> Result<Tensor, Reason> {
    let scale = |at: usize| -> Result<f32, Reason> {
        call.tensor(at)?.floats()?.first().copied().ok_or_else(|| "a scale is missing".to_owned())
    };
    let (a, b) = (call.tensor(0)?, call.tensor(3)?);
    let (factor_a, factor_b) = (scale(1)? / scale(6)?, scale(4)? / scale(6)?);
    let zero = |at: usize| Ok::<_, Reason>(zeros_of(call.optional(at)?, 1)?[0] as f32);
    let fixed = zero(7)? - (factor_a * zero(2)? + factor_b * zero(5)?);
    let fused =
        |factor: f32, value: i64, more: f32| (f64::from(factor) * value as f64 + f64::from(more)) as f32;
    let element = output_element(call)?;
    let (low, high) = element.range();
    let shape = bounded(broadcast(&a.shape, &b.shape)?)?;
    let at = |own: &[usize]| places(&shape, &broadcast_strides(own, &shape), 0);
    let (own_a, own_b) = (a.integers()?, b.integers()?);
    let sums = at(&a.shape).into_iter().zip(at(&b.shape)).map(|(i, j)| {
        let sum = fused(factor_a, own_a[i], fused(factor_b, own_b[j], fixed));
        (sum.round_ties_even() as i64).clamp(low, high)
    });
    let values = sums.collect();
    Ok(Tensor::from_integers(element, shape, values))
}

/// The output's shape of a pooling over everything, the values it takes, and whether channels come last.
fn global(call: &Call<'_>) -> Result<(Vec<usize>, usize, bool), Reason> {
    let own = call.shape(0)?;
    let last = call.node.int("channels_last", 0) != 0;
    if own.len() < 3 {
        return Err("takes images".to_owned());
    }
    let spatial = if last { 1..own.len() - 1 } else { 2..own.len() };
    let size = elements(&own[spatial.clone()]).unwrap_or(0);
    let shape = own.iter().enumerate().map(|(at, &size)| if spatial.contains(&at) { 1 } else { size });
    Ok((shape.collect(), size, last))
}

/// The numbers that the quantized input at `at` stands for; its scale and zero point follow it.
fn number_of(call: &Call<'_>, at: usize) -> Result<Vec<f32>, Reason> {
    let (tensor, scale) = (call.tensor(at)?.integers()?, call.tensor(at + 1)?.floats()?);
    let zero = zeros_of(call.optional(at + 2)?, 1)?[0];
    let scale = *scale.first().ok_or("a scale is missing")?;
    Ok(tensor.iter().map(|&value| (value - zero) as f32 * scale).collect())
}

/// Numbers quantized by the scale at `at` and the zero point behind it.
fn quantized(call: &Call<'_>, at: usize, shape: Vec<usize>, values: &[f32]) -> Result<Tensor, Reason> {
    let scale = *call.tensor(at)?.floats()?.first().ok_or("a scale is missing")?;
    let element = output_element(call)?;
    let (zero, (low, high)) = (zeros_of(call.optional(at + 1)?, 1)?[0], element.range());
    let integer =
        |value: &f32| ((value / scale).round_ties_even() as i64).saturating_add(zero).clamp(low, high);
    Ok(Tensor::from_integers(element, shape, values.iter().map(integer).collect()))
}

fn quantized_gemm(call: &Call<'_>) -> Result<Tensor, Reason> {
    let (_, shape) = infer_other_domain(call)?.swap_remove(0);
    let (rows, columns) = (shape[0], shape[1]);
    let terms = call.shape(0)?[1];
    let zero_a = zeros_of(call.optional(2)?, 1)?[0];
    let zeros_b = zeros_of(call.optional(5)?, columns)?;
    let a: Vec<i64> = call.ints(0)?.iter().map(|&u| u - zero_a).collect();
    let (b, turned) = (call.ints(3)?, call.node.int("transB", 0) != 0);
    let sums = multiply_integers((rows, columns, terms), &a, |term, column| {
        b[if turned { column * terms + term } else { term * columns + column }] - zeros_b[column]
    });
    finish_integers(call, sums, shape)
}

/// The integers that a dequantization takes, less their zero points.
pub(in crate::onnx) fn centred(call: &Call<'_>) -> Result<Tensor, Reason> {
    let (tensor, scale) = (call.tensor(0)?, call.shape(1)?);
    let from = scale_places(call.node, &tensor.shape, scale)?;
    let zeros = zeros_of(call.optional(2)?, elements(scale).unwrap_or(0))?;
    let values = tensor.integers()?.iter().zip(from).map(|(&value, at)| value - zeros[at]).collect();
    Ok(Tensor::from_integers(ElementType::I32, tensor.shape.clone(), values))
}

/// The scale that a dequantization gives each element.
pub(in crate::onnx) fn spread_scales(call: &Call<'_>) -> Result<Tensor, Reason> {
    let (shape, scale) = (call.shape(0)?.to_vec(), call.tensor(1)?);
    let scales = scale.floats()?;
    let values = scale_places(call.node, &shape, &scale.shape)?.into_iter().map(|at| scales[at]).collect();
    Ok(Tensor::from_floats(shape, values))
}

/// The integer that a dequantization takes for 0, for each element.
pub(in crate::onnx) fn spread_zeros(call: &Call<'_>) -> Result<Tensor, Reason> {
    let (shape, scale) = (call.shape(0)?.to_vec(), call.shape(1)?);
    let zeros = zeros_of(call.optional(2)?, elements(scale).unwrap_or(0))?;
    let values = scale_places(call.node, &shape, scale)?.into_iter().map(|at| zeros[at]).collect();
    Ok(Tensor::from_integers(ElementType::I32, shape, values))
}
