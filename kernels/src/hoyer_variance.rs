//! The variance of Hoyer densities over the columns of crossbar tiles, and its gradient: the D.U.B. regularizer, in two
//! passes over parts of a band of tiles that stay in the cache.

use std::ops::Range;

/// Values that are summed side by side. A column of a tile is short: with twice as many, adding them up takes longer than the sums.
const LANES: usize = 8;
/// Inputs of a band that are taken at once, in whole tiles: enough of a column to be fetched in advance, and few enough that a
/// band's weights and gradients stay in a core's cache until their step is taken.
const PART: usize = 2048;

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
    /// The loss of a band of tiles: up to `columns` outputs of `inputs` weights each. Adds their gradient, and hands each piece
    /// of it, with its range, to `after` while it is in the cache. Callers run it in [`crate::parallel::vectorized`].
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
        let tiles = (PART / self.rows).max(1);
        let outputs = weights.len() / inputs.max(1);
        let mut densities = vec![(0.0, 0.0); tiles * outputs];
        let mut means = vec![0.0; tiles];
        let mut loss = 0.0;
        for first in (0..inputs).step_by(tiles * self.rows) {
            let width = (tiles * self.rows).min(inputs - first);
            let piece = |output: usize| output * inputs + first..output * inputs + first + width;
            for output in 0..outputs {
                for (tile, part) in weights[piece(output)].chunks(self.rows).enumerate() {
                    let (sum, squares) = sums(part);
                    let ratio = sum / (squares + self.epsilon);
                    densities[tile * outputs + output] = (sum * ratio, ratio);
                }
            }
            let of_tiles = densities.chunks_exact(outputs.max(1)).take(width.div_ceil(self.rows));
            for (mean, densities) in means.iter_mut().zip(of_tiles) {
                loss += self.tile(densities, mean);
            }
            for output in 0..outputs {
                let range = piece(output);
                let out = &mut gradient[range.clone()];
                let parts = weights[range.clone()].chunks(self.rows).zip(out.chunks_mut(self.rows));
                for (tile, (part, out)) in parts.enumerate() {
                    self.add_column(part, densities[tile * outputs + output], means[tile], out);
                }
                after(range, out);
            }
        }
        loss
    }

    /// A tile's loss and mean density.
    #[inline(always)]
    fn tile(&self, densities: &[(f64, f64)], mean: &mut f64) -> f64 {
        let columns = self.columns as f64;
        // A tile at the edge has padding columns: their density is 0, and they count.
        let padding = columns - densities.len() as f64;
        *mean = densities.iter().map(|(density, _)| density).sum::<f64>() / columns;
        let squared = densities.iter().map(|(density, _)| (density - *mean).powi(2)).sum::<f64>()
            + padding * *mean * *mean;
        let of_mean = if self.lambda_mean == 0.0 { 0.0 } else { (*mean - 1.0) * self.lambda_mean };
        squared * self.lambda / (columns - 1.0) + of_mean
    }

    /// Adds the gradient of a tile's column of this density, `S^2 / Q` and `S / Q`.
    #[inline(always)]
    fn add_column(&self, column: &[f32], (density, ratio): (f64, f64), mean: f64, out: &mut [f32]) {
        let columns = self.columns as f64;
        let deviation = density - mean;
        let gated = if self.gated { deviation.max(0.0) } else { deviation };
        let mut d_loss_d_density = gated * 4.0 * self.lambda / (columns - 1.0);
        if self.lambda_mean != 0.0 {
            d_loss_d_density += 2.0 * self.lambda_mean / columns;
        }
        if d_loss_d_density != 0.0 {
            let sign_term = (d_loss_d_density * ratio) as f32;
            let weight_term = (d_loss_d_density * ratio * ratio) as f32;
            add_gradient(column, sign_term, weight_term, out);
        }
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
        let mut pieces = 0;
        variance.add_band(&weights, inputs, &mut gradient, |range, piece| {
            assert_eq!(range.len(), piece.len());
            pieces += piece.len();
        });
        assert_eq!(pieces, weights.len(), "every weight is handed on once");
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

    /// Tiles along the inputs don't know of each other, wherever the parts of a band end.
    #[test]
    fn parts_of_a_band_are_cut_between_tiles() {
        let variance =
            HoyerVariance { lambda: 0.3, lambda_mean: 0.1, gated: true, epsilon: 1e-6, rows: 24, columns: 4 };
        let (inputs, outputs) = (2 * PART + 500, 3);
        let weights = noise(inputs * outputs, 7);
        let mut gradient = vec![0.0; weights.len()];
        let loss = variance.add_band(&weights, inputs, &mut gradient, |_, _| ());
        let mut sum = 0.0;
        for first in (0..inputs).step_by(variance.rows) {
            let width = variance.rows.min(inputs - first);
            let tile = |values: &[f32]| -> Vec<f32> {
                values.chunks(inputs).flat_map(|column| column[first..first + width].to_vec()).collect()
            };
            let mut alone = vec![0.0; width * outputs];
            sum += variance.add_band(&tile(&weights), width, &mut alone, |_, _| ());
            assert!(alone == tile(&gradient), "the tile from input {first}");
        }
        assert!((loss - sum).abs() < 1e-9 * sum.abs(), "{loss} {sum}");
    }

    #[test]
    fn lanes_are_summed_completely() {
        assert_eq!(sums(&[1.0, -2.0, 3.0]), (6.0, 14.0));
        let column: Vec<f32> = (0..35).map(|at| at as f32).collect();
        assert_eq!(sums(&column), (595.0, 13_685.0));
    }
}
