//! A matrix product with few columns on the right, as wide as the vector unit at hand.

use pulp::{Simd, WithSimd};

use crate::arch;
use crate::microkernel::{ROWS, VECTORS, multiply_rows, zero};

/// Columns of the right matrix.
pub fn width() -> usize {
    VECTORS * arch::lanes()
}

/// `output[r][w] = sum over k of left[r][k] * right[k][w]`, in the order of k.
///
/// # Panics
/// If the sizes don't fit.
///
/// # Shapes
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, width()]`
/// - `output`: `[rows, width()]`
pub fn product(left: &[f32], right: &[f32], output: &mut [f32]) {
    let (width, depth) = (width(), right.len() / width());
    assert_eq!(right.len(), depth * width, "the right matrix has other columns");
    assert_eq!(left.len() * width, output.len() * depth, "the output has other rows");
    if depth == 0 {
        output.fill(0.0);
    } else {
        arch::dispatch(Work { left, right, output, depth });
    }
}

struct Work<'a> {
    left: &'a [f32],
    right: &'a [f32],
    output: &'a mut [f32],
    depth: usize,
}

impl WithSimd for Work<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Work { left, right, output, depth } = self;
        let width = VECTORS * S::F32_LANES;
        let (right, _) = S::as_simd_f32s(right);
        for (rows, output) in left.chunks(ROWS * depth).zip(output.chunks_mut(ROWS * width)) {
            // Rows past the last are the first again; nothing of them is written.
            let row = |at: usize| rows.chunks_exact(depth).nth(at).unwrap_or(&rows[..depth]);
            let tile = multiply_rows(simd, [row(0), row(1), row(2), row(3)], right, zero(simd));
            for (output, sums) in output.chunks_exact_mut(width).zip(tile) {
                let (output, _) = S::as_mut_simd_f32s(output);
                output.copy_from_slice(&sums);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::noise;

    #[test]
    fn products_are_those_of_plain_loops() {
        for (rows, depth) in [(1, 1), (4, 7), (9, 64), (6, 0), (0, 3)] {
            let (left, right) = (noise(rows * depth, 1), noise(depth * width(), 2));
            let mut output = vec![f32::NAN; rows * width()];
            product(&left, &right, &mut output);
            for (at, value) in output.iter().enumerate() {
                let (row, column) = (at / width(), at % width());
                let exact: f64 = (0..depth)
                    .map(|k| f64::from(left[row * depth + k]) * f64::from(right[k * width() + column]))
                    .sum();
                assert!((f64::from(*value) - exact).abs() < 1e-4, "{rows} x {depth}: {value} {exact}");
            }
        }
    }
}
