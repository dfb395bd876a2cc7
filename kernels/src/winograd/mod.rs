//! Convolutions of 3 x 3 taps and stride 1 by Winograd's filtering F(2 x 2, 3 x 3) (Lavin and Gray, arXiv 1509.09308):
//! 2 x 2 outputs take 16 products for each input channel, in place of 36. So do their gradients.
//!
//! A square of 4 x 4 pixels becomes 16 differences of them, a kernel 16 sums of its weights; products of both are summed
//! up over the channels, and 2 x 2 outputs are sums of these. For the gradient by the weights, F(3 x 3, 2 x 2), the outputs'
//! gradients become sums, and 3 x 3 weights' are sums of the products. Rounding errors are about those of plain sums. A
//! pixel that is not finite spoils all outputs of its squares.

mod products;
mod weights;

use std::array;

use pulp::{Simd, bytemuck};

use super::convolution::ConvolutionShape;
use super::gather::{PaddedMaps, Padding, gather, run_length};
use super::microkernel::VECTORS;

pub(super) use products::{forward, input_gradient, of_gradient};
pub(super) use weights::weight_gradient;

/// Positions of a square of pixels.
const SQUARE: usize = 16;
/// Weights of a kernel.
const KERNEL: usize = 9;
/// Squares that make it worth computing with the sums of all weights.
const MIN_SQUARES: usize = 128;
/// Channels on either side that make the sums over them the larger part of the work.
const MIN_CHANNELS: usize = 16;
/// The same for the gradient by the weights, for which both sides have to be turned.
const MIN_CHANNELS_FOR_WEIGHTS: usize = 64;

/// Whether these convolutions are quicker by this way.
pub(super) fn pays(shape: &ConvolutionShape) -> bool {
    let [height, width] = shape.output_size();
    let squares = height.div_ceil(2) * width.div_ceil(2);
    fits(shape)
        && shape.inputs.min(shape.outputs) >= MIN_CHANNELS
        && shape.batch * squares >= MIN_SQUARES
        // Maps with an odd number of pixels fill their last squares by half.
        && 3 * SQUARE * squares <= 2 * KERNEL * height * width
}

/// Whether the gradient by the weights is quicker by this way.
pub(super) fn pays_for_weights(shape: &ConvolutionShape) -> bool {
    pays(shape) && shape.inputs.min(shape.outputs) >= MIN_CHANNELS_FOR_WEIGHTS
}

/// Whether it computes these convolutions.
fn fits(shape: &ConvolutionShape) -> bool {
    shape.kernel == [3, 3]
        && shape.stride == [1, 1]
        && shape.groups == 1
        && shape.padding.iter().all(|zeros| *zeros <= 2)
}

/// The squares of output pixels of an image, row by row.
struct Squares {
    /// Output pixels in each direction.
    size: [usize; 2],
    /// Squares in each direction.
    count: [usize; 2],
    /// Zeros around the input maps, so that every square of input pixels lies inside; even columns stand before odd ones.
    padding: Padding,
    channels: usize,
}

impl Squares {
    fn new(shape: &ConvolutionShape) -> Self {
        let size = shape.output_size();
        let count = size.map(|pixels| pixels.div_ceil(2));
        let padding = Padding {
            before: shape.padding,
            size: [0, 1].map(|at| (2 * count[at] + 2).max(shape.padding[at] + shape.input_size[at])),
            stride: [2, 2],
        };
        Self { size, count, padding, channels: shape.inputs }
    }

    fn in_image(&self) -> usize {
        self.count[0] * self.count[1]
    }

    /// Image, row and column of a square of the batch.
    fn place(&self, square: usize) -> [usize; 3] {
        let (image, square) = (square / self.in_image(), square % self.in_image());
        [image, square / self.count[1], square % self.count[1]]
    }

    /// Squares whose pixels lie side by side, in a panel of `lanes`.
    fn run(&self, lanes: usize) -> usize {
        run_length(self.count[1], lanes)
    }

    /// Where the squares of every run begin in the padded maps, from the square `first` of `all`. Past the last square
    /// the last ones are read again.
    fn starts(&self, run: usize, first: usize, all: usize, starts: &mut [usize]) {
        for (at, start) in starts.iter_mut().enumerate() {
            let [image, row, column] = self.place((first + at * run).min(all - run));
            *start = image * self.channels * self.padding.elements() + self.padding.start(row, column);
        }
    }

    /// How far the pixels of a square lie from its start.
    fn offsets(&self) -> [usize; SQUARE] {
        array::from_fn(|at| {
            let tap = [at / 4, at % 4];
            self.padding.offset([0, 1].map(|side| tap[side] as isize - self.padding.before[side] as isize))
        })
    }
}

/// Pixels of a panel of squares, to be filled again and again.
struct Pixels<S: Simd> {
    run: usize,
    offsets: [usize; SQUARE],
    values: Vec<S::f32s>,
}

impl<S: Simd> Pixels<S> {
    #[inline(always)]
    fn new(simd: S, squares: &Squares) -> Self {
        let run = squares.run(VECTORS * S::F32_LANES);
        Self { run, offsets: squares.offsets(), values: vec![simd.splat_f32s(0.0); SQUARE * VECTORS] }
    }

    /// Writes the differences of a panel's squares: those of a position are two vectors, and positions are `distance`
    /// vectors apart. `starts` are those of the panel's runs.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn differences(
        &mut self,
        simd: S,
        maps: &PaddedMaps,
        channel: usize,
        starts: &[usize],
        to: &mut [S::f32s],
        distance: usize,
    ) {
        let map = &maps.values[channel * maps.padding.elements()..];
        gather(self.run, map, starts, &self.offsets, bytemuck::cast_slice_mut(&mut self.values));
        for vector in 0..VECTORS {
            let mut square = [simd.splat_f32s(0.0); SQUARE];
            for (value, pixels) in square.iter_mut().zip(self.values.chunks_exact(VECTORS)) {
                *value = pixels[vector];
            }
            let square = differences_of(simd, square);
            for (to, value) in to.chunks_mut(distance).zip(square) {
                to[vector] = value;
            }
        }
    }
}

/// `B^T d B` of squares of pixels side by side, row by row.
#[inline(always)]
fn differences_of<S: Simd>(simd: S, d: [S::f32s; SQUARE]) -> [S::f32s; SQUARE] {
    let mut columns = d;
    for x in 0..4 {
        let [a, b, c, d] = [d[x], d[4 + x], d[8 + x], d[12 + x]];
        columns[x] = simd.sub_f32s(a, c);
        columns[4 + x] = simd.add_f32s(b, c);
        columns[8 + x] = simd.sub_f32s(c, b);
        columns[12 + x] = simd.sub_f32s(b, d);
    }
    let mut rows = columns;
    for y in 0..4 {
        let [a, b, c, d] = [columns[4 * y], columns[4 * y + 1], columns[4 * y + 2], columns[4 * y + 3]];
        rows[4 * y] = simd.sub_f32s(a, c);
        rows[4 * y + 1] = simd.add_f32s(b, c);
        rows[4 * y + 2] = simd.sub_f32s(c, b);
        rows[4 * y + 3] = simd.sub_f32s(b, d);
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::product::Finish;
    use crate::reference::{Noise, three_by_three, with_threads};

    fn shapes() -> impl Strategy<Value = ConvolutionShape> {
        (1..4_usize, 1..40_usize, 1..40_usize, 1..20_usize, 1..20_usize, 0..3_usize, 0..3_usize)
            .prop_filter_map("the kernel fits", |(batch, inputs, outputs, height, width, above, left)| {
                let same = three_by_three(batch, inputs, outputs, [height, width]);
                let shape = ConvolutionShape { padding: [above, left], ..same };
                (height + 2 * above >= 3 && width + 2 * left >= 3).then_some(shape)
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn all_products_agree_with_plain_loops(shape in shapes(), seed: u64) {
            let noise = Noise::new(&shape, seed);
            noise.check(&shape, &products(&shape, &noise));
        }
    }

    fn products(shape: &ConvolutionShape, Noise { input, weight, gradient }: &Noise) -> [Vec<f32>; 3] {
        [
            forward(shape, input, weight, Finish { bias: None, relu: false }),
            input_gradient(shape, gradient, weight),
            weight_gradient(shape, input, gradient),
        ]
    }

    #[test]
    fn bias_is_added_and_relu_cuts() {
        let shape = three_by_three(1, 1, 2, [3, 3]);
        let mut weight = [0.0; 18];
        (weight[4], weight[13]) = (1.0, -1.0);
        let input = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let output = forward(&shape, &input, &weight, Finish { bias: Some(&[0.5, 4.5]), relu: true });
        assert_eq!(output[..9], input.map(|value| value + 0.5));
        assert_eq!(output[9..], [3.5, 2.5, 1.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn many_squares_are_complete_for_any_number_of_threads() {
        let shape = three_by_three(5, 70, 37, [13, 12]);
        assert!(pays(&shape) && !pays_for_weights(&shape));
        let noise = Noise::new(&shape, 1);
        let all = || products(&shape, &noise);
        let results = with_threads(3, all);
        assert_eq!(with_threads(1, all), results);
        noise.check(&shape, &results);
    }
}
