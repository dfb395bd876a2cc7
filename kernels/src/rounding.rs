//! Rounding to integers times a step: activations with a learned one, forward and backward, and weights.
//!
//! `s clamp(floor(x / s + 1/2), -zero, top - zero)`. The quotient is computed in double precision, so that an integer is
//! the same wherever it is computed.

use crate::{TASK, parallel};

/// The values of the integers.
///
/// - `range`: `[zero, top]`
pub fn forward(input: &[f32], step: f32, range: [f32; 2]) -> Vec<f32> {
    let mut output = vec![0.0; input.len()];
    parallel::map_chunks(&mut output, TASK, |task, output| {
        let input = &input[task * TASK..task * TASK + output.len()];
        parallel::vectorized(
            #[inline(always)]
            || {
                for (to, x) in output.iter_mut().zip(input) {
                    *to = integer(*x, step, range) as f32 * step;
                }
            },
        );
    });
    output
}

/// The gradients by the input and by the step, which is not yet scaled.
pub fn backward(input: &[f32], step: f32, range: [f32; 2], gradient: &[f32]) -> (Vec<f32>, f64) {
    let mut by_input = vec![0.0; input.len()];
    let [low, high] = bounds(range);
    let tasks: Vec<_> =
        by_input.chunks_mut(TASK).zip(input.chunks(TASK).zip(gradient.chunks(TASK))).collect();
    let sums = parallel::map_items(tasks, |_, (by_input, (input, gradient))| {
        parallel::vectorized(
            #[inline(always)]
            || {
                let mut sum = 0.0_f64;
                for ((to, x), gradient) in by_input.iter_mut().zip(input).zip(gradient) {
                    let ratio = f64::from(*x) / f64::from(step);
                    let inside = ratio >= low && ratio <= high;
                    let rounded = (ratio + 0.5).floor().clamp(low, high);
                    let by_step = if inside { rounded - ratio } else { rounded };
                    sum += by_step * f64::from(*gradient);
                    *to = if inside { *gradient } else { 0.0 };
                }
                sum
            },
        )
    });
    (by_input, sums.iter().sum())
}

fn bounds([zero, top]: [f32; 2]) -> [f64; 2] {
    [f64::from(-zero), f64::from(top - zero)]
}

#[inline(always)]
fn integer(x: f32, step: f32, range: [f32; 2]) -> f64 {
    let [low, high] = bounds(range);
    (f64::from(x) / f64::from(step) + 0.5).floor().clamp(low, high)
}

/// The integer nearest to a quotient of two 32-bit floats; of two the one farther from 0, as `f64::round` gives, which is a
/// call on many processors. Such a quotient plus a half is exact enough.
#[inline(always)]
pub(crate) fn nearest_within(quotient: f64, largest: f64) -> f64 {
    let magnitude = f64::from((quotient.abs() + 0.5).min(largest) as i32);
    magnitude.copysign(quotient)
}

/// The squared errors of weights as integers from `-largest` to `largest`, times a step.
///
/// ```
/// use crossdub_kernels::rounding::squared_error;
///
/// assert_eq!(squared_error(&[1.5, -1.0, 0.75], 0.5, 3.0), 0.25_f64.powi(2));
/// ```
pub fn squared_error(weights: &[f32], step: f64, largest: f64) -> f64 {
    let error = |&weight: &f32| {
        let weight = f64::from(weight);
        (weight - nearest_within(weight / step, largest) * step).powi(2)
    };
    weights.iter().map(error).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_clamped_and_gradients_pass_inside() {
        // 2 bits around an integer of 0 of 1: from -1 to 2 steps of 0.5.
        let (x, range) = ([-2.0, -0.3, 0.2, 0.26, 0.75, 9.0], [1.0, 3.0]);
        assert_eq!(forward(&x, 0.5, range), [-0.5, -0.5, 0.0, 0.5, 1.0, 1.0]);
        let (by_input, by_step) = backward(&x, 0.5, range, &[1.0; 6]);
        assert_eq!(by_input, [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
        let expected = -1.0 + (-1.0 + 0.6) + (0.0 - 0.4) + (1.0 - 0.52) + (2.0 - 1.5) + 2.0;
        assert!((by_step - expected).abs() < 1e-6, "{by_step}");
    }

    /// Many tasks give what one does.
    #[test]
    fn long_inputs_are_divided() {
        let x: Vec<f32> = (0..3 * TASK + 7).map(|at| (at as f32 * 0.37).sin()).collect();
        let (by_input, by_step) = backward(&x, 0.1, [0.0, 7.0], &x);
        let parts: f64 = x.chunks(1000).map(|part| backward(part, 0.1, [0.0, 7.0], part).1).sum();
        assert!((by_step - parts).abs() < 1e-6 * parts.abs().max(1.0));
        assert_eq!(by_input.len(), x.len());
        assert_eq!(forward(&x, 0.1, [0.0, 7.0])[..9], forward(&x[..9], 0.1, [0.0, 7.0]));
    }
}
