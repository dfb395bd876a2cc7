//! Maximum pooling that keeps which pixel of each window won.

use super::LANES;
use super::gather::copy_every;
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
    let (map, input_map) = ((height * width).max(1), input_height * input_width);
    let mut values = vec![0.0; shape.maps * height * width];
    let mut winners = vec![0; values.len()];
    let outputs = values.chunks_mut(map).zip(winners.chunks_mut(map)).collect();
    parallel::map_items(outputs, |at, (values, winners)| {
        let input = &input[at * input_map..(at + 1) * input_map];
        parallel::vectorized(
            #[inline(always)]
            || {
                let rows = values.chunks_exact_mut(width).zip(winners.chunks_exact_mut(width));
                if shape.halves() {
                    for ((values, winners), input) in rows.zip(input.chunks_exact(2 * input_width)) {
                        halve(input.split_at(input_width), values, winners);
                    }
                } else {
                    let lines = Lines::new(shape, input);
                    for (y, (values, winners)) in rows.enumerate() {
                        row(shape, &lines, y, values, winners);
                    }
                }
                if relu {
                    for (value, winner) in values.iter_mut().zip(winners.iter_mut()) {
                        let cut = *value <= 0.0;
                        *value = if cut { 0.0 } else { *value };
                        *winner = if cut { CUT } else { *winner };
                    }
                }
            },
        );
    });
    (values, winners)
}

impl PoolShape {
    /// Whether the windows are 2 x 2 and cover each pixel once: what VGGs have.
    fn halves(&self) -> bool {
        let [height, width] = self.input_size;
        let even = height.is_multiple_of(2) && width.is_multiple_of(2);
        even && self.window == [2, 2] && self.stride == [2, 2] && self.padding == [0, 0]
    }
}

/// Whether a value wins over those before it.
#[inline(always)]
fn wins(value: f32, best: f32) -> bool {
    // Without a branch, so that the loops around it use vectors.
    (value > best) | value.is_nan()
}

/// A row of outputs of 2 x 2 windows.
#[inline(always)]
fn halve((top, bottom): (&[f32], &[f32]), values: &mut [f32], winners: &mut [u8]) {
    let (top, bottom) = (top.as_chunks::<2>().0, bottom.as_chunks::<2>().0);
    for (((value, winner), &[a, b]), &[c, d]) in values.iter_mut().zip(winners).zip(top).zip(bottom) {
        let (mut best, mut position) = (a, 0);
        for (at, next) in [(1, b), (2, c), (3, d)] {
            let wins = wins(next, best);
            best = if wins { next } else { best };
            position = if wins { at } else { position };
        }
        (*value, *winner) = (best, position);
    }
}

/// A map's lines, each split by the remainder of the pixel by the stride, so that a tap of all windows of a row reads
/// values side by side. Padding never wins.
struct Lines {
    values: Vec<f32>,
    /// Values of a line, and of those with the same remainder.
    line: usize,
    part: usize,
}

impl Lines {
    #[inline(always)]
    fn new(shape: &PoolShape, input: &[f32]) -> Self {
        let ([_, width], stride, padding) = (shape.input_size, shape.stride[1], shape.padding[1]);
        let part = shape.output_size()[1].next_multiple_of(LANES) + shape.window[1].div_ceil(stride);
        let line = stride * part;
        let mut values = vec![f32::NEG_INFINITY; input.len() / width.max(1) * line];
        for (from, to) in input.chunks_exact(width.max(1)).zip(values.chunks_exact_mut(line)) {
            for first in 0..stride.min(width) {
                let at = first + padding;
                let to = &mut to[at % stride * part..][..part][at / stride..];
                copy_every(stride, &from[first..], to);
            }
        }
        Self { values, line, part }
    }

    /// What a tap of each window of a row reads.
    #[inline(always)]
    fn tap(&self, shape: &PoolShape, y: usize, column: usize) -> &[f32] {
        let stride = shape.stride[1];
        &self.values[y * self.line + column % stride * self.part..][..self.part][column / stride..]
    }
}

/// A row of outputs of any windows.
#[inline(always)]
fn row(shape: &PoolShape, lines: &Lines, y: usize, values: &mut [f32], winners: &mut [u8]) {
    for (block, (values, winners)) in values.chunks_mut(LANES).zip(winners.chunks_mut(LANES)).enumerate() {
        let mut best = [f32::NEG_INFINITY; LANES];
        let mut positions = [0; LANES];
        for row in 0..shape.window[0] {
            let from = y * shape.stride[0] + row;
            let inside = from.checked_sub(shape.padding[0]).filter(|from| *from < shape.input_size[0]);
            let Some(from) = inside else { continue };
            for column in 0..shape.window[1] {
                let position = (row * shape.window[1] + column) as u32;
                let next = &lines.tap(shape, from, column)[block * LANES..][..LANES];
                for (lane, next) in next.iter().enumerate() {
                    let wins = wins(*next, best[lane]);
                    best[lane] = if wins { *next } else { best[lane] };
                    positions[lane] = if wins { position } else { positions[lane] };
                }
            }
        }
        values.copy_from_slice(&best[..values.len()]);
        for (winner, position) in winners.iter_mut().zip(positions) {
            *winner = position as u8;
        }
    }
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
        let rows = gradient[range.clone()].chunks_exact(width).zip(winners[range].chunks_exact(width));
        if shape.halves() {
            parallel::vectorized(
                #[inline(always)]
                || {
                    for ((gradient, winners), result) in rows.zip(result.chunks_exact_mut(2 * input_width)) {
                        let (top, bottom) = result.split_at_mut(input_width);
                        spread(gradient, winners, top, [0, 1]);
                        spread(gradient, winners, bottom, [2, 3]);
                    }
                },
            );
            return;
        }
        for (y, (gradient, winners)) in rows.enumerate() {
            for (x, (gradient, winner)) in gradient.iter().zip(winners).enumerate() {
                if *winner == CUT {
                    continue;
                }
                let winner = usize::from(*winner);
                let (row, column) = (winner / shape.window[1], winner % shape.window[1]);
                let y = (y * shape.stride[0] + row).checked_sub(shape.padding[0]);
                let x = (x * shape.stride[1] + column).checked_sub(shape.padding[1]);
                // A window of negative infinities has no winner.
                if let (Some(y), Some(x)) = (y, x) {
                    result[y * input_width + x] += gradient;
                }
            }
        }
    });
    result
}

/// One row of the gradient before 2 x 2 windows, whose positions there are `at`.
#[inline(always)]
fn spread(gradient: &[f32], winners: &[u8], result: &mut [f32], at: [u8; 2]) {
    for ((pair, gradient), winner) in result.as_chunks_mut::<2>().0.iter_mut().zip(gradient).zip(winners) {
        *pair = at.map(|at| if *winner == at { *gradient } else { 0.0 });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reference::{noise, windows};

    proptest! {
        #[test]
        fn the_first_largest_pixel_of_a_window_wins_and_gets_its_gradient(
            (height, width) in (3..12_usize, 3..12_usize),
            (window, stride, padding) in (1..4_usize, 1..4_usize, 0..2_usize),
            relu: bool,
            seed: u64,
        ) {
            check(height, width, [window, stride, padding.min(window / 2)], relu, seed)?;
        }

        #[test]
        fn windows_of_two_that_cover_the_map_agree(height in 1..9_usize, width in 1..19_usize, relu: bool, seed: u64) {
            check(2 * height, 2 * width, [2, 2, 0], relu, seed)?;
        }
    }

    fn check(
        height: usize,
        width: usize,
        [window, stride, padding]: [usize; 3],
        relu: bool,
        seed: u64,
    ) -> Result<(), TestCaseError> {
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
        Ok(())
    }

    #[test]
    fn windows_of_negative_infinities_have_a_gradient() {
        let shape =
            PoolShape { maps: 1, input_size: [3, 3], window: [3, 3], stride: [2, 2], padding: [1, 1] };
        let (output, winners) = forward(&shape, &[f32::NEG_INFINITY; 9], false);
        assert_eq!(output, [f32::NEG_INFINITY; 4]);
        assert_eq!(backward(&shape, &[1.0; 4], &winners).len(), 9);
    }

    #[test]
    fn a_nan_wins() {
        let shape =
            PoolShape { maps: 1, input_size: [2, 2], window: [2, 2], stride: [2, 2], padding: [0, 0] };
        for shape in [shape, PoolShape { stride: [1, 1], ..shape }] {
            let (output, _) = forward(&shape, &[1.0, f32::NAN, 2.0, 3.0], true);
            assert!(output[0].is_nan(), "{output:?}");
        }
    }
}
