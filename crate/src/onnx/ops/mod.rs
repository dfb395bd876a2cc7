//! Operators: the shape that each gives, and what it computes.
//!
//! [`infer`] needs only shapes, and the elements of small constants such as the new shape of a `Reshape`;
//! analysis stops there. [`fold`] computes what moves elements or works on each by itself, which is what
//! exporters hide constants behind. [`compute`] adds everything that runs a network.
//!
//! Source of every operator's meaning: ONNX, "Operator Schemas".

mod conv;
mod creation;
mod elementwise;
mod gemm;
pub(super) mod integers;
mod math;
mod matmul;
mod movement;
mod normalize;
mod pool;
pub(super) mod quantize;
mod reduce;
mod resize;
mod selection;
pub(super) mod window;

use super::element::ElementType;
use super::graph::Node;
use super::tensor::{Reason, Tensor, extent};

pub(super) use self::conv::{Convolution, finish_floats};
pub(super) use self::matmul::{Linear, Product, finish_gemm};

/// Elements that one operator may give: 1 GiB of floats.
const MAX_ELEMENTS: usize = 1 << 28;

/// An input: its type and shape, and its elements where they are known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Argument {
    pub(super) element: ElementType,
    pub(super) shape: Vec<usize>,
    pub(super) tensor: Option<Tensor>,
}

impl From<Tensor> for Argument {
    fn from(tensor: Tensor) -> Self {
        Self { element: tensor.element, shape: tensor.shape.clone(), tensor: Some(tensor) }
    }
}

/// A node with its inputs.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    pub(super) opset: i64,
    pub(super) inputs: Vec<Option<Argument>>,
}

/// An output's type and shape.
pub(super) type Shaped = (ElementType, Vec<usize>);

impl Call<'_> {
    pub(super) fn has(&self, at: usize) -> bool {
        self.inputs.get(at).is_some_and(Option::is_some)
    }

    pub(super) fn input(&self, at: usize) -> Result<&Argument, Reason> {
        self.inputs.get(at).and_then(Option::as_ref).ok_or_else(|| format!("input {at} is missing"))
    }

    pub(super) fn shape(&self, at: usize) -> Result<&[usize], Reason> {
        Ok(&self.input(at)?.shape)
    }

    pub(super) fn tensor(&self, at: usize) -> Result<&Tensor, Reason> {
        let tensor = self.input(at)?.tensor.as_ref();
        tensor.ok_or_else(|| format!("input {at} depends on the data"))
    }

    pub(super) fn optional(&self, at: usize) -> Result<Option<&Tensor>, Reason> {
        if self.has(at) { self.tensor(at).map(Some) } else { Ok(None) }
    }

    /// The elements of an integer input.
    pub(super) fn ints(&self, at: usize) -> Result<&[i64], Reason> {
        self.tensor(at)?.integers()
    }

    /// A list that newer operators take as an input and older ones as an attribute.
    pub(super) fn list(&self, at: usize, attribute: &str) -> Result<Option<&[i64]>, Reason> {
        if self.has(at) { self.ints(at).map(Some) } else { Ok(self.node.ints(attribute)) }
    }

    /// Whether the node is one of ONNX's own operators, not another domain's of the same name.
    fn is_standard(&self) -> bool {
        self.node.domain.is_empty()
    }
}

/// Rejects shapes that no memory holds.
pub(super) fn bounded(shape: Vec<usize>) -> Result<Vec<usize>, Reason> {
    match extent(&shape) {
        Some(count) if count <= MAX_ELEMENTS => Ok(shape),
        _ => Err(format!("would give {shape:?}, more than {MAX_ELEMENTS} values")),
    }
}

/// The types and shapes of a node's outputs.
///
/// # Errors
/// If the operator is not known, or its shape can't be told or is impossible.
pub(super) fn infer(call: &Call<'_>) -> Result<Vec<Shaped>, Reason> {
    let outputs = if call.is_standard() {
        match movement::infer(call) {
            Some(shapes) => shapes?,
            None => match elementwise::infer(call) {
                Some(shapes) => shapes?,
                None => infer_by_name(call)?,
            },
        }
    } else {
        quantize::infer_other_domain(call)?
    };
    for (_, shape) in &outputs {
        bounded(shape.clone())?;
    }
    Ok(outputs)
}

fn infer_by_name(call: &Call<'_>) -> Result<Vec<Shaped>, Reason> {
    let op = &*call.node.op;
    match op {
        "Conv" | "ConvInteger" | "QLinearConv" | "ConvTranspose" => conv::infer(call),
        "MatMul" | "MatMulInteger" | "QLinearMatMul" | "Gemm" | "Einsum" => matmul::infer(call),
        "MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" | "LpPool" => pool::infer(call),
        "QuantizeLinear" | "DequantizeLinear" | "DynamicQuantizeLinear" => quantize::infer(call),
        "Resize" | "Upsample" => resize::infer(call),
        _ => match reduce::infer(call) {
            Some(shapes) => shapes,
            None => normalize::infer(call).unwrap_or_else(|| Err(unknown(call.node))),
        },
    }
}

/// Why an operator is not computed.
pub(super) fn unknown(node: &Node) -> Reason {
    let domain = if node.domain.is_empty() { String::new() } else { format!("{}.", node.domain) };
    format!("the operator {domain}{} is not supported", node.op)
}

/// Computes an operator that moves elements or works on each by itself; `None` if it is another one.
pub(super) fn fold(call: &Call<'_>) -> Option<Result<Vec<Tensor>, Reason>> {
    if !call.is_standard() {
        return None;
    }
    let moved = movement::compute(call).or_else(|| elementwise::compute(call));
    moved.or_else(|| quantize::compute(call)).or_else(|| reduce::compute(call))
}

/// Computes an operator.
///
/// # Errors
/// If it is not known, or its inputs don't go together.
pub(super) fn compute(call: &Call<'_>) -> Result<Vec<Tensor>, Reason> {
    // Rejects impossible shapes before anything is allocated for them.
    infer(call)?;
    if let Some(folded) = fold(call) {
        return folded;
    }
    if !call.is_standard() {
        return quantize::compute_other_domain(call);
    }
    match &*call.node.op {
        "Conv" | "ConvTranspose" | "ConvInteger" | "QLinearConv" => conv::compute(call),
        "MatMul" | "MatMulInteger" | "QLinearMatMul" | "Gemm" | "Einsum" => matmul::compute(call),
        "MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" | "LpPool" => pool::compute(call),
        "Resize" | "Upsample" => resize::compute(call),
        _ => normalize::compute(call).unwrap_or_else(|| Err(unknown(call.node))),
    }
}
