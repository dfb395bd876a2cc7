//! Convolutions, plain and transposed, grouped, in any number of dimensions, of floats and integers.

use super::gemm::{Strided, multiply};
use super::integers::{finish_integers, multiply_integers, zero_points};
use super::window::{OUTSIDE, Window};
use super::{Call, Shaped, bounded};
use crate::onnx::element::ElementType;
use crate::onnx::graph::Node;
use crate::onnx::tensor::{Reason, Tensor, elements};

/// A convolution's sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::onnx) struct Convolution {
    pub(in crate::onnx) window: Window,
    pub(in crate::onnx) batch: usize,
    pub(in crate::onnx) groups: usize,
    /// Input channels of one group.
    pub(in crate::onnx) channels: usize,
    /// Output channels of one group.
    pub(in crate::onnx) outputs: usize,
    pub(in crate::onnx) transposed: bool,
}

impl Convolution {
    /// The convolution of an input `[batch, channels, ...]` with a weight.
    pub(in crate::onnx) fn new(node: &Node, input: &[usize], weight: &[usize]) -> Result<Self, Reason> {
        let transposed = node.op == "ConvTranspose";
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        let ([batch, channels, spatial @ ..], [first, second, kernel @ ..]) = (input, weight) else {
            return Err(format!(
                "takes an input and a weight of 3 or more dimensions, not {input:?} and {weight:?}"
            ));
        };
        if node
            .ints("kernel_shape")
            .is_some_and(|own| !own.iter().map(|&k| k as usize).eq(kernel.iter().copied()))
        {
            return Err(format!("its window is not the weight's {kernel:?}"));
        }
        let fits = groups > 0 && channels.is_multiple_of(groups) && first.is_multiple_of(groups);
        let inputs = if transposed { *first } else { second.saturating_mul(groups) };
        if !fits || inputs != *channels || *channels == 0 {
            return Err(format!("{channels} channels in {groups} groups do not fit the weight {weight:?}"));
        }
        let outputs = if transposed { *second } else { first / groups };
        let window = match transposed {
            true => Window::transposed(node, spatial, kernel)?,
            false => Window::new(node, spatial, kernel)?,
        };
        Ok(Self { window, batch: *batch, groups, channels: channels / groups, outputs, transposed })
    }

    /// The output's shape.
    pub(in crate::onnx) fn shape(&self) -> Vec<usize> {
        [&[self.batch, self.groups * self.outputs], &self.window.output[..]].concat()
    }

    /// Inputs of one output: columns of the weight matrix.
    pub(in crate::onnx) fn inputs(&self) -> usize {
        self.channels * self.window.size()
    }

    /// Where the entries of the weight matrix `[outputs, inputs]` lie in a transposed convolution's
    /// weight `[channels, outputs / groups, ...]`.
    pub(in crate::onnx) fn transposed_places(&self) -> Vec<usize> {
        let size = self.window.size();
        let mut places = Vec::with_capacity(self.groups * self.outputs * self.inputs());
        for group in 0..self.groups {
            for output in 0..self.outputs {
                for channel in 0..self.channels {
                    let start = ((group * self.channels + channel) * self.outputs + output) * size;
                    places.extend(start..start + size);
                }
            }
        }
        places
    }

    fn matrix<T: Copy>(&self, weight: &[T]) -> Vec<T> {
        match self.transposed {
            true => self.transposed_places().into_iter().map(|at| weight[at]).collect(),
            false => weight.to_vec(),
        }
    }

    /// The inputs of each group, position by position: `[batch * positions, inputs]`.
    pub(in crate::onnx) fn patches<T: Copy>(&self, input: &[T], zero: T) -> Vec<Vec<T>> {
        let table = self.window.table();
        (0..self.groups).map(|group| self.group_patches(&table, input, group, zero)).collect()
    }

    fn group_patches<T: Copy>(&self, table: &[u32], input: &[T], group: usize, zero: T) -> Vec<T> {
        let (positions, size) = (self.window.positions(), self.window.size());
        let spatial = elements(&self.window.input).unwrap_or(0);
        let mut patches = Vec::with_capacity(self.batch * positions * self.inputs());
        for image in 0..self.batch {
            let first = (image * self.groups + group) * self.channels;
            for position in 0..positions {
                for plane in input[first * spatial..].chunks_exact(spatial.max(1)).take(self.channels) {
                    patches.extend((0..size).map(|k| match table[k * positions + position] {
                        OUTSIDE => zero,
                        at => plane[at as usize],
                    }));
                }
            }
        }
        patches
    }

    /// Calls `product` with each image and group's input planes and the group's part of the matrix, and puts
    /// what it gives, `[outputs, positions]`, in its place.
    fn each<X: Copy, W: Copy, T: Copy>(
        &self,
        input: &[X],
        matrix: &[W],
        mut product: impl FnMut(&[X], &[W]) -> Vec<T>,
    ) -> Vec<T> {
        let planes = self.channels * elements(&self.window.input).unwrap_or(0);
        let weights = self.outputs * self.inputs();
        let mut all = Vec::with_capacity(elements(&self.shape()).unwrap_or(0));
        for part in 0..self.batch * self.groups {
            let group = part % self.groups;
            all.extend(product(&input[part * planes..][..planes], &matrix[group * weights..][..weights]));
        }
        all
    }

    fn floats(&self, input: &[f32], weight: &[f32]) -> Vec<f32> {
        let (positions, size) = (self.window.positions(), self.window.size());
        let spatial = elements(&self.window.input).unwrap_or(0);
        let sizes = (self.outputs, positions, self.inputs());
        let table = self.window.table();
        let plain = size == 1 && table.iter().enumerate().all(|(at, &place)| at == place as usize);
        self.each(input, &self.matrix(weight), |planes, weights| {
            let matrix = Strided { values: weights, row: self.inputs(), column: 1 };
            if plain {
                return multiply(sizes, matrix, |term, column| planes[term * spatial + column]);
            }
            if self.outputs * self.channels == 1 {
                return depthwise(planes, weights, &table, positions);
            }
            multiply(sizes, matrix, |term, column| {
                let at = table[term % size * positions + column];
                if at == OUTSIDE { 0.0 } else { planes[term / size * spatial + at as usize] }
            })
        })
    }

    fn integers(&self, input: &[i64], weight: &[i64]) -> Vec<i64> {
        let (positions, size) = (self.window.positions(), self.window.size());
        let spatial = elements(&self.window.input).unwrap_or(0);
        let sizes = (self.outputs, positions, self.inputs());
        let table = self.window.table();
        self.each(input, &self.matrix(weight), |planes, weights| {
            multiply_integers(sizes, weights, |term, column| {
                let at = table[term % size * positions + column];
                if at == OUTSIDE { 0 } else { planes[term / size * spatial + at as usize] }
            })
        })
    }
}

/// One channel by itself.
fn depthwise(plane: &[f32], weights: &[f32], table: &[u32], positions: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f32; positions];
    for (&weight, places) in weights.iter().zip(table.chunks_exact(positions.max(1))) {
        for (sum, &at) in sums.iter_mut().zip(places) {
            if at != OUTSIDE {
                *sum += weight * plane[at as usize];
            }
        }
    }
    sums
}

/// Adds a bias to `[batch, outputs, ...]`.
fn add_bias(values: &mut [f32], bias: &[f32], positions: usize) {
    for (plane, bias) in values.chunks_exact_mut(positions.max(1)).zip(bias.iter().cycle()) {
        plane.iter_mut().for_each(|value| *value += bias);
    }
}

/// The inputs of an integer convolution: its weight's place, and its zero points'.
fn places(op: &str) -> (usize, usize, usize) {
    match op {
        "QLinearConv" => (3, 2, 5),
        _ => (1, 2, 3),
    }
}

pub(super) fn infer(call: &Call<'_>) -> Result<Vec<Shaped>, Reason> {
    let (weight, ..) = places(&call.node.op);
    let convolution = Convolution::new(call.node, call.shape(0)?, call.shape(weight)?)?;
    let element = match &*call.node.op {
        "ConvInteger" => ElementType::I32,
        "QLinearConv" => call.input(7)?.element,
        _ => call.input(0)?.element,
    };
    Ok(vec![(element, bounded(convolution.shape())?)])
}

/// Adds the bias of a `Conv` or `ConvTranspose` to its products.
pub(in crate::onnx) fn finish_floats(
    call: &Call<'_>,
    mut values: Vec<f32>,
    convolution: &Convolution,
) -> Result<Tensor, Reason> {
    if let Some(bias) = call.optional(2)? {
        let channels = convolution.groups * convolution.outputs;
        if bias.len() != channels {
            return Err(format!("{} biases do not fit {channels} channels", bias.len()));
        }
        add_bias(&mut values, bias.floats()?, convolution.window.positions());
    }
    Ok(Tensor { element: call.input(0)?.element, ..Tensor::from_floats(convolution.shape(), values) })
}

pub(super) fn compute(call: &Call<'_>) -> Result<Vec<Tensor>, Reason> {
    let (weight, input_zero, weight_zero) = places(&call.node.op);
    let (input, weight) = (call.tensor(0)?, call.tensor(weight)?);
    let convolution = Convolution::new(call.node, &input.shape, &weight.shape)?;
    let channels = convolution.groups * convolution.outputs;
    if matches!(&*call.node.op, "Conv" | "ConvTranspose") {
        let values = convolution.floats(input.floats()?, weight.floats()?);
        return finish_floats(call, values, &convolution).map(|tensor| vec![tensor]);
    }
    let input_zero = call.optional(input_zero)?.map_or(Ok(0), |zero| zero_points(zero, 1).map(|z| z[0]))?;
    let weight_zeros = match call.optional(weight_zero)? {
        Some(zeros) => zero_points(zeros, channels)?,
        None => vec![0; channels],
    };
    let centred: Vec<i64> = input.integers()?.iter().map(|&u| u - input_zero).collect();
    let each = weight.len() / channels.max(1);
    let weights = weight.integers()?.chunks_exact(each.max(1)).zip(&weight_zeros);
    let weights: Vec<i64> = weights.flat_map(|(row, zero)| row.iter().map(move |w| w - zero)).collect();
    let sums = convolution.integers(&centred, &weights);
    finish_integers(call, sums, convolution.shape()).map(|tensor| vec![tensor])
}
