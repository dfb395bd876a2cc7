//! The digital products to compare the crossbars with: in integers, and in floats for calibration.

use crate::crossbar::quantize::QuantizedMatrix;
use crate::matrix::Matrix;
use crate::parallel;

/// `sum w * (u - z)` for every output and window: the quantized layer without crossbars and
/// converters.
///
/// # Shapes
/// - `patches`: `[positions, inputs]` integers `u`; `zero` is `z`, the integer of 0
/// - output: `[outputs, positions]`
pub fn integers(weights: &QuantizedMatrix, patches: &[u16], zero: u16) -> Vec<i64> {
    let inputs = weights.cols;
    let largest = |values: &[u16]| values.iter().copied().max().map_or(0, u64::from);
    let weight = weights.data.iter().map(|w| u64::from(w.unsigned_abs())).max().unwrap_or(0);
    // 32 bits suffice for the usual 8-bit layers, and a vector holds twice as many of them.
    let narrow = inputs as u64 * weight * largest(patches) <= i32::MAX as u64;
    parallel::vectorized(
        #[inline(always)]
        || {
            let mut sums = Vec::with_capacity(weights.rows * patches.len() / inputs.max(1));
            for output in 0..weights.rows {
                let row = weights.row(output);
                let shift = i64::from(zero) * row.iter().map(|&w| i64::from(w)).sum::<i64>();
                sums.extend(patches.chunks_exact(inputs).map(|window| {
                    let pairs = row.iter().zip(window);
                    let sum: i64 = if narrow {
                        i64::from(pairs.map(|(&w, &u)| i32::from(w) * i32::from(u)).sum::<i32>())
                    } else {
                        pairs.map(|(&w, &u)| i64::from(w) * i64::from(u)).sum()
                    };
                    sum - shift
                }));
            }
            sums
        },
    )
}

/// `sum w * x` for every output and window.
///
/// # Shapes
/// - `patches`: `[positions, inputs]`
/// - output: `[outputs, positions]`
pub fn floats(weights: &Matrix, patches: &[f32]) -> Vec<f32> {
    const LANES: usize = 16;
    parallel::vectorized(
        #[inline(always)]
        || {
            let mut sums = Vec::with_capacity(weights.rows * patches.len() / weights.cols.max(1));
            for output in 0..weights.rows {
                let (row, rest) = weights.row(output).as_chunks::<LANES>();
                sums.extend(patches.chunks_exact(weights.cols).map(|window| {
                    let (window, window_rest) = window.as_chunks::<LANES>();
                    let mut lanes = [0.0_f32; LANES];
                    for (w, x) in row.iter().zip(window) {
                        for lane in 0..LANES {
                            lanes[lane] += w[lane] * x[lane];
                        }
                    }
                    let rest: f32 = rest.iter().zip(window_rest).map(|(w, x)| w * x).sum();
                    lanes.iter().sum::<f32>() + rest
                }));
            }
            sums
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_correct_in_32_and_64_bits() {
        let weights = QuantizedMatrix { rows: 2, cols: 2, data: vec![1, -2, 3, 0], scales: vec![1.0; 2] };
        assert_eq!(integers(&weights, &[5, 6, 7, 8], 1), [4 - 10, 6 - 14, 12, 18]);
        let data = vec![i16::MAX; 4];
        let wide = QuantizedMatrix { data, ..weights };
        assert_eq!(integers(&wide, &[65_535, 65_535], 0), [2 * 65_535 * 32_767; 2]);
        let matrix = Matrix::new("w", 1, 20, (0..20).map(|i| i as f32).collect()).expect("fits");
        assert_eq!(floats(&matrix, &[0.5; 40]), [95.0; 2]);
    }
}
