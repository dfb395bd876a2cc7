//! Two-dimensional convolution and its gradient by the input.
//!
//! Both are a `Product`. A strided convolution's gradient splits into one for each phase of the stride; none
//! multiplies zeros.

use std::borrow::Cow;

use super::gather::reads;
use super::product::{Finish, Product};
use super::winograd;
use crate::parallel;

/// Kernels whose weights are copied at a time.
pub(super) const TASK_KERNELS: usize = 1 << 12;
/// Input channels whose weights are turned at a time: what is read of an output channel is some cache lines.
const TURNED_ROWS: usize = 16;

/// A convolution's shape. Maps are `[batch, channels, height, width]`, weights `[out, in / groups, kernel, kernel]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvolutionShape {
    /// Images.
    pub batch: usize,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Height and width of the input, in pixels.
    pub input_size: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step in each direction.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
    /// Groups of channels that don't mix.
    pub groups: usize,
}

impl ConvolutionShape {
    /// Height and width of the output, in pixels.
    pub fn output_size(&self) -> [usize; 2] {
        [0, 1].map(|at| {
            (self.input_size[at] + 2 * self.padding[at]).saturating_sub(self.kernel[at]) / self.stride[at] + 1
        })
    }

    /// The taps that ever meet a pixel: with small maps some meet zeros only.
    pub(super) fn taps(&self) -> Vec<Tap> {
        let taps = (0..self.kernel[0] * self.kernel[1]).map(|at| {
            let along = [at / self.kernel[1], at % self.kernel[1]];
            Tap { at, offset: [0, 1].map(|side| along[side] as isize - self.padding[side] as isize) }
        });
        taps.filter(|tap| reads(tap.offset, self.output_size(), self.stride, self.input_size)).collect()
    }

    /// Input and output channels of a group.
    pub(super) fn group_channels(&self) -> [usize; 2] {
        [self.inputs / self.groups, self.outputs / self.groups]
    }

    /// Elements of input, weight and output.
    pub(super) fn elements(&self) -> [usize; 3] {
        let [inputs, _] = self.group_channels();
        let [height, width] = self.output_size();
        [
            self.batch * self.inputs * self.input_size[0] * self.input_size[1],
            self.outputs * inputs * self.kernel[0] * self.kernel[1],
            self.batch * self.outputs * height * width,
        ]
    }
}

/// A place of a kernel.
pub(super) struct Tap {
    /// Its number, row by row.
    pub at: usize,
    /// Where it reads, from the output pixel times the stride.
    pub offset: [isize; 2],
}

/// The output of a convolution, with `bias` and, if asked for, ReLU applied.
///
/// # Shapes
/// - `input`, `weight`: see [`ConvolutionShape`]; `bias`: `[out]`
/// - result: `[batch, out, output height, output width]`
pub fn forward(
    shape: &ConvolutionShape,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    relu: bool,
) -> Vec<f32> {
    let finish = Finish { bias, relu };
    if winograd::pays(shape) {
        return winograd::forward(shape, input, weight, finish);
    }
    let [inputs, outputs] = shape.group_channels();
    let taps = shape.taps();
    let kernel = shape.kernel[0] * shape.kernel[1];
    let weight = if taps.len() == kernel {
        Cow::Borrowed(weight)
    } else {
        Cow::Owned(read_weights(weight, kernel, &taps))
    };
    let product = Product {
        groups: shape.groups,
        sources: inputs,
        outputs,
        source_size: shape.input_size,
        taps: taps.iter().map(|tap| tap.offset).collect(),
        read_stride: shape.stride,
        grid: shape.output_size(),
        origin: [0, 0],
        write_stride: [1, 1],
        output_size: shape.output_size(),
    };
    let mut result = vec![0.0; shape.elements()[2]];
    product.run(&weight, finish, input, &mut result, shape.batch);
    result
}

/// The weights of some taps, in the order of all.
fn read_weights(weight: &[f32], kernel: usize, taps: &[Tap]) -> Vec<f32> {
    let mut read = vec![0.0; weight.len() / kernel * taps.len()];
    if !taps.is_empty() {
        parallel::map_chunks(&mut read, TASK_KERNELS * taps.len(), |task, read| {
            let kernels = weight.chunks_exact(kernel).skip(task * TASK_KERNELS);
            for (to, from) in read.chunks_exact_mut(taps.len()).zip(kernels) {
                for (to, tap) in to.iter_mut().zip(taps) {
                    *to = from[tap.at];
                }
            }
        });
    }
    read
}

/// The gradient by the input, from that by the output.
///
/// # Shapes
/// - `gradient`: `[batch, out, output height, output width]`; `weight`: see [`ConvolutionShape`]
/// - result: as the input
pub fn input_gradient(shape: &ConvolutionShape, gradient: &[f32], weight: &[f32]) -> Vec<f32> {
    if winograd::pays(shape) && winograd::pays(&winograd::of_gradient(shape)) {
        return winograd::input_gradient(shape, gradient, weight);
    }
    let [_, kernel_width] = shape.kernel;
    let [inputs, outputs] = shape.group_channels();
    let mut result = vec![0.0; shape.elements()[0]];
    let [phases_y, phases_x] =
        [0, 1].map(|at| (0..shape.stride[at]).map(move |phase| Phase::new(shape, at, phase)));
    for y in phases_y {
        for x in phases_x.clone() {
            if y.taps.is_empty() || x.taps.is_empty() || y.count == 0 || x.count == 0 {
                continue;
            }
            let (size, grid) = (shape.output_size(), [y.count, x.count]);
            let pairs = y.taps.iter().flat_map(|y| x.taps.iter().map(move |x| (y, x)));
            let taps = pairs
                .map(|(y, x)| Tap { at: y.kernel * kernel_width + x.kernel, offset: [y.offset, x.offset] });
            let taps: Vec<Tap> = taps.filter(|tap| reads(tap.offset, grid, [1, 1], size)).collect();
            let product = Product {
                groups: shape.groups,
                sources: outputs,
                outputs: inputs,
                source_size: size,
                taps: taps.iter().map(|tap| tap.offset).collect(),
                read_stride: [1, 1],
                grid,
                origin: [y.phase, x.phase],
                write_stride: shape.stride,
                output_size: shape.input_size,
            };
            let turned = turned_weights(shape, weight, &taps);
            product.run(&turned, Finish { bias: None, relu: false }, gradient, &mut result, shape.batch);
        }
    }
    result
}

/// Some taps of the weights, `[group][input][output][tap]`.
fn turned_weights(shape: &ConvolutionShape, weight: &[f32], taps: &[Tap]) -> Vec<f32> {
    let [inputs, outputs] = shape.group_channels();
    let kernel = shape.kernel[0] * shape.kernel[1];
    let mut turned = vec![0.0; shape.groups * inputs * outputs * taps.len()];
    let row = outputs * taps.len();
    let in_order = taps.len() == kernel && taps.iter().enumerate().all(|(at, tap)| tap.at == at);
    parallel::map_chunks(&mut turned, TURNED_ROWS * row, |task, turned| {
        let first = task * TURNED_ROWS;
        for output in 0..outputs {
            for (at, to) in turned.chunks_exact_mut(row).enumerate() {
                let (group, input) = ((first + at) / inputs, (first + at) % inputs);
                let from = &weight[((group * outputs + output) * inputs + input) * kernel..][..kernel];
                let to = &mut to[output * taps.len()..(output + 1) * taps.len()];
                if in_order {
                    to.copy_from_slice(from);
                    continue;
                }
                for (to, tap) in to.iter_mut().zip(taps) {
                    *to = from[tap.at];
                }
            }
        }
    });
    turned
}

/// Input pixels with the same remainder by the stride, in one direction.
struct Phase {
    phase: usize,
    /// Pixels of this phase.
    count: usize,
    taps: Vec<PhaseTap>,
}

/// A tap of the kernel that reaches the pixels of a phase.
struct PhaseTap {
    kernel: usize,
    /// Output pixel, counted from the number of the input pixel in its phase.
    offset: isize,
}

impl Phase {
    fn new(shape: &ConvolutionShape, at: usize, phase: usize) -> Self {
        let stride = shape.stride[at] as isize;
        let taps = (0..shape.kernel[at]).filter_map(|kernel| {
            let reach = (phase + shape.padding[at]) as isize - kernel as isize;
            (reach.rem_euclid(stride) == 0).then(|| PhaseTap { kernel, offset: reach.div_euclid(stride) })
        });
        let count = shape.input_size[at].saturating_sub(phase).div_ceil(shape.stride[at]);
        Self { phase, count, taps: taps.collect() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reference::{Noise, three_by_three, with_threads};
    use crate::weight_gradient::{bias_gradient, weight_gradient};

    /// Shapes of every sort: kernels of 1 to 7, strides of 1 to 3, groups, maps narrower than a vector.
    fn shapes() -> impl Strategy<Value = ConvolutionShape> {
        let channels = (1..4_usize, 1..7_usize, 1..7_usize);
        let maps = (1..4_usize, 1..20_usize, 1..20_usize);
        let window = (1..8_usize, 1..8_usize, 1..4_usize, 1..4_usize, 0..4_usize, 0..4_usize);
        (channels, maps, window).prop_filter_map("the kernel fits", |(channels, maps, window)| {
            let shape = ConvolutionShape {
                batch: maps.0,
                inputs: channels.0 * channels.1,
                outputs: channels.0 * channels.2,
                input_size: [maps.1, maps.2],
                kernel: [window.0, window.1],
                stride: [window.2, window.3],
                padding: [window.4, window.5],
                groups: channels.0,
            };
            let fits = |at: usize| shape.kernel[at] <= shape.input_size[at] + 2 * shape.padding[at];
            (fits(0) && fits(1)).then_some(shape)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn all_three_products_agree_with_plain_loops(shape in shapes(), seed: u64) {
            check(&shape, seed);
        }
    }

    fn products(shape: &ConvolutionShape, Noise { input, weight, gradient }: &Noise) -> [Vec<f32>; 3] {
        [
            forward(shape, input, weight, None, false),
            input_gradient(shape, gradient, weight),
            weight_gradient(shape, input, gradient),
        ]
    }

    fn check(shape: &ConvolutionShape, seed: u64) {
        let noise = Noise::new(shape, seed);
        noise.check(shape, &products(shape, &noise));
    }

    #[test]
    fn sums_longer_than_a_block_and_many_pixels_are_complete() {
        let shape = three_by_three(3, 50, 21, [16, 16]);
        check(&shape, 7);
        check(&ConvolutionShape { stride: [2, 2], kernel: [5, 5], padding: [2, 2], ..shape }, 8);
    }

    #[test]
    fn many_channels_of_small_maps_are_complete() {
        let shape = three_by_three(3, 45, 70, [2, 2]);
        with_threads(3, || {
            check(&shape, 9);
            check(&ConvolutionShape { stride: [2, 2], ..shape }, 10);
            check(&ConvolutionShape { input_size: [1, 1], ..shape }, 11);
            check(&ConvolutionShape { input_size: [1, 3], kernel: [5, 1], padding: [2, 0], ..shape }, 12);
            check(&ConvolutionShape { inputs: 90, outputs: 140, groups: 2, ..shape }, 13);
        });
    }

    #[test]
    fn bias_is_added_and_relu_cuts() {
        let shape = ConvolutionShape {
            batch: 1,
            inputs: 1,
            outputs: 2,
            input_size: [1, 3],
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0, 0],
            groups: 1,
        };
        let output = forward(&shape, &[1.0, 2.0, f32::NAN], &[1.0, -1.0], Some(&[0.5, 1.5]), true);
        assert_eq!(output[..2], [1.5, 2.5]);
        assert_eq!(output[3..5], [0.5, 0.0]);
        assert!(output[2].is_nan() && output[5].is_nan(), "ReLU must not hide a NaN: {output:?}");
        assert_eq!(bias_gradient(&shape, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [6.0, 15.0]);
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let shape = three_by_three(20, 8, 12, [8, 8]);
        same_with_any_threads(&shape);
        let small = ConvolutionShape { batch: 2, inputs: 40, outputs: 100, input_size: [2, 2], ..shape };
        same_with_any_threads(&small);
    }

    fn same_with_any_threads(shape: &ConvolutionShape) {
        let noise = Noise::new(shape, 1);
        let all = || products(shape, &noise);
        assert_eq!(with_threads(1, all), with_threads(5, all));
    }
}
