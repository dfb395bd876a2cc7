//! Products of integers, and what follows them in the quantized operators.

use super::Call;
use crate::onnx::element::ElementType;
use crate::onnx::tensor::{Reason, Tensor};
use crate::parallel;

/// `a * b` in integers, `[rows, columns]`.
pub(super) fn multiply_integers(
    (rows, columns, terms): (usize, usize, usize),
    a: &[i64],
    b: impl Fn(usize, usize) -> i64,
) -> Vec<i64> {
    let right: Vec<i64> = (0..terms)
        .flat_map(|term| (0..columns).map(move |column| (term, column)))
        .map(|(t, c)| b(t, c))
        .collect();
    let lines = parallel::map(rows, |row| {
        let mut sums = vec![0_i64; columns];
        for (&factor, line) in
            a[row * terms..(row + 1) * terms].iter().zip(right.chunks_exact(columns.max(1)))
        {
            sums.iter_mut()
                .zip(line)
                .for_each(|(sum, &value)| *sum = sum.wrapping_add(factor.wrapping_mul(value)));
        }
        sums
    });
    lines.concat()
}

/// One zero point for each channel, from one or as many.
pub(in crate::onnx) fn zero_points(tensor: &Tensor, channels: usize) -> Result<Vec<i64>, Reason> {
    match tensor.integers()? {
        [one] => Ok(vec![*one; channels]),
        all if all.len() == channels => Ok(all.to_vec()),
        all => Err(format!("{} zero points do not fit {channels} channels", all.len())),
    }
}

/// The quantized outputs of integer sums, times `alpha`: the scales are the input's, the weight's and the output's.
pub(super) fn requantize(
    sums: &[i64],
    ([input, weight, output], alpha): ([&Tensor; 3], f32),
    zero: &Tensor,
    channels: usize,
    channel: impl Fn(usize) -> usize,
) -> Result<Vec<i64>, Reason> {
    let one =
        |scale: &Tensor| scale.floats()?.first().copied().ok_or_else(|| "a scale is missing".to_owned());
    let (input, output, scales) = (one(input)?, one(output)?, weight.floats()?);
    if scales.len() != 1 && scales.len() != channels {
        return Err(format!("{} scales do not fit {channels} channels", scales.len()));
    }
    let factors: Vec<f32> = scales.iter().map(|scale| alpha * input * scale / output).collect();
    let factors = if factors.len() == 1 { vec![factors[0]; channels] } else { factors };
    let (zero, (low, high)) = (zero_points(zero, 1)?[0], zero.element.range());
    let number = |(at, &sum): (usize, &i64)| {
        let scaled = (sum as f32 * factors[channel(at)]).round_ties_even();
        (scaled as i64).saturating_add(zero).clamp(low, high)
    };
    Ok(sums.iter().enumerate().map(number).collect())
}

/// What an integer operator makes of its sums, which are in the output's order.
pub(in crate::onnx) fn finish_integers(
    call: &Call<'_>,
    mut sums: Vec<i64>,
    shape: Vec<usize>,
) -> Result<Tensor, Reason> {
    let op = &*call.node.op;
    if matches!(op, "ConvInteger" | "MatMulInteger") {
        return Ok(Tensor::from_integers(ElementType::I32, shape, sums));
    }
    // Convolutions have their channels second, products last.
    let (count, run) = match (op, &shape[..]) {
        ("QLinearConv", [_, channels, spatial @ ..]) => (*channels, spatial.iter().product::<usize>()),
        _ => (shape.last().copied().unwrap_or(1), 1),
    };
    let channel = |at: usize| at / run.max(1) % count.max(1);
    let (bias, output_scale, output_zero) = match op {
        "QLinearConv" => (Some(8), 6, 7),
        "QGemm" => (Some(6), 7, 8),
        _ => (None, 6, 7),
    };
    if let Some(bias) = bias.map(|at| call.optional(at)).transpose()?.flatten() {
        let bias = bias.integers()?;
        if bias.len() != count {
            return Err(format!("{} biases do not fit {count} channels", bias.len()));
        }
        sums.iter_mut().enumerate().for_each(|(at, sum)| *sum += bias[channel(at)]);
    }
    let (input_scale, weight_scale) = (call.tensor(1)?, call.tensor(4)?);
    let alpha = if op == "QGemm" { call.node.float("alpha", 1.0) } else { 1.0 };
    if call.has(output_scale) {
        let (scales, zero) =
            ([input_scale, weight_scale, call.tensor(output_scale)?], call.tensor(output_zero)?);
        let values = requantize(&sums, (scales, alpha), zero, count, channel)?;
        return Ok(Tensor::from_integers(zero.element, shape, values));
    }
    let (own, scales) = (input_scale.floats()?.first().copied().unwrap_or(1.0), weight_scale.floats()?);
    if scales.len() != 1 && scales.len() != count {
        return Err(format!("{} scales do not fit {count} channels", scales.len()));
    }
    let scale = |at: usize| alpha * own * scales[if scales.len() == 1 { 0 } else { channel(at) }];
    Ok(Tensor::from_floats(shape, sums.iter().enumerate().map(|(at, &sum)| sum as f32 * scale(at)).collect()))
}
