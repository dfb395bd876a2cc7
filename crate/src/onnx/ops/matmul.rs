//! Matrix products, of floats and integers.

use super::conv::Convolution;
use super::gemm::{Strided, multiply};
use super::integers::{finish_integers, multiply_integers, zero_points};
use super::{Call, Shaped, bounded};
use crate::onnx::element::ElementType;
use crate::onnx::graph::Node;
use crate::onnx::tensor::{Reason, Tensor, broadcast, broadcast_strides, elements, places, strides};
use crate::parallel;

/// A product whose weight is constant: what a crossbar computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::onnx) enum Product {
    Convolution(Convolution),
    Linear(Linear),
}

/// A fully connected layer's sizes, and how its operands lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::onnx) struct Linear {
    pub(in crate::onnx) batch: usize,
    /// Vectors that it multiplies, of one batch.
    pub(in crate::onnx) positions: usize,
    pub(in crate::onnx) inputs: usize,
    pub(in crate::onnx) outputs: usize,
    /// Whether the weight is `[inputs, outputs]`, not `[outputs, inputs]`.
    weight_turned: bool,
    /// Whether the input is `[batch, inputs, positions]`, not `[batch, positions, inputs]`.
    input_turned: bool,
    /// Whether the output is `[batch, outputs, positions]`, not `[batch, positions, outputs]`.
    output_turned: bool,
    shape: Vec<usize>,
}

impl Linear {
    /// The product of a node with input `weight` constant; the shapes are both operands'.
    pub(in crate::onnx) fn new(node: &Node, weight: usize, [a, b]: [&[usize]; 2]) -> Result<Self, Reason> {
        let (left, right) = (Sides::new(node, a, b)?, weight == 0);
        let constant = if right { a } else { b };
        if constant.iter().rev().skip(2).any(|&size| size != 1) {
            return Err(format!("its weight {constant:?} has more than 2 dimensions"));
        }
        let Sides { rows, columns, terms, turned: [turned_a, turned_b], ref shape, .. } = left;
        let whole = elements(shape).ok_or("the output is too large")?;
        let batch = whole.checked_div(rows * columns).unwrap_or(0);
        let shape = shape.clone();
        Ok(if right {
            Self {
                batch,
                positions: columns,
                inputs: terms,
                outputs: rows,
                weight_turned: turned_a,
                input_turned: !turned_b,
                output_turned: true,
                shape,
            }
        } else {
            // Batches are only more rows.
            let flat = !turned_a;
            Self {
                batch: if flat { 1 } else { batch },
                positions: if flat { batch * rows } else { rows },
                inputs: terms,
                outputs: columns,
                weight_turned: !turned_b,
                input_turned: turned_a,
                output_turned: false,
                shape,
            }
        })
    }
}

impl Product {
    /// The output's shape.
    pub(in crate::onnx) fn shape(&self) -> Vec<usize> {
        match self {
            Self::Convolution(convolution) => convolution.shape(),
            Self::Linear(linear) => linear.shape.clone(),
        }
    }

    /// Vectors that it multiplies for all images.
    pub(in crate::onnx) fn positions(&self) -> usize {
        match self {
            Self::Convolution(convolution) => convolution.batch * convolution.window.positions(),
            Self::Linear(linear) => linear.batch * linear.positions,
        }
    }

    pub(in crate::onnx) fn groups(&self) -> usize {
        match self {
            Self::Convolution(convolution) => convolution.groups,
            Self::Linear(_) => 1,
        }
    }

    /// Outputs of all groups.
    pub(in crate::onnx) fn outputs(&self) -> usize {
        match self {
            Self::Convolution(convolution) => convolution.groups * convolution.outputs,
            Self::Linear(linear) => linear.outputs,
        }
    }

    /// Inputs of one output.
    pub(in crate::onnx) fn inputs(&self) -> usize {
        match self {
            Self::Convolution(convolution) => convolution.inputs(),
            Self::Linear(linear) => linear.inputs,
        }
    }

    /// Where the entries of the weight matrix `[outputs, inputs]` lie in the node's weight; `None` if in the
    /// same order.
    pub(in crate::onnx) fn weight_places(&self) -> Option<Vec<usize>> {
        match self {
            Self::Convolution(convolution) => convolution.transposed.then(|| convolution.transposed_places()),
            Self::Linear(linear) if linear.weight_turned => {
                let (outputs, inputs) = (linear.outputs, linear.inputs);
                Some(places(&[outputs, inputs], &[1, outputs as isize], 0))
            }
            Self::Linear(_) => None,
        }
    }

    /// The vectors that each group multiplies: `[positions, inputs]`.
    pub(in crate::onnx) fn patches<T: Copy>(&self, input: &[T], zero: T) -> Vec<Vec<T>> {
        match self {
            Self::Convolution(convolution) => convolution.patches(input, zero),
            Self::Linear(Linear { batch, positions, inputs, input_turned: true, .. }) => {
                let view = [(inputs * positions) as isize, 1, *positions as isize];
                let places = places(&[*batch, *positions, *inputs], &view, 0);
                vec![places.into_iter().map(|at| input[at]).collect()]
            }
            Self::Linear(_) => vec![input.to_vec()],
        }
    }

    /// Puts `[outputs, positions]` of all groups into the output's order.
    pub(in crate::onnx) fn arrange<T: Copy>(&self, sums: &[T]) -> Vec<T> {
        let (outputs, all) = (self.outputs() as isize, self.positions() as isize);
        // Batch, then what follows it in the output; each with its distance in `sums`.
        let (shape, view) = match self {
            Self::Convolution(convolution) => {
                let own = convolution.window.positions();
                ([convolution.batch, outputs as usize, own], [own as isize, all, 1])
            }
            Self::Linear(Linear { batch, positions, output_turned: true, .. }) => {
                ([*batch, outputs as usize, *positions], [*positions as isize, all, 1])
            }
            Self::Linear(Linear { batch, positions, .. }) => {
                ([*batch, *positions, outputs as usize], [*positions as isize, 1, all])
            }
        };
        places(&shape, &view, 0).into_iter().map(|at| sums[at]).collect()
    }
}

/// The two matrices of a product, as the last two dimensions of its inputs.
struct Sides {
    rows: usize,
    columns: usize,
    terms: usize,
    /// Whether each lies the other way round in memory.
    turned: [bool; 2],
    /// The output's shape.
    shape: Vec<usize>,
}

impl Sides {
    fn new(node: &Node, a: &[usize], b: &[usize]) -> Result<Self, Reason> {
        let wrong = || format!("{a:?} and {b:?} have no product");
        if node.op.ends_with("Gemm") {
            let (&[a0, a1], &[b0, b1]) = (a, b) else { return Err(wrong()) };
            let turned = [node.int("transA", 0) != 0, node.int("transB", 0) != 0];
            let (rows, terms) = if turned[0] { (a1, a0) } else { (a0, a1) };
            let (same, columns) = if turned[1] { (b1, b0) } else { (b0, b1) };
            if terms != same {
                return Err(wrong());
            }
            return Ok(Self { rows, columns, terms, turned, shape: vec![rows, columns] });
        }
        let (left, right) = match (a, b) {
            ([], _) | (_, []) => return Err(wrong()),
            ([terms], _) => ((1, *terms), b),
            ([.., rows, terms], _) => ((*rows, *terms), b),
        };
        let ((rows, terms), (same, columns)) = match right {
            [same] => (left, (*same, 1)),
            [.., same, columns] => (left, (*same, *columns)),
            [] => return Err(wrong()),
        };
        if terms != same {
            return Err(wrong());
        }
        let outer = |shape: &[usize]| shape[..shape.len().saturating_sub(2)].to_vec();
        let mut shape = broadcast(&outer(a), &outer(b))?;
        shape.extend((a.len() > 1).then_some(rows));
        shape.extend((b.len() > 1).then_some(columns));
        Ok(Self { rows, columns, terms, turned: [false; 2], shape })
    }

    /// The places of all batches' matrices in both inputs.
    fn batches(&self, a: &[usize], b: &[usize]) -> Result<Vec<(usize, usize)>, Reason> {
        let outer = |shape: &[usize]| shape[..shape.len().saturating_sub(2)].to_vec();
        let (outer_a, outer_b) = (outer(a), outer(b));
        let shape = broadcast(&outer_a, &outer_b)?;
        let starts = |own: &[usize]| places(&shape, &broadcast_strides(own, &shape), 0);
        let (size_a, size_b) = (self.rows * self.terms, self.terms * self.columns);
        Ok(starts(&outer_a)
            .into_iter()
            .zip(starts(&outer_b))
            .map(|(a, b)| (a * size_a, b * size_b))
            .collect())
    }

    fn floats(&self, a: &Tensor, b: &Tensor) -> Result<Vec<f32>, Reason> {
        let (rows, columns, terms) = (self.rows, self.columns, self.terms);
        let (own_a, own_b) = (a.floats()?, b.floats()?);
        let (row_a, term_a) = if self.turned[0] { (1, rows) } else { (terms, 1) };
        let (term_b, column_b) = if self.turned[1] { (1, terms) } else { (columns, 1) };
        let mut product = Vec::with_capacity(elements(&self.shape).unwrap_or(0));
        for (start_a, start_b) in self.batches(&a.shape, &b.shape)? {
            let (a, b) = (&own_a[start_a..], &own_b[start_b..]);
            product.extend(if rows == 1 {
                // A vector times a matrix is the turned matrix times the vector.
                let turned = Strided { values: b, row: column_b, column: term_b };
                multiply((columns, 1, terms), turned, |term, _| a[term * term_a])
            } else {
                let left = Strided { values: a, row: row_a, column: term_a };
                multiply((rows, columns, terms), left, |term, column| b[term * term_b + column * column_b])
            });
        }
        Ok(product)
    }
}

/// The places of the second operand and of both zero points.
fn operands(op: &str) -> (usize, usize, usize) {
    match op {
        "QLinearMatMul" => (3, 2, 5),
        _ => (1, 2, 3),
    }
}

pub(super) fn infer(call: &Call<'_>) -> Result<Vec<Shaped>, Reason> {
    if call.node.op == "Einsum" {
        return Ok(vec![(call.input(0)?.element, bounded(Contraction::new(call)?.shape)?)]);
    }
    let (second, ..) = operands(&call.node.op);
    let sides = Sides::new(call.node, call.shape(0)?, call.shape(second)?)?;
    let element = match &*call.node.op {
        "MatMulInteger" => ElementType::I32,
        "QLinearMatMul" => call.input(7)?.element,
        _ => call.input(0)?.element,
    };
    Ok(vec![(element, bounded(sides.shape)?)])
}

pub(super) fn compute(call: &Call<'_>) -> Result<Vec<Tensor>, Reason> {
    if call.node.op == "Einsum" {
        return Contraction::new(call)?.compute(call).map(|tensor| vec![tensor]);
    }
    let (second, zero_a, zero_b) = operands(&call.node.op);
    let (a, b) = (call.tensor(0)?, call.tensor(second)?);
    let sides = Sides::new(call.node, &a.shape, &b.shape)?;
    match &*call.node.op {
        "MatMul" | "Gemm" => {
            let mut values = sides.floats(a, b)?;
            if call.node.op == "Gemm" {
                finish_gemm(call, &mut values, &sides.shape)?;
            }
            return Ok(vec![Tensor { element: a.element, ..Tensor::from_floats(sides.shape, values) }]);
        }
        _ => {}
    }
    let zero_a = call.optional(zero_a)?.map_or(Ok(0), |zero| zero_points(zero, 1).map(|z| z[0]))?;
    let zeros_b = match call.optional(zero_b)? {
        Some(zeros) => zero_points(zeros, sides.columns)?,
        None => vec![0; sides.columns],
    };
    let centred: Vec<i64> = a.integers()?.iter().map(|&u| u - zero_a).collect();
    let own_b = b.integers()?;
    let mut sums = Vec::with_capacity(elements(&sides.shape).unwrap_or(0));
    for (start_a, start_b) in sides.batches(&a.shape, &b.shape)? {
        let (a, b) = (&centred[start_a..], &own_b[start_b..]);
        let sizes = (sides.rows, sides.columns, sides.terms);
        sums.extend(multiply_integers(sizes, a, |term, column| {
            b[term * sides.columns + column] - zeros_b[column]
        }));
    }
    finish_integers(call, sums, sides.shape).map(|tensor| vec![tensor])
}

/// `alpha * product + beta * c`.
pub(in crate::onnx) fn finish_gemm(
    call: &Call<'_>,
    values: &mut [f32],
    shape: &[usize],
) -> Result<(), Reason> {
    let (alpha, beta) = (call.node.float("alpha", 1.0), call.node.float("beta", 1.0));
    if alpha != 1.0 {
        values.iter_mut().for_each(|value| *value *= alpha);
    }
    if let Some(c) = call.optional(2)? {
        if broadcast(&c.shape, shape)? != shape {
            return Err(format!("{:?} can't be added to {shape:?}", c.shape));
        }
        let (own, from) = (c.floats()?, places(shape, &broadcast_strides(&c.shape, shape), 0));
        values.iter_mut().zip(from).for_each(|(value, at)| *value += beta * own[at]);
    }
    Ok(())
}

/// An `Einsum`: a sum over the labels that the output lacks.
struct Contraction {
    shape: Vec<usize>,
    summed: Vec<usize>,
    /// Each operand's strides along the output's labels and along the summed ones.
    views: Vec<(Vec<isize>, Vec<isize>)>,
}

impl Contraction {
    fn new(call: &Call<'_>) -> Result<Self, Reason> {
        let equation: String =
            call.node.text("equation", "").chars().filter(|c| !c.is_whitespace()).collect();
        if equation.contains('.') {
            return Err("an equation with ... is not supported".to_owned());
        }
        let (left, right) = equation.split_once("->").map_or((&*equation, None), |(l, r)| (l, Some(r)));
        let operands: Vec<Vec<char>> = left.split(',').map(|labels| labels.chars().collect()).collect();
        if operands.len() != call.inputs.len() {
            return Err(format!("the equation {equation} is not for {} operands", call.inputs.len()));
        }
        let mut sizes: Vec<(char, usize)> = Vec::new();
        for (at, labels) in operands.iter().enumerate() {
            let own = call.shape(at)?;
            if own.len() != labels.len() {
                return Err(format!("the equation {equation} does not fit {own:?}"));
            }
            for (&label, &size) in labels.iter().zip(own) {
                match sizes.iter_mut().find(|(known, _)| *known == label) {
                    None => sizes.push((label, size)),
                    Some((_, known)) if *known == size => {}
                    Some(_) => return Err(format!("label {label} stands for two sizes")),
                }
            }
        }
        let once = |label: &char| operands.iter().flatten().filter(|own| *own == label).count() == 1;
        let output: Vec<char> = match right {
            Some(right) => right.chars().collect(),
            None => {
                let mut labels: Vec<char> = sizes.iter().map(|(label, _)| *label).filter(once).collect();
                labels.sort_unstable();
                labels
            }
        };
        let size = |label: &char| sizes.iter().find(|(known, _)| known == label).map(|(_, size)| *size);
        let shape: Option<Vec<usize>> = output.iter().map(size).collect();
        let gone: Vec<char> =
            sizes.iter().map(|(label, _)| *label).filter(|label| !output.contains(label)).collect();
        let mut views = Vec::new();
        for (at, labels) in operands.iter().enumerate() {
            let steps = strides(call.shape(at)?);
            // A label that comes twice walks along the diagonal.
            let along = |label: &char| {
                labels.iter().zip(&steps).filter(|(own, _)| *own == label).map(|(_, s)| s).sum()
            };
            views.push((output.iter().map(along).collect(), gone.iter().map(along).collect()));
        }
        Ok(Self {
            shape: shape.ok_or("the output has a label that no operand has")?,
            summed: bounded(gone.iter().filter_map(size).collect())?,
            views,
        })
    }

    fn compute(self, call: &Call<'_>) -> Result<Tensor, Reason> {
        let tensors: Vec<&[f32]> =
            (0..call.inputs.len()).map(|at| call.tensor(at)?.floats()).collect::<Result<_, _>>()?;
        let starts: Vec<_> = self.views.iter().map(|(outer, _)| places(&self.shape, outer, 0)).collect();
        let steps: Vec<_> = self.views.iter().map(|(_, inner)| places(&self.summed, inner, 0)).collect();
        let terms = elements(&self.summed).unwrap_or(0);
        let values = parallel::map(elements(&self.shape).unwrap_or(0), |at| {
            let term = |term: usize| -> f32 {
                let factors = tensors.iter().zip(&starts).zip(&steps);
                factors.map(|((values, starts), steps)| values[starts[at] + steps[term]]).product()
            };
            (0..terms).map(term).sum::<f32>()
        });
        Ok(Tensor { element: call.input(0)?.element, ..Tensor::from_floats(self.shape, values) })
    }
}
