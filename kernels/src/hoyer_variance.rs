//! The variance of Hoyer densities over the columns of crossbar tiles, and its gradient: the D.U.B. regularizer, in two
//! passes over a band of tiles that stays in the cache.

use std::ops::Range;

/// Values that are summed side by side. A column of a tile is short: with twice as many, adding them up takes longer than the sums.
const LANES: usize = 8;

/// A regularizer on tiles of this shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoyerVariance {
    /// Weight of the variance.
    pub lambda: f64,
    /// Weight of the mean.
    pub lambda_mean: f64,
    /// Whether the variance only thins columns denser than the mean.
    pub gated: bool,
    /// Added to a column's sum of squares.
    pub epsilon: f64,
    /// Rows of a tile.
    pub rows: usize,
    /// Columns of a tile.
    pub columns: usize,
}

impl HoyerVariance {
    /// The loss of a band of tiles: up to `columns` outputs of `inputs` weights each. Adds their gradient, and hands each
    /// output's, with its range, to `after` while it is in the cache. Callers run it in [`crate::parallel::vectorized`].
    ///
    /// # Shapes
    /// - `weights`, `gradient`: `[outputs, inputs]`
    #[inline(always)]
    pub fn add_band(
        &self,
        weights: &[f32],
        inputs: usize,
        gradient: &mut [f32],
        mut after: impl FnMut(Range<usize>, &mut [f32]),
    ) -> f64 {
        let columns = self.columns as f64;
        let (tiles, outputs) = (inputs.div_ceil(self.rows), weights.len() / inputs.max(1));
        // Column by column, as the weights lie: a tile's part of each is too short to be fetched in advance.
        let mut densities = vec![(0.0, 0.0); tiles * outputs];
        for (output, column) in weights.chunks_exact(inputs).enumerate() {
            for (tile, part) in column.chunks(self.rows).enumerate() {
                let (sum, squares) = sums(part);
                let ratio = sum / (squares + self.epsilon);
                densities[tile * outputs + output] = (sum * ratio, ratio);
            }
        }
        let mut loss = 0.0;
        let mut means = vec![0.0; tiles];
        for (mean, densities) in means.iter_mut().zip(densities.chunks_exact(outputs.max(1))) {
            // A tile at the edge has padding columns: their density is 0, and they count.
            let padding = columns - outputs as f64;
            *mean = densities.iter().map(|(density, _)| density).sum::<f64>() / columns;
            let squared = densities.iter().map(|(density, _)| (density - *mean).powi(2)).sum::<f64>()
                + padding * *mean * *mean;
            loss += squared * self.lambda / (columns - 1.0);
            if self.lambda_mean != 0.0 {
                loss += (*mean - 1.0) * self.lambda_mean;
            }
        }
        let of_columns = weights.chunks_exact(inputs).zip(gradient.chunks_exact_mut(inputs));
        for (output, (column, out)) in of_columns.enumerate() {
            let parts = column.chunks(self.rows).zip(out.chunks_mut(self.rows));
            for (tile, (part, out)) in parts.enumerate() {
                let (density, ratio) = densities[tile * outputs + output];
                let deviation = density - means[tile];
                let gated = if self.gated { deviation.max(0.0) } else { deviation };
                let mut d_loss_d_density = gated * 4.0 * self.lambda / (columns - 1.0);
                if self.lambda_mean != 0.0 {
                    d_loss_d_density += 2.0 * self.lambda_mean / columns;
                }
                if d_loss_d_density != 0.0 {
                    let sign_term = (d_loss_d_density * ratio) as f32;
                    let weight_term = (d_loss_d_density * ratio * ratio) as f32;
                    add_gradient(part, sign_term, weight_term, out);
                }
            }
            after(output * inputs..(output + 1) * inputs, out);
        }
        loss
    }
}

/// Adds `sign_term * sign(w) - weight_term * w` to each value.
#[inline(always)]
fn add_gradient(column: &[f32], sign_term: f32, weight_term: f32, out: &mut [f32]) {
    for (weight, out) in column.iter().zip(out) {
        let sign = if *weight == 0.0 { 0.0 } else { sign_term.copysign(*weight * sign_term) };
        *out += sign - *weight * weight_term;
    }
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
    (total(sum), total(squares))
}

/// The sum of all lanes in double precision, half to half: each addition waits for four others only.
#[inline(always)]
fn total(lanes: [f32; LANES]) -> f64 {
    let mut sums = [0.0_f64; LANES];
    for lane in 0..LANES {
        sums[lane] = f64::from(lanes[lane]);
    }
    for half in [4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::noise;

    #[test]
    fn the_gradient_agrees_with_finite_differences() {
        let variance = HoyerVariance {
            lambda: 0.3,
            lambda_mean: 0.1,
            gated: false,
            epsilon: 1e-6,
            rows: 20,
            columns: 4,
        };
        let (inputs, outputs) = (45, 3);
        let weights: Vec<f32> =
            noise(inputs * outputs, 1).iter().map(|weight| weight + 0.1_f32.copysign(*weight)).collect();
        let mut gradient = vec![0.0; weights.len()];
        let mut handed_on = 0..0;
        variance.add_band(&weights, inputs, &mut gradient, |range, output| {
            assert_eq!((range.start, range.len()), (handed_on.end, output.len()));
            handed_on.end = range.end;
        });
        assert_eq!(handed_on, 0..weights.len());
        for at in 0..weights.len() {
            let step = 1e-2;
            let moved = |step: f32| {
                let mut weights = weights.clone();
                weights[at] += step;
                variance.add_band(&weights, inputs, &mut vec![0.0; weights.len()], |_, _| ())
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            let difference = (slope - f64::from(gradient[at])).abs();
            assert!(difference < 1e-3 + 1e-2 * slope.abs(), "{at}: {slope} {}", gradient[at]);
        }
    }

    #[test]
    fn lanes_are_summed_completely() {
        assert_eq!(sums(&[1.0, -2.0, 3.0]), (6.0, 14.0));
        let column: Vec<f32> = (0..35).map(|at| at as f32).collect();
        assert_eq!(sums(&column), (595.0, 13_685.0));
    }
}
