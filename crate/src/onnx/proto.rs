//! The messages of an ONNX file that Crossdub reads, by the field numbers of the public schema
//! (`onnx.proto`); everything else is passed over.
//!
//! Tensors keep their place in the file instead of their bytes: pruning writes to that place, and a
//! weight is decoded once, straight into the matrix that wants it.

use std::collections::HashMap;
use std::ops::Range;

use super::element::ElementType;
use super::tensor::{elements, extent};
use super::wire::{Field, Fields, Wire, damaged, packed};
use crate::error::Result;

/// Subgraphs inside subgraphs.
const MAX_DEPTH: usize = 16;
/// Nodes, tensors or names of one graph; large networks have some ten thousand.
const MAX_ITEMS: usize = 1 << 20;
/// Dimensions of a tensor.
const MAX_RANK: usize = 32;
/// The product of the other dimensions of a tensor that is empty.
const MAX_EMPTY: usize = 1 << 24;

/// Where a tensor's elements are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Payload {
    /// Little-endian elements, one after another, in the file itself.
    Raw(Range<usize>),
    /// The fields for one type each, in the file itself: a field's number and a place.
    Typed(Vec<(u64, Range<usize>)>),
    /// In a file beside this one.
    External { location: String, offset: usize, length: Option<usize> },
}

/// A constant tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TensorProto {
    pub(super) name: String,
    pub(super) element: ElementType,
    pub(super) shape: Vec<usize>,
    pub(super) payload: Payload,
}

/// An attribute of a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attribute {
    Float(f32),
    Int(i64),
    Text(String),
    Tensor(TensorProto),
    Graph(Box<GraphProto>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Other,
}

/// An operator, its inputs and outputs by name; an empty name stands for an input left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct NodeProto {
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) name: String,
    pub(super) op: String,
    pub(super) domain: String,
    pub(super) attributes: HashMap<String, Attribute>,
}

/// A dimension: its size, or the name of one that is given when the network runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// A fixed size.
    Fixed(usize),
    /// A size that is open, and its name; empty if it has none.
    Open(String),
}

/// The type of an input, an output or a value between.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValueInfo {
    pub(super) name: String,
    pub(super) element: ElementType,
    /// None where not even the number of dimensions is known.
    pub(super) shape: Option<Vec<Dimension>>,
}

/// A graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct GraphProto {
    pub(super) nodes: Vec<NodeProto>,
    pub(super) initializers: Vec<TensorProto>,
    pub(super) inputs: Vec<ValueInfo>,
    pub(super) outputs: Vec<ValueInfo>,
    pub(super) values: Vec<ValueInfo>,
}

/// A file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ModelProto {
    pub(super) producer: String,
    /// The version of ONNX's own operators.
    pub(super) opset: i64,
    pub(super) graph: GraphProto,
    /// Operators that the file defines itself, by domain and name.
    pub(super) functions: Vec<(String, String)>,
}

/// Reads a whole file.
///
/// # Errors
/// If it is damaged or holds no graph.
pub(super) fn read(bytes: &[u8]) -> Result<ModelProto> {
    let (mut producer, mut opset, mut graph, mut functions) = (String::new(), None, None, Vec::new());
    for field in Fields::new(bytes, 0..bytes.len()) {
        let field = field?;
        match field.number {
            2 => producer = text(bytes, &field)?,
            7 => graph = Some(read_graph(bytes, field.span()?, 0)?),
            8 => {
                let (domain, version) = read_opset(bytes, field.span()?)?;
                if domain.is_empty() || domain == "ai.onnx" {
                    opset = Some(version);
                }
            }
            25 => {
                let mut function = (String::new(), String::new());
                for part in Fields::new(bytes, field.span()?) {
                    let part = part?;
                    match part.number {
                        1 => function.1 = text(bytes, &part)?,
                        10 => function.0 = text(bytes, &part)?,
                        _ => {}
                    }
                }
                push(&mut functions, function)?;
            }
            _ => {}
        }
    }
    let graph = graph.ok_or_else(|| damaged("it has no graph"))?;
    let opset = opset.ok_or_else(|| damaged("it names no version of ONNX's operators"))?;
    Ok(ModelProto { producer, opset, graph, functions })
}

fn push<T>(items: &mut Vec<T>, item: T) -> Result<()> {
    if items.len() >= MAX_ITEMS {
        return Err(damaged(format!("a list has more than {MAX_ITEMS} entries")));
    }
    items.push(item);
    Ok(())
}

fn text(bytes: &[u8], field: &Field) -> Result<String> {
    Ok(String::from_utf8_lossy(&bytes[field.span()?]).into_owned())
}

fn read_opset(bytes: &[u8], span: Range<usize>) -> Result<(String, i64)> {
    let (mut domain, mut version) = (String::new(), 0);
    for field in Fields::new(bytes, span) {
        let field = field?;
        match field.number {
            1 => domain = text(bytes, &field)?,
            2 => version = field.integer()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn read_graph(bytes: &[u8], span: Range<usize>, depth: usize) -> Result<GraphProto> {
    if depth > MAX_DEPTH {
        return Err(damaged(format!("graphs lie more than {MAX_DEPTH} deep in each other")));
    }
    let mut graph = GraphProto::default();
    for field in Fields::new(bytes, span) {
        let field = field?;
        match field.number {
            1 => {
                let node = read_node(bytes, field.span()?, depth)?;
                if node.op.is_empty() {
                    return Err(damaged(format!("node {} has no operator", graph.nodes.len())));
                }
                push(&mut graph.nodes, node)?;
            }
            5 => {
                let tensor = read_tensor(bytes, field.span()?)?;
                if tensor.name.is_empty() {
                    return Err(damaged(format!("initializer {} has no name", graph.initializers.len())));
                }
                push(&mut graph.initializers, tensor)?;
            }
            11..=13 => {
                let value = read_value(bytes, field.span()?)?;
                let list = match field.number {
                    11 => &mut graph.inputs,
                    12 => &mut graph.outputs,
                    _ => &mut graph.values,
                };
                push(list, value)?;
            }
            15 => {
                return Err(damaged("sparse initializers are not supported; save the model with dense ones"));
            }
            _ => {}
        }
    }
    Ok(graph)
}

fn read_node(bytes: &[u8], span: Range<usize>, depth: usize) -> Result<NodeProto> {
    let mut node = NodeProto::default();
    for field in Fields::new(bytes, span) {
        let field = field?;
        match field.number {
            1 => push(&mut node.inputs, text(bytes, &field)?)?,
            2 => push(&mut node.outputs, text(bytes, &field)?)?,
            3 => node.name = text(bytes, &field)?,
            4 => node.op = text(bytes, &field)?,
            5 => {
                let (name, attribute) = read_attribute(bytes, field.span()?, depth)?;
                node.attributes.insert(name, attribute);
            }
            7 => node.domain = text(bytes, &field)?,
            _ => {}
        }
    }
    // onnxruntime's own quantizations, for types that ONNX took up later, mean the same.
    let is_own = node.domain == "com.microsoft" && matches!(&*node.op, "QuantizeLinear" | "DequantizeLinear");
    if is_own || node.domain == "ai.onnx" {
        node.domain.clear();
    }
    Ok(node)
}

fn read_attribute(bytes: &[u8], span: Range<usize>, depth: usize) -> Result<(String, Attribute)> {
    let (mut name, mut kind, mut found) = (String::new(), 0, Attribute::Other);
    let (mut ints, mut floats) = (Vec::new(), Vec::new());
    for field in Fields::new(bytes, span) {
        let field = field?;
        match field.number {
            1 => name = text(bytes, &field)?,
            2 => found = Attribute::Float(float(bytes, &field)?),
            3 => found = Attribute::Int(field.integer()?),
            4 => found = Attribute::Text(text(bytes, &field)?),
            5 => found = Attribute::Tensor(read_tensor(bytes, field.span()?)?),
            6 => found = Attribute::Graph(Box::new(read_graph(bytes, field.span()?, depth + 1)?)),
            7 => match &field.value {
                Wire::Bytes(span) => floats.extend(bytes[span.clone()].chunks_exact(4).map(float_of)),
                _ => floats.push(float(bytes, &field)?),
            },
            8 => ints.extend(numbers(bytes, &field)?),
            20 => kind = field.integer()?,
            _ => {}
        }
    }
    // Lists that are empty leave no field but their type.
    let attribute = match (kind, found) {
        (6, _) => Attribute::Floats(floats),
        (7, _) => Attribute::Ints(ints),
        (0, Attribute::Other) if !ints.is_empty() => Attribute::Ints(ints),
        (0, Attribute::Other) if !floats.is_empty() => Attribute::Floats(floats),
        // A zero may be left out.
        (1, Attribute::Other) => Attribute::Float(0.0),
        (2, Attribute::Other) => Attribute::Int(0),
        (3, Attribute::Other) => Attribute::Text(String::new()),
        (_, found) => found,
    };
    Ok((name, attribute))
}

fn float_of(bytes: &[u8]) -> f32 {
    bytes.first_chunk().map_or(0.0, |&bytes| f32::from_le_bytes(bytes))
}

fn float(bytes: &[u8], field: &Field) -> Result<f32> {
    match &field.value {
        Wire::Fixed32(span) => Ok(float_of(&bytes[span.clone()])),
        _ => Err(damaged(format!("field {} has another type than ONNX gives it", field.number))),
    }
}

/// Integers that are packed or come one a field.
fn numbers(bytes: &[u8], field: &Field) -> Result<Vec<i64>> {
    match &field.value {
        Wire::Varint(value) => Ok(vec![value.cast_signed()]),
        _ => packed(bytes, field.span()?),
    }
}

fn read_tensor(bytes: &[u8], span: Range<usize>) -> Result<TensorProto> {
    let (mut name, mut element, mut dims) = (String::new(), 0, Vec::new());
    let (mut raw, mut typed, mut external, mut beside) = (None, Vec::new(), HashMap::new(), false);
    for field in Fields::new(bytes, span) {
        let field = field?;
        match field.number {
            1 => dims.extend(numbers(bytes, &field)?),
            2 => element = field.integer()?,
            4 | 5 | 7 | 10 | 11 => {
                let place = match &field.value {
                    Wire::Fixed32(span) | Wire::Fixed64(span) | Wire::Bytes(span) => span.clone(),
                    Wire::Varint(_) => return Err(damaged("a tensor's numbers are not packed")),
                };
                typed.push((field.number, place));
            }
            8 => name = text(bytes, &field)?,
            9 => raw = Some(field.span()?),
            13 => {
                let (key, value) = read_entry(bytes, field.span()?)?;
                external.insert(key, value);
            }
            14 => beside = field.integer()? == 1,
            _ => {}
        }
    }
    let shape = dims.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<usize>>>();
    // An empty tensor holds nothing, but operators step through its other dimensions.
    let most = |shape: &[usize]| if elements(shape) == Some(0) { MAX_EMPTY } else { usize::MAX };
    let is_possible = |shape: &Vec<usize>| extent(shape).is_some_and(|extent| extent <= most(shape));
    let shape = shape.filter(|shape| shape.len() <= MAX_RANK && is_possible(shape));
    let shape = shape.ok_or_else(|| damaged(format!("tensor {name} has impossible dimensions")))?;
    let payload = if beside {
        let number = |key: &str| external.get(key).map(|text: &String| text.trim().parse::<usize>().ok());
        let (offset, length) = (number("offset"), number("length"));
        let wrong = || damaged(format!("tensor {name} has no proper place in its external data"));
        Payload::External {
            location: external
                .get("location")
                .filter(|location| !location.is_empty())
                .ok_or_else(wrong)?
                .clone(),
            offset: offset.unwrap_or(Some(0)).ok_or_else(wrong)?,
            length: length.map(|length| length.ok_or_else(wrong)).transpose()?,
        }
    } else {
        raw.map_or(Payload::Typed(typed), Payload::Raw)
    };
    Ok(TensorProto { name, element: ElementType::from_code(element as i32), shape, payload })
}

fn read_entry(bytes: &[u8], span: Range<usize>) -> Result<(String, String)> {
    let (mut key, mut value) = (String::new(), String::new());
    for field in Fields::new(bytes, span) {
        let field = field?;
        match field.number {
            1 => key = text(bytes, &field)?,
            2 => value = text(bytes, &field)?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn read_value(bytes: &[u8], span: Range<usize>) -> Result<ValueInfo> {
    let mut value = ValueInfo { name: String::new(), element: ElementType::Other(0), shape: None };
    for field in Fields::new(bytes, span) {
        let field = field?;
        match field.number {
            1 => value.name = text(bytes, &field)?,
            2 => {
                for kind in Fields::new(bytes, field.span()?) {
                    let kind = kind?;
                    // Sequences, maps and optionals have no shape.
                    if kind.number == 1 {
                        (value.element, value.shape) = read_tensor_type(bytes, kind.span()?)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(value)
}

fn read_tensor_type(bytes: &[u8], span: Range<usize>) -> Result<(ElementType, Option<Vec<Dimension>>)> {
    let (mut element, mut shape) = (ElementType::Other(0), None);
    for field in Fields::new(bytes, span) {
        let field = field?;
        match field.number {
            1 => element = ElementType::from_code(field.integer()? as i32),
            2 => {
                let mut dimensions = Vec::new();
                for dimension in Fields::new(bytes, field.span()?) {
                    dimensions.push(read_dimension(bytes, &dimension?)?);
                    if dimensions.len() > MAX_RANK {
                        return Err(damaged(format!("a value has more than {MAX_RANK} dimensions")));
                    }
                }
                shape = Some(dimensions);
            }
            _ => {}
        }
    }
    Ok((element, shape))
}

fn read_dimension(bytes: &[u8], field: &Field) -> Result<Dimension> {
    let mut dimension = Dimension::Open(String::new());
    for part in Fields::new(bytes, field.span()?) {
        let part = part?;
        match part.number {
            // Exporters write -1 or 0 for an open size.
            1 => {
                dimension = match usize::try_from(part.integer()?) {
                    Ok(size) if size > 0 => Dimension::Fixed(size),
                    _ => Dimension::Open(String::new()),
                };
            }
            2 => dimension = Dimension::Open(text(bytes, &part)?),
            _ => {}
        }
    }
    Ok(dimension)
}
