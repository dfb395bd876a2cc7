//! The loops that Crossdub spends its time in: convolution, pooling and batch normalization on the CPU, forward and
//! backward, the regularizer, the conversions of simulated crossbars, and integers with few set cells, on plain slices.
//!
//! Burn's CPU backend computes a convolution as general matrix products over copies of the images, and a normalization
//! as a dozen elementwise passes; two thirds of a training step move data. These kernels gather pixels block by block,
//! and take one or two passes. `crossdub` makes them operations of Burn's backend with gradients. The loops are
//! compiled for AVX-512, AVX2 and the baseline by `pulp`, and for the browser's 128 bits, without unsafe code here.
//! [`parallel`] spreads them over the cores.

mod arch;
pub mod batch_norm;
pub mod bit_serial;
pub mod column_projection;
pub mod convolution;
mod division;
mod gather;
pub mod hoyer_variance;
pub mod matrix_product;
mod microkernel;
pub mod parallel;
#[cfg(not(target_arch = "wasm32"))]
pub mod peak;
pub mod pooling;
mod product;
#[cfg(test)]
mod reference;
pub mod rounding;
pub mod transpose;
pub mod weight_gradient;
mod winograd;

/// Running sums that a loop keeps side by side, so that it can use vectors.
const LANES: usize = 16;
/// Elements of a task that touches each once.
const TASK: usize = 1 << 16;

/// The sum of values, in a fixed order.
#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    sum_by(values, |x| x)
}

/// The sum of a function of each value, in a fixed order.
#[inline(always)]
fn sum_by(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += f(*x);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| f(*x)).sum::<f32>()
}

/// The sum of a function of pairs of values, in a fixed order.
#[inline(always)]
fn sum_pairs(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let ((chunks_a, rest_a), (chunks_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in chunks_a.iter().zip(chunks_b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f(*a, *b);
        }
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| f(*a, *b)).sum::<f32>()
}

/// The gradient before a ReLU: that behind it where its output is positive.
pub fn mask_positive(gradient: &[f32], output: &[f32]) -> Vec<f32> {
    let mut result = vec![0.0; gradient.len()];
    parallel::map_chunks(&mut result, TASK, |task, result| {
        let range = task * TASK..task * TASK + result.len();
        parallel::vectorized(
            #[inline(always)]
            || {
                for ((to, gradient), output) in
                    result.iter_mut().zip(&gradient[range.clone()]).zip(&output[range])
                {
                    *to = if *output > 0.0 { *gradient } else { 0.0 };
                }
            },
        );
    });
    result
}

/// `a + b`, cut at zero.
pub fn add_relu(a: &[f32], b: &[f32]) -> Vec<f32> {
    let mut result = vec![0.0; a.len()];
    parallel::map_chunks(&mut result, TASK, |task, result| {
        let range = task * TASK..task * TASK + result.len();
        parallel::vectorized(
            #[inline(always)]
            || {
                for ((to, a), b) in result.iter_mut().zip(&a[range.clone()]).zip(&b[range]) {
                    let sum = a + b;
                    *to = if sum < 0.0 { 0.0 } else { sum };
                }
            },
        );
    });
    result
}
