//! The kernels in plain loops and double precision, which the tests compare them with.

use super::convolution::ConvolutionShape;
use super::pooling::PoolShape;

/// Numbers from -0.5 to 0.5 that look random.
pub fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Checks that values differ from the exact ones by rounding only.
pub fn assert_close(values: &[f32], exact: &[f64], what: &str) {
    assert_eq!(values.len(), exact.len(), "{what}");
    let largest = exact.iter().fold(1e-3_f64, |largest, value| largest.max(value.abs()));
    for (at, (value, exact)) in values.iter().zip(exact).enumerate() {
        let error = (f64::from(*value) - exact).abs();
        assert!(error <= 2e-5 * largest, "{what}: {value} instead of {exact} at {at}, largest {largest}");
    }
}

/// What a convolution and its gradients are computed from.
pub struct Noise {
    pub input: Vec<f32>,
    pub weight: Vec<f32>,
    pub gradient: Vec<f32>,
}

impl Noise {
    pub fn new(shape: &ConvolutionShape, seed: u64) -> Self {
        let [inputs, weights, outputs] = shape.elements();
        Self {
            input: noise(inputs, seed),
            weight: noise(weights, seed.wrapping_add(1)),
            gradient: noise(outputs, seed.wrapping_add(2)),
        }
    }

    /// Checks the output and the gradients by input and weight.
    pub fn check(&self, shape: &ConvolutionShape, [output, by_input, by_weight]: &[Vec<f32>; 3]) {
        let Self { input, weight, gradient } = self;
        assert_close(output, &convolve(shape, input, weight), "output");
        assert_close(by_input, &input_gradient(shape, gradient, weight), "input gradient");
        assert_close(by_weight, &weight_gradient(shape, input, gradient), "weight gradient");
    }
}

/// A convolution of 3 x 3 taps that keeps the size of its maps.
pub fn three_by_three(
    batch: usize,
    inputs: usize,
    outputs: usize,
    input_size: [usize; 2],
) -> ConvolutionShape {
    let (kernel, stride, padding) = ([3, 3], [1, 1], [1, 1]);
    ConvolutionShape { batch, inputs, outputs, input_size, kernel, stride, padding, groups: 1 }
}

/// Runs `work` with this number of threads.
pub fn with_threads<T: Send>(count: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("threads").install(work)
}

/// Calls `f` with the positions in input, weight and output of each product of a convolution.
fn products(shape: &ConvolutionShape, mut f: impl FnMut(usize, usize, usize)) {
    let [inputs, outputs] = shape.group_channels();
    let ([height, width], [input_height, input_width]) = (shape.output_size(), shape.input_size);
    for image in 0..shape.batch {
        for output in 0..shape.outputs {
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                for input in 0..inputs {
                    for (row, column) in (0..shape.kernel[0])
                        .flat_map(|row| (0..shape.kernel[1]).map(move |column| (row, column)))
                    {
                        let from_y = (y * shape.stride[0] + row).wrapping_sub(shape.padding[0]);
                        let from_x = (x * shape.stride[1] + column).wrapping_sub(shape.padding[1]);
                        if from_y < input_height && from_x < input_width {
                            let channel = image * shape.inputs + output / outputs * inputs + input;
                            f(
                                (channel * input_height + from_y) * input_width + from_x,
                                ((output * inputs + input) * shape.kernel[0] + row) * shape.kernel[1]
                                    + column,
                                ((image * shape.outputs + output) * height + y) * width + x,
                            );
                        }
                    }
                }
            }
        }
    }
}

/// A convolution's output, without bias.
pub fn convolve(shape: &ConvolutionShape, input: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut result = vec![0.0; shape.elements()[2]];
    products(shape, |i, w, o| result[o] += f64::from(input[i]) * f64::from(weight[w]));
    result
}

/// Its gradient by the input.
pub fn input_gradient(shape: &ConvolutionShape, gradient: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut result = vec![0.0; shape.elements()[0]];
    products(shape, |i, w, o| result[i] += f64::from(gradient[o]) * f64::from(weight[w]));
    result
}

/// Its gradient by the weight.
pub fn weight_gradient(shape: &ConvolutionShape, input: &[f32], gradient: &[f32]) -> Vec<f64> {
    let mut result = vec![0.0; shape.elements()[1]];
    products(shape, |i, w, o| result[w] += f64::from(input[i]) * f64::from(gradient[o]));
    result
}

/// For each window, the positions of its pixels in the map, row by row, or `None` in the padding.
pub fn windows(shape: &PoolShape) -> Vec<Vec<Option<usize>>> {
    let ([height, width], [input_height, input_width]) = (shape.output_size(), shape.input_size);
    let pixel = |y: usize, x: usize, at: usize| {
        let row = (y * shape.stride[0] + at / shape.window[1]).wrapping_sub(shape.padding[0]);
        let column = (x * shape.stride[1] + at % shape.window[1]).wrapping_sub(shape.padding[1]);
        (row < input_height && column < input_width).then_some(row * input_width + column)
    };
    let window = |y, x| (0..shape.window[0] * shape.window[1]).map(|at| pixel(y, x, at)).collect();
    (0..height).flat_map(|y| (0..width).map(move |x| (y, x))).map(|(y, x)| window(y, x)).collect()
}
