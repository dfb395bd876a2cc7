//! The windows that convolutions and poolings slide over their input, in any number of dimensions.

use super::bounded;
use crate::onnx::graph::Node;
use crate::onnx::tensor::{Reason, elements};

/// Stands for a place outside the input.
pub(in crate::onnx) const OUTSIDE: u32 = u32::MAX;

/// A window's geometry, by spatial axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::onnx) struct Window {
    pub(in crate::onnx) input: Vec<usize>,
    pub(in crate::onnx) kernel: Vec<usize>,
    pub(in crate::onnx) output: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    /// Places in front of the input.
    before: Vec<i64>,
    /// Places behind it that count as padding; further ones come from rounding the output's size up.
    after: Vec<i64>,
    /// Whether the window spreads an input over its outputs instead of gathering them.
    transposed: bool,
}

fn list(node: &Node, name: &str, rank: usize, default: usize) -> Result<Vec<usize>, Reason> {
    let Some(own) = node.ints(name) else { return Ok(vec![default; rank]) };
    let sizes: Option<Vec<usize>> =
        own.iter().map(|&size| usize::try_from(size).ok().filter(|&size| size <= 1 << 24)).collect();
    let least = default.min(1);
    sizes
        .filter(|sizes| sizes.len() == rank && sizes.iter().all(|&size| size >= least))
        .ok_or_else(|| format!("{name} {own:?} do not go with {rank} dimensions"))
}

impl Window {
    /// What a node says of its windows, before their number is known.
    fn without_output(
        node: &Node,
        input: &[usize],
        kernel: &[usize],
        transposed: bool,
    ) -> Result<Self, Reason> {
        let rank = input.len();
        if kernel.len() != rank || rank == 0 || kernel.contains(&0) || (transposed && input.contains(&0)) {
            return Err(format!("a window {kernel:?} does not slide over {input:?}"));
        }
        let pads = list(node, "pads", 2 * rank, 0)?;
        let (before, after) = pads.split_at(rank);
        Ok(Self {
            input: input.to_vec(),
            kernel: kernel.to_vec(),
            output: Vec::with_capacity(rank),
            strides: list(node, "strides", rank, 1)?,
            dilations: list(node, "dilations", rank, 1)?,
            before: before.iter().map(|&pad| pad as i64).collect(),
            after: after.iter().map(|&pad| pad as i64).collect(),
            transposed,
        })
    }

    /// The windows of a convolution or pooling node over an input of these sizes.
    pub(in crate::onnx) fn new(node: &Node, input: &[usize], kernel: &[usize]) -> Result<Self, Reason> {
        let mut window = Self::without_output(node, input, kernel, false)?;
        let round_up = node.int("ceil_mode", 0) != 0;
        let auto = node.text("auto_pad", "NOTSET");
        for at in 0..input.len() {
            let (size, stride, reach) = (input[at] as i64, window.strides[at] as i64, window.reach(at));
            let same = (size + stride - 1) / stride;
            match auto {
                "SAME_UPPER" | "SAME_LOWER" => {
                    let all = ((same - 1) * stride + reach - size).max(0);
                    let less = all / 2;
                    let more = all - less;
                    let upper = auto == "SAME_UPPER";
                    (window.before[at], window.after[at]) = if upper { (less, more) } else { (more, less) };
                }
                "VALID" => (window.before[at], window.after[at]) = (0, 0),
                _ => {}
            }
            let room = size + window.before[at] + window.after[at] - reach;
            if room < 0 {
                return Err(format!("a window {kernel:?} does not fit into {input:?}"));
            }
            let mut places = if round_up { (room + stride - 1) / stride + 1 } else { room / stride + 1 };
            // No window begins behind the input.
            if round_up && (places - 1) * stride >= size + window.before[at] {
                places -= 1;
            }
            window.output.push(places as usize);
        }
        bounded(window.output.clone())?;
        window.check()
    }

    /// The windows of a transposed convolution.
    pub(in crate::onnx) fn transposed(
        node: &Node,
        input: &[usize],
        kernel: &[usize],
    ) -> Result<Self, Reason> {
        let mut window = Self::without_output(node, input, kernel, true)?;
        let rank = input.len();
        let extra = list(node, "output_padding", rank, 0)?;
        let asked = node.ints("output_shape").map(|shape| shape[shape.len().saturating_sub(rank)..].to_vec());
        if asked.as_ref().is_some_and(|shape| shape.len() != rank) {
            return Err("the output's shape has another number of dimensions".to_owned());
        }
        let auto = node.text("auto_pad", "NOTSET");
        for at in 0..rank {
            let (size, stride) = (input[at] as i64, window.strides[at] as i64);
            let whole = stride * (size - 1) + extra[at] as i64 + window.reach(at);
            let same = auto.starts_with("SAME");
            let wanted = asked.as_ref().map(|shape| shape[at]).or(same.then_some(size * stride));
            let places = match wanted {
                Some(wanted) => {
                    let all = (whole - wanted).max(0);
                    window.before[at] = if auto == "SAME_UPPER" { all / 2 } else { all - all / 2 };
                    wanted
                }
                None => whole - window.before[at] - window.after[at],
            };
            window
                .output
                .push(usize::try_from(places).ok().filter(|&p| p > 0).ok_or("the output has no place")?);
        }
        window.after = vec![0; rank];
        bounded(window.output.clone())?;
        window.check()
    }

    /// Rejects windows whose table no memory holds.
    fn check(self) -> Result<Self, Reason> {
        let fits = |sizes: &[usize]| elements(sizes).is_some_and(|count| count < OUTSIDE as usize);
        if !fits(&self.input) || self.strides.contains(&0) || self.dilations.contains(&0) {
            return Err("the window is impossible".to_owned());
        }
        bounded([&self.output[..], &self.kernel].concat())?;
        Ok(self)
    }

    /// From the first to the last place that a window covers.
    fn reach(&self, at: usize) -> i64 {
        (self.kernel[at] as i64 - 1) * self.dilations[at] as i64 + 1
    }

    /// Places of the window: outputs of one channel.
    pub(in crate::onnx) fn positions(&self) -> usize {
        elements(&self.output).unwrap_or(0)
    }

    /// Places in the window.
    pub(in crate::onnx) fn size(&self) -> usize {
        elements(&self.kernel).unwrap_or(0)
    }

    /// Where along one axis a window's place lies in the input, if it does.
    fn place(&self, at: usize, output: usize, kernel: usize) -> i64 {
        let step = (kernel * self.dilations[at]) as i64;
        if !self.transposed {
            return (output * self.strides[at]) as i64 + step - self.before[at];
        }
        let (spread, stride) = (output as i64 + self.before[at] - step, self.strides[at] as i64);
        if spread.rem_euclid(stride) == 0 { spread.div_euclid(stride) } else { -1 }
    }

    /// For each place in the window, and within it each position of the window: the place in the input,
    /// or [`OUTSIDE`].
    pub(in crate::onnx) fn table(&self) -> Vec<u32> {
        let axes: Vec<Vec<Option<u32>>> = (0..self.input.len())
            .map(|at| {
                let pairs = (0..self.kernel[at]).flat_map(|k| (0..self.output[at]).map(move |o| (k, o)));
                let inside = |(k, o)| {
                    u32::try_from(self.place(at, o, k)).ok().filter(|&p| (p as usize) < self.input[at])
                };
                pairs.map(inside).collect()
            })
            .collect();
        let mut table: Vec<u32> = vec![0];
        let (mut kernels, mut outputs) = (1, 1);
        for (at, along) in axes.iter().enumerate() {
            let (kernel, output, size) = (self.kernel[at], self.output[at], self.input[at] as u32);
            let mut wider = Vec::with_capacity(table.len() * kernel * output);
            for before in 0..kernels {
                for k in 0..kernel {
                    for o in 0..outputs {
                        let start = table[before * outputs + o];
                        wider.extend(along[k * output..(k + 1) * output].iter().map(|place| match place {
                            Some(place) if start != OUTSIDE => start * size + place,
                            _ => OUTSIDE,
                        }));
                    }
                }
            }
            (table, kernels, outputs) = (wider, kernels * kernel, outputs * output);
        }
        table
    }

    /// How many places of each window are inside the input or its padding.
    pub(in crate::onnx) fn padded_sizes(&self) -> Vec<usize> {
        let mut sizes = vec![1];
        for at in 0..self.input.len() {
            let inside = |output: usize| {
                let within = |k: &usize| {
                    let place = self.place(at, output, *k);
                    (-self.before[at]..self.input[at] as i64 + self.after[at]).contains(&place)
                };
                (0..self.kernel[at]).filter(within).count()
            };
            let along: Vec<usize> = (0..self.output[at]).map(inside).collect();
            sizes = sizes.iter().flat_map(|size| along.iter().map(move |own| size * own)).collect();
        }
        sizes
    }
}
