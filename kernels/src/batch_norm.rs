//! Batch normalization in training, with the ReLU behind it.
//!
//! Source: Ioffe and Szegedy, "Batch Normalization", 2015. Variances are those of the batch, not unbiased, as in Burn.

use crate::parallel;

/// Maps are `[batch, channels, pixels]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormShape {
    /// Images.
    pub batch: usize,
    /// Channels, each normalized by itself.
    pub channels: usize,
    /// Pixels of a map.
    pub pixels: usize,
}

/// What a batch's normalization used, for each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchStatistics {
    /// Mean over images and pixels.
    pub mean: Vec<f32>,
    /// Variance over images and pixels.
    pub variance: Vec<f32>,
}

/// Gradients of a normalization.
#[derive(Debug, Clone, PartialEq)]
pub struct NormGradients {
    /// By the input.
    pub input: Vec<f32>,
    /// By the factor, `[channels]`.
    pub gamma: Vec<f32>,
    /// By the summand, `[channels]`.
    pub beta: Vec<f32>,
}

impl NormShape {
    /// The maps of a channel.
    fn maps<'a>(&self, values: &'a [f32], channel: usize) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        values.chunks_exact(self.pixels.max(1)).skip(channel).step_by(self.channels)
    }

    fn count(&self) -> f64 {
        (self.batch * self.pixels) as f64
    }
}

/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta` by the statistics of this batch, cut at zero with `relu`.
///
/// # Shapes
/// - `input`, result: `[batch, channels, pixels]`; `gamma`, `beta`: `[channels]`
pub fn forward(
    shape: &NormShape,
    input: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    relu: bool,
) -> (Vec<f32>, BatchStatistics) {
    let (mean, variance) = parallel::map(shape.channels, |channel| {
        let sum: f64 = shape.maps(input, channel).map(|map| f64::from(vector_sum(map))).sum();
        let mean = (sum / shape.count()) as f32;
        let squares = |map: &[f32]| {
            parallel::vectorized(
                #[inline(always)]
                || super::sum_by(map, |x| (x - mean) * (x - mean)),
            )
        };
        let sum: f64 = shape.maps(input, channel).map(|map| f64::from(squares(map))).sum();
        (mean, (sum / shape.count()) as f32)
    })
    .into_iter()
    .unzip();
    let statistics = BatchStatistics { mean, variance };
    let mut output = vec![0.0; input.len()];
    parallel::map_chunks(&mut output, shape.channels * shape.pixels, |image, output| {
        let input = &input[image * shape.channels * shape.pixels..];
        let maps = output.chunks_exact_mut(shape.pixels.max(1)).zip(input.chunks_exact(shape.pixels.max(1)));
        parallel::vectorized(
            #[inline(always)]
            || {
                for (channel, (output, input)) in maps.enumerate() {
                    let scale = gamma[channel] / (statistics.variance[channel] + epsilon).sqrt();
                    let (mean, beta) = (statistics.mean[channel], beta[channel]);
                    for (to, x) in output.iter_mut().zip(input) {
                        let y = (x - mean) * scale + beta;
                        *to = if relu && y < 0.0 { 0.0 } else { y };
                    }
                }
            },
        );
    });
    (output, statistics)
}

/// `scale * x + shift` of each channel, cut at zero with `relu`: a normalization by known statistics.
///
/// # Shapes
/// - `input`, result: `[batch, channels, pixels]`; `scale`, `shift`: `[channels]`
pub fn scale_and_shift(
    shape: &NormShape,
    input: &[f32],
    scale: &[f32],
    shift: &[f32],
    relu: bool,
) -> Vec<f32> {
    let mut output = vec![0.0; input.len()];
    parallel::map_chunks(&mut output, shape.channels * shape.pixels, |image, output| {
        let input = &input[image * shape.channels * shape.pixels..];
        let maps = output.chunks_exact_mut(shape.pixels.max(1)).zip(input.chunks_exact(shape.pixels.max(1)));
        parallel::vectorized(
            #[inline(always)]
            || {
                for (((output, input), scale), shift) in maps.zip(scale).zip(shift) {
                    for (to, x) in output.iter_mut().zip(input) {
                        let y = x * scale + shift;
                        *to = if relu && y < 0.0 { 0.0 } else { y };
                    }
                }
            },
        );
    });
    output
}

fn vector_sum(map: &[f32]) -> f32 {
    parallel::vectorized(
        #[inline(always)]
        || super::sum(map),
    )
}

/// What the gradients need of the forward pass.
#[derive(Debug, Clone, Copy)]
pub struct NormInputs<'a> {
    /// The input.
    pub input: &'a [f32],
    /// The output, if it was cut at zero.
    pub cut_output: Option<&'a [f32]>,
    /// The factor.
    pub gamma: &'a [f32],
    /// Mean and variance.
    pub statistics: &'a BatchStatistics,
    /// Added to the variance.
    pub epsilon: f32,
}

/// The gradients, from that by the output.
///
/// # Shapes
/// - `gradient`: `[batch, channels, pixels]`
pub fn backward(shape: &NormShape, given: NormInputs<'_>, gradient: &[f32]) -> NormGradients {
    let NormInputs { input, cut_output, gamma, statistics, epsilon } = given;
    let masked;
    let gradient = match cut_output {
        Some(output) => {
            masked = super::mask_positive(gradient, output);
            &masked
        }
        None => gradient,
    };
    let inverse_deviation = |channel: usize| 1.0 / (statistics.variance[channel] + epsilon).sqrt();
    let (gamma_gradient, beta_gradient): (Vec<f32>, Vec<f32>) = parallel::map(shape.channels, |channel| {
        let mean = statistics.mean[channel];
        let (mut products, mut sum) = (0.0_f64, 0.0_f64);
        for (gradient, input) in shape.maps(gradient, channel).zip(shape.maps(input, channel)) {
            sum += f64::from(vector_sum(gradient));
            let product = parallel::vectorized(
                #[inline(always)]
                || super::sum_pairs(gradient, input, |gradient, x| gradient * (x - mean)),
            );
            products += f64::from(product);
        }
        ((products * f64::from(inverse_deviation(channel))) as f32, sum as f32)
    })
    .into_iter()
    .unzip();
    let mut result = vec![0.0; input.len()];
    parallel::map_chunks(&mut result, shape.channels * shape.pixels, |image, result| {
        let start = image * shape.channels * shape.pixels;
        let maps = result.chunks_exact_mut(shape.pixels.max(1));
        let maps = maps.zip(input[start..].chunks_exact(shape.pixels.max(1)));
        let maps = maps.zip(gradient[start..].chunks_exact(shape.pixels.max(1)));
        parallel::vectorized(
            #[inline(always)]
            || {
                for (channel, ((result, input), gradient)) in maps.enumerate() {
                    let inverse = inverse_deviation(channel);
                    let (mean, scale) = (statistics.mean[channel], gamma[channel] * inverse);
                    let slope = gamma_gradient[channel] * inverse / shape.count() as f32;
                    let offset = beta_gradient[channel] / shape.count() as f32;
                    for ((to, x), gradient) in result.iter_mut().zip(input).zip(gradient) {
                        *to = scale * (gradient - offset - (x - mean) * slope);
                    }
                }
            },
        );
    });
    NormGradients { input: result, gamma: gamma_gradient, beta: beta_gradient }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::noise;

    const SHAPE: NormShape = NormShape { batch: 3, channels: 2, pixels: 37 };
    const EPSILON: f32 = 1e-5;

    /// Output in double precision.
    fn normalize(input: &[f64], gamma: &[f64], beta: &[f64], relu: bool) -> Vec<f64> {
        let channel = |at: usize| at / SHAPE.pixels % SHAPE.channels;
        let mean = |of: usize, f: &dyn Fn(f64) -> f64| {
            let values = input.iter().enumerate().filter(|(at, _)| channel(*at) == of);
            values.map(|(_, x)| f(*x)).sum::<f64>() / SHAPE.count()
        };
        let means: Vec<f64> = (0..2).map(|of| mean(of, &|x| x)).collect();
        let variances: Vec<f64> = (0..2).map(|of| mean(of, &|x| (x - means[of]).powi(2))).collect();
        let normalized = input.iter().enumerate().map(|(at, x)| {
            let of = channel(at);
            let y = gamma[of] * (x - means[of]) / (variances[of] + f64::from(EPSILON)).sqrt() + beta[of];
            if relu { y.max(0.0) } else { y }
        });
        normalized.collect()
    }

    fn doubles(values: &[f32]) -> Vec<f64> {
        values.iter().copied().map(f64::from).collect()
    }

    /// Compares the gradients with finite differences of the double-precision function.
    fn check(relu: bool) {
        let input = noise(SHAPE.batch * SHAPE.channels * SHAPE.pixels, 1);
        let (gamma, beta) = (vec![1.5, -0.7], vec![0.2, 0.1]);
        let gradient = noise(input.len(), 2);
        let (output, statistics) = forward(&SHAPE, &input, &gamma, &beta, EPSILON, relu);
        let exact = normalize(&doubles(&input), &doubles(&gamma), &doubles(&beta), relu);
        crate::reference::assert_close(&output, &exact, "output");
        let given = NormInputs {
            input: &input,
            cut_output: relu.then_some(output.as_slice()),
            gamma: &gamma,
            statistics: &statistics,
            epsilon: EPSILON,
        };
        let gradients = backward(&SHAPE, given, &gradient);
        let parts = [&input, &gamma, &beta];
        for (part, found) in [&gradients.input, &gradients.gamma, &gradients.beta].into_iter().enumerate() {
            let exact: Vec<f64> = (0..parts[part].len())
                .map(|at| {
                    let loss = |by: f64| {
                        let mut parts = parts.map(|part| doubles(part));
                        parts[part][at] += by;
                        let output = normalize(&parts[0], &parts[1], &parts[2], relu);
                        output.iter().zip(&gradient).map(|(y, g)| y * f64::from(*g)).sum::<f64>()
                    };
                    (loss(1e-6) - loss(-1e-6)) / 2e-6
                })
                .collect();
            crate::reference::assert_close(found, &exact, "gradient");
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        check(false);
    }

    #[test]
    fn gradients_behind_relu_agree_with_finite_differences() {
        check(true);
    }
}
