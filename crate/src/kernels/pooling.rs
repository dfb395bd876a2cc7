//! Maximum pooling that keeps which pixel of each window won.

use crate::parallel;

/// A window and its step. Maps are `[batch, channels, height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolShape {
    /// Maps: images times channels.
    pub maps: usize,
    /// Height and width of the input, in pixels.
    pub input_size: [usize; 2],
    /// Height and width of the window, at most 15 each.
    pub window: [usize; 2],
    /// Step in each direction.
    pub stride: [usize; 2],
    /// Pixels on each side that never win.
    pub padding: [usize; 2],
}

/// The winner of a window that ReLU cut to zero.
const CUT: u8 = u8::MAX;

impl PoolShape {
    /// Height and width of the output, in pixels.
    pub fn output_size(&self) -> [usize; 2] {
        [0, 1].map(|at| {
            (self.input_size[at] + 2 * self.padding[at]).saturating_sub(self.window[at]) / self.stride[at] + 1
        })
    }
}

/// The largest value of each window, cut at zero with `relu`, and its position in the window: row by row, or
/// [`u8::MAX`] if it was cut. The first of equal values wins; a NaN wins.
///
/// # Shapes
/// - `input`: `[maps, height, width]`; results: `[maps, output height, output width]`
pub fn forward(shape: &PoolShape, input: &[f32], relu: bool) -> (Vec<f32>, Vec<u8>) {
    let [height, width] = shape.output_size();
    let [input_height, input_width] = shape.input_size;
    let (map, input_map) = (height * width, input_height * input_width);
    let mut cells = vec![(0.0, 0); shape.maps * map];
    parallel::map_chunks(&mut cells, map, |at, cells| {
        let input = &input[at * input_map..(at + 1) * input_map];
        parallel::vectorized(|| {
            for (y, row) in cells.chunks_exact_mut(width).enumerate() {
                for (x, cell) in row.iter_mut().enumerate() {
                    *cell = winner(shape, input, y, x);
                    if relu && cell.0 <= 0.0 {
                        *cell = (0.0, CUT);
                    }
                }
            }
        });
    });
    cells.into_iter().unzip()
}

#[inline(always)]
fn winner(shape: &PoolShape, input: &[f32], y: usize, x: usize) -> (f32, u8) {
    let [height, width] = shape.input_size;
    let mut best = (f32::NEG_INFINITY, 0);
    for row in 0..shape.window[0] {
        let from = y * shape.stride[0] + row;
        let Some(from) = from.checked_sub(shape.padding[0]).filter(|from| *from < height) else { continue };
        for column in 0..shape.window[1] {
            let at = x * shape.stride[1] + column;
            let Some(at) = at.checked_sub(shape.padding[1]).filter(|at| *at < width) else { continue };
            let value = input[from * width + at];
            if value > best.0 || value.is_nan() {
                best = (value, (row * shape.window[1] + column) as u8);
            }
        }
    }
    best
}

/// The gradient by the input, from that by the output and the winners.
///
/// # Shapes
/// - `gradient`, `winners`: `[maps, output height, output width]`; result: `[maps, height, width]`
pub fn backward(shape: &PoolShape, gradient: &[f32], winners: &[u8]) -> Vec<f32> {
    let [height, width] = shape.output_size();
    let [input_height, input_width] = shape.input_size;
    let mut result = vec![0.0; shape.maps * input_height * input_width];
    parallel::map_chunks(&mut result, input_height * input_width, |map, result| {
        let range = map * height * width..(map + 1) * height * width;
        let windows = gradient[range.clone()].iter().zip(&winners[range]).enumerate();
        for (at, (gradient, winner)) in windows.filter(|(_, (_, winner))| **winner != CUT) {
            let (row, column) =
                (usize::from(*winner) / shape.window[1], usize::from(*winner) % shape.window[1]);
            let y = at / width * shape.stride[0] + row - shape.padding[0];
            let x = at % width * shape.stride[1] + column - shape.padding[1];
            result[y * input_width + x] += gradient;
        }
    });
    result
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;

    use super::super::reference::{noise, windows};
    use super::*;

    proptest! {
        #[test]
        fn the_first_largest_pixel_of_a_window_wins_and_gets_its_gradient(
            (height, width) in (3..12_usize, 3..12_usize),
            (window, stride, padding) in (1..4_usize, 1..4_usize, 0..2_usize),
            relu: bool,
            seed: u64,
        ) {
            let padding = padding.min(window / 2);
            let shape = PoolShape {
                maps: 2,
                input_size: [height, width],
                window: [window; 2],
                stride: [stride; 2],
                padding: [padding; 2],
            };
            // Coarse values, so that some are equal.
            let input: Vec<f32> = noise(2 * height * width, seed).iter().map(|x| (x * 8.0).round()).collect();
            let windows = windows(&shape);
            let (output, winners) = forward(&shape, &input, relu);
            let gradient = noise(output.len(), seed.wrapping_add(1));
            let by_input = backward(&shape, &gradient, &winners);
            let mut expected = vec![0.0; input.len()];
            for map in 0..2 {
                let values = &input[map * height * width..];
                for (at, window) in windows.iter().enumerate() {
                    let pixels = || window.iter().flatten();
                    let best = pixels().map(|pixel| values[*pixel]).fold(f32::NEG_INFINITY, f32::max);
                    let at = map * windows.len() + at;
                    prop_assert_eq!(output[at], if relu { best.max(0.0) } else { best });
                    let first = pixels().find(|pixel| values[**pixel] == best).expect("a winner");
                    if !relu || best > 0.0 {
                        expected[map * height * width + first] += gradient[at];
                    }
                }
            }
            prop_assert_eq!(by_input, expected);
        }
    }

    #[test]
    fn a_nan_wins() {
        let shape =
            PoolShape { maps: 1, input_size: [2, 2], window: [2, 2], stride: [2, 2], padding: [0, 0] };
        let (output, _) = forward(&shape, &[1.0, f32::NAN, 2.0, 3.0], true);
        assert!(output[0].is_nan(), "{output:?}");
    }
}
