//! What this machine can do at most, to hold the kernels against: multiplications in registers, and copies in memory.

use pulp::{Simd, WithSimd};

use crate::microkernel::{ROWS, VECTORS};
use crate::{arch, parallel};

/// Multiply-adds of each sum in one turn.
const TURN: usize = 1 << 22;

/// Multiplies and adds in registers, on all threads. Returns how many multiply-adds were made.
pub fn multiply_add() -> u64 {
    let threads = parallel::threads();
    let sums =
        parallel::map(threads, |thread| arch::dispatch(MultiplyAdd { factor: 1.0 / (1 + thread) as f32 }));
    // The sums are looked at, or the compiler would leave them out.
    std::hint::black_box(sums);
    (threads * ROWS * VECTORS * TURN * arch::lanes()) as u64
}

struct MultiplyAdd {
    factor: f32,
}

impl WithSimd for MultiplyAdd {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let factor = simd.splat_f32s(std::hint::black_box(self.factor));
        let mut tile = [[factor; VECTORS]; ROWS];
        for _ in 0..TURN {
            for row in &mut tile {
                for sum in row {
                    *sum = simd.mul_add_e_f32s(*sum, factor, factor);
                }
            }
        }
        tile.as_flattened().iter().fold(0.0, |total, sum| total + simd.reduce_sum_f32s(*sum))
    }
}

/// Copies `from`, on all threads.
///
/// # Panics
/// If `to` has another length.
pub fn copy(from: &[f32], to: &mut [f32]) {
    assert_eq!(from.len(), to.len(), "the copy has another length");
    let part = from.len().div_ceil(parallel::threads()).max(1);
    parallel::map_chunks(to, part, |at, to| to.copy_from_slice(&from[at * part..][..to.len()]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_are_copied_and_products_counted() {
        let from: Vec<f32> = (0..1001).map(|at| at as f32).collect();
        let mut to = vec![0.0; from.len()];
        copy(&from, &mut to);
        assert_eq!(from, to);
        assert!(multiply_add() >= (ROWS * VECTORS * TURN) as u64);
    }
}
