//! The Hoyer variance on Burn's CPU backend: the same formula in two passes over a band of tiles that stays in the
//! cache, instead of a dozen passes over the whole weight.

use burn::tensor::{Device, Tensor, TensorData};

use super::HoyerVariance;
use crate::crossbar::hoyer::EPSILON;
use crate::loss::penalty::Penalty;
use crate::parallel;

/// Partial sums kept side by side, so that the compiler can use the vector unit.
const LANES: usize = 16;

/// Value and gradient; `None` on other devices.
///
/// # Shapes
/// - `weight`: `[out, in, kh, kw]`
pub(super) fn evaluate(variance: &HoyerVariance, weight: &Tensor<4>) -> Option<Penalty> {
    let device = weight.device();
    if device != Device::flex() {
        return None;
    }
    let dims = weight.dims();
    let inputs: usize = dims[1..].iter().product();
    let data = weight.clone().into_data();
    let weights = data.as_slice::<f32>().ok().filter(|weights| !weights.is_empty())?;
    let mut gradient = vec![0.0_f32; weights.len()];
    let band = variance.tile.columns * inputs;
    let losses = parallel::map_chunks(&mut gradient, band, |index, gradient| {
        let weights = &weights[index * band..][..gradient.len()];
        parallel::vectorized(
            #[inline(always)]
            || add_band(variance, weights, inputs, gradient),
        )
    });
    let loss = losses.iter().sum::<f64>() as f32;
    Some(Penalty {
        loss: Tensor::from_data(TensorData::new(vec![loss], [1]), &device),
        gradient: Tensor::from_data(TensorData::new(gradient, dims), &device),
    })
}

/// The loss of a band of tiles: up to `tile.columns` outputs of `inputs` weights each. Adds their gradient.
#[inline(always)]
pub(crate) fn add_band(
    variance: &HoyerVariance,
    weights: &[f32],
    inputs: usize,
    gradient: &mut [f32],
) -> f64 {
    let shape = variance.tile;
    let columns = shape.columns as f64;
    let mut loss = 0.0;
    let mut densities: Vec<(f64, f64)> = Vec::with_capacity(shape.columns);
    for start in (0..inputs).step_by(shape.rows) {
        let rows = start..(start + shape.rows).min(inputs);
        densities.clear();
        densities.extend(weights.chunks_exact(inputs).map(|column| {
            let (sum, squares) = sums(&column[rows.clone()]);
            let ratio = sum / (squares + EPSILON);
            (sum * ratio, ratio)
        }));
        // A tile at the edge has padding columns: their density is 0, and they count.
        let padding = columns - densities.len() as f64;
        let mean = densities.iter().map(|(density, _)| density).sum::<f64>() / columns;
        let squared = densities.iter().map(|(density, _)| (density - mean).powi(2)).sum::<f64>()
            + padding * mean * mean;
        loss += squared * variance.lambda / (columns - 1.0);
        if variance.lambda_mean != 0.0 {
            loss += (mean - 1.0) * variance.lambda_mean;
        }
        for (&(density, ratio), (column, out)) in
            densities.iter().zip(weights.chunks_exact(inputs).zip(gradient.chunks_exact_mut(inputs)))
        {
            let gated = if variance.gated { (density - mean).max(0.0) } else { density - mean };
            let mut d_loss_d_density = gated * 4.0 * variance.lambda / (columns - 1.0);
            if variance.lambda_mean != 0.0 {
                d_loss_d_density += 2.0 * variance.lambda_mean / columns;
            }
            let sign_term = (d_loss_d_density * ratio) as f32;
            let weight_term = (d_loss_d_density * ratio * ratio) as f32;
            for (&weight, out) in column[rows.clone()].iter().zip(&mut out[rows.clone()]) {
                let sign = if weight == 0.0 { 0.0 } else { sign_term.copysign(weight * sign_term) };
                *out += sign - weight * weight_term;
            }
        }
    }
    loss
}

/// The sums of magnitudes and of squares.
#[inline(always)]
fn sums(column: &[f32]) -> (f64, f64) {
    let (mut sum, mut squares) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (whole, rest) = column.as_chunks::<LANES>();
    for chunk in whole {
        for lane in 0..LANES {
            sum[lane] += chunk[lane].abs();
            squares[lane] += chunk[lane] * chunk[lane];
        }
    }
    for (lane, weight) in rest.iter().enumerate() {
        sum[lane] += weight.abs();
        squares[lane] += weight * weight;
    }
    let total = |lanes: [f32; LANES]| lanes.iter().map(|&lane| f64::from(lane)).sum();
    (total(sum), total(squares))
}
