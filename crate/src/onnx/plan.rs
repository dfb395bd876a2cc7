//! A graph walked through once for known input shapes, without computing the network: which values are
//! constant, what shapes the others have, and which nodes run.
//!
//! Exporters hide weights behind constant nodes (a transposition, a dequantization) and shapes behind
//! arithmetic on constants; both are followed. A constant that only comes from an initializer by moving,
//! casting or dequantizing its elements keeps that derivation instead of its elements, so that pruning
//! finds its way back into the file, and a weight is decoded once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::graph::{Graph, Node, failed};
use super::initializer::ModelBytes;
use super::ops::{self, Argument, Call};
use super::proto::Dimension;
use super::static_value::{Derivation, StaticValue};
use super::tensor::{Reason, Tensor, elements};
use crate::error::{Error, Result};

/// Elements that a constant may have beyond those it is made of.
const FOLDED: usize = 1 << 20;
/// Elements that all computed constants may have beyond two for each byte of the file.
const ALL_FOLDED: usize = 1 << 24;
/// Constants of at most this many elements can decide a shape.
const DECIDING: usize = 1 << 16;
/// A constant that has passed so many nodes is computed instead of led through them once more.
const MAX_STEPS: usize = 64;
/// Nodes that run, those of branches included.
const MAX_NODES: usize = 1 << 21;

/// What to follow through the nodes of a [`Derivation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// The elements as the graph computes them.
    Values,
    /// Places: only movements count.
    Places,
    /// The integers of a dequantization, less their zero points.
    Integers,
    /// The scale that a dequantization gives each element.
    Scales,
    /// The integer that a dequantization takes for 0.
    Zeros,
}

/// A graph for known input shapes.
#[derive(Debug, Clone)]
pub(super) struct InferredGraph {
    pub(super) graph: Arc<Graph>,
    pub(super) storage: ModelBytes,
    pub(super) opset: i64,
    /// The nodes that run, in order.
    pub(super) nodes: Vec<Arc<Node>>,
    /// By value.
    pub(super) known: Vec<StaticValue>,
    /// Whether an output depends on each node.
    pub(super) live: Vec<bool>,
    /// The first dimension of the first input: images that one run takes.
    pub(super) batch: usize,
    /// Open dimensions by name.
    symbols: HashMap<String, usize>,
    /// Elements that constants may still be computed for.
    foldable: usize,
    /// Values that depend on constants alone, but are not computed.
    pub(super) of_constants: HashSet<usize>,
}

/// The shapes of inputs that are not fixed, by the input's name; an empty name means the only input.
pub type InputShapes = [(String, Vec<usize>)];

impl InferredGraph {
    /// Walks through a graph.
    ///
    /// # Errors
    /// If an input's shape is open and `shapes` lacks it, or `shapes` does not fit.
    pub(super) fn new(
        graph: &Arc<Graph>,
        storage: ModelBytes,
        opset: i64,
        shapes: &InputShapes,
    ) -> Result<Self> {
        let known = vec![StaticValue::Unknown("no node produces it".to_owned()); graph.names.len()];
        let (nodes, symbols) = (Vec::new(), HashMap::new());
        let bytes = storage.bytes.len() + storage.external.values().map(|file| file.len()).sum::<usize>();
        let foldable = bytes.saturating_mul(2).saturating_add(ALL_FOLDED);
        let (graph, live, batch) = (Arc::clone(graph), Vec::new(), 1);
        let of_constants = HashSet::new();
        let mut plan =
            Self { graph, storage, opset, nodes, known, live, batch, symbols, foldable, of_constants };
        let graph = Arc::clone(&plan.graph);
        for (at, (value, tensor)) in graph.initializers.iter().enumerate() {
            let source = Derivation { initializer: at, steps: Vec::new() };
            let (element, shape) = (tensor.element, tensor.shape.clone());
            plan.known[*value] = StaticValue::Derived { element, shape, source };
        }
        plan.shape_inputs(shapes)?;
        for node in &graph.nodes {
            plan.enter(node, 0)?;
        }
        plan.fuse_quantized();
        plan.live = plan.live_nodes();
        Ok(plan)
    }

    fn shape_inputs(&mut self, shapes: &InputShapes) -> Result<()> {
        let graph = Arc::clone(&self.graph);
        for (name, shape) in shapes {
            let known = graph.inputs.iter().any(|input| input.name == *name);
            let only = name.is_empty() && graph.inputs.len() == 1;
            if !known && !only {
                let names: Vec<&str> = graph.inputs.iter().map(|input| &*input.name).collect();
                let why = format!("name one of the model's inputs: {}", names.join(", "));
                return Err(Error::field("input_shape", format!("{name}={}", times(shape)), why));
            }
        }
        for (at, input) in graph.inputs.iter().enumerate() {
            let given = shapes.iter().find(|(name, _)| *name == input.name || name.is_empty());
            let mut shape = Vec::new();
            let own = input.shape.as_deref();
            if let (Some((_, given)), Some(own)) = (given, own) {
                let fits = |(given, own): (&usize, &Dimension)| match own {
                    Dimension::Fixed(size) => given == size,
                    Dimension::Open(_) => *given > 0,
                };
                if given.len() != own.len() || !given.iter().zip(own).all(fits) {
                    let why = format!("the input {} is {}", input.name, describe(Some(own)));
                    return Err(Error::field("input_shape", times(given), why));
                }
            }
            if let Some((_, given)) = given {
                shape.clone_from(given);
            } else {
                for (axis, dimension) in own.unwrap_or_default().iter().enumerate() {
                    match dimension {
                        Dimension::Fixed(size) => shape.push(*size),
                        Dimension::Open(name) => match self.symbols.get(name) {
                            Some(&size) if !name.is_empty() => shape.push(size),
                            // One image at a time.
                            _ if axis == 0 => shape.push(1),
                            _ => return Err(open_shape(&input.name, own)),
                        },
                    }
                }
                if own.is_none() {
                    return Err(open_shape(&input.name, own));
                }
            }
            for (dimension, &size) in own.unwrap_or_default().iter().zip(&shape) {
                if let Dimension::Open(name) = dimension {
                    self.symbols.insert(name.clone(), size);
                }
            }
            ops::bounded(shape.clone()).map_err(|why| failed(&input.name, why))?;
            if at == 0 {
                // An open dimension, or that of images. Others may be anything: one run then counts as one inference.
                let is_open = matches!(own.and_then(<[_]>::first), Some(Dimension::Open(_)));
                let count = shape.first().copied().filter(|_| is_open || shape.len() >= 4);
                self.batch = count.unwrap_or(1).max(1);
            }
            self.known[input.value] = StaticValue::Shaped(input.element, shape);
        }
        Ok(())
    }

    /// Adds a node, or those of the branch that an `If` takes.
    fn enter(&mut self, node: &Arc<Node>, depth: usize) -> Result<()> {
        if self.nodes.len() >= MAX_NODES || depth > 16 {
            return Err(failed(&node.label, "the graph has too many nodes"));
        }
        if node.op == "If" && node.domain.is_empty() {
            let condition = node.inputs.first().copied().flatten();
            let flag =
                condition.filter(|&value| self.known[value].is_constant()).map(|value| self.tensor(value));
            let flag = flag.and_then(std::result::Result::ok).and_then(|t| t.to_floats64().first().copied());
            let branch = flag.map(|flag| if flag == 0.0 { "else_branch" } else { "then_branch" });
            if let Some(body) = branch.and_then(|branch| node.bodies.get(branch)) {
                for inner in &body.nodes {
                    self.enter(inner, depth + 1)?;
                }
                for (&from, to) in body.outputs.iter().zip(&node.outputs) {
                    self.add(&Arc::new(alias(from, *to, &node.label)));
                }
                return Ok(());
            }
        }
        self.add(node);
        Ok(())
    }

    fn add(&mut self, node: &Arc<Node>) {
        let at = self.nodes.len();
        self.nodes.push(Arc::clone(node));
        let outputs = self.outputs(node, at).unwrap_or_else(|why| {
            let unknown = |value: &Option<usize>| {
                value
                    .and_then(|value| self.declared(value))
                    .unwrap_or_else(|| StaticValue::Unknown(why.clone()))
            };
            node.outputs.iter().map(unknown).collect()
        });
        let is_of_constants =
            |value: &usize| self.known[*value].is_constant() || self.of_constants.contains(value);
        if !node.inputs.is_empty() && node.inputs.iter().flatten().all(is_of_constants) {
            self.of_constants.extend(node.outputs.iter().flatten());
        }
        for (value, known) in node.outputs.iter().zip(outputs) {
            if let StaticValue::Computed(tensor) = &known {
                self.foldable = self.foldable.saturating_sub(tensor.len());
            }
            if let Some(value) = *value {
                self.known[value] = known;
            }
        }
    }

    /// What a node gives.
    fn outputs(&self, node: &Node, at: usize) -> std::result::Result<Vec<StaticValue>, Reason> {
        let reason = |why: Reason| if why.contains(": ") { why } else { format!("{}: {why}", node.label) };
        let mut call = Call { node, opset: self.opset, inputs: Vec::with_capacity(node.inputs.len()) };
        for input in &node.inputs {
            let argument = input.map(|value| self.argument(value, DECIDING)).transpose();
            call.inputs.push(argument.map_err(reason)?);
        }
        let shapes = ops::infer(&call).map_err(reason)?;
        let constant = node.inputs.iter().flatten().all(|&value| self.known[value].is_constant());
        let of_shape = matches!(&*node.op, "Shape" | "Size") && node.domain.is_empty();
        let first = node.inputs.first().copied().flatten().map(|value| &self.known[value]);
        if let (true, Some(StaticValue::Derived { source, .. }), [(element, shape), ..]) =
            (constant && follows(node), first, &shapes[..])
            && source.steps.len() < MAX_STEPS
        {
            let mut source = source.clone();
            // One that changes nothing needs no step.
            if node.op != "Identity" {
                source.steps.push(at);
            }
            return Ok(vec![StaticValue::Derived { element: *element, shape: shape.clone(), source }]);
        }
        if constant || of_shape {
            let sizes = shapes.iter().map(|(_, shape)| elements(shape).unwrap_or(usize::MAX));
            let size = sizes.fold(0, usize::saturating_add);
            let given: usize = call.inputs.iter().flatten().map(|i| elements(&i.shape).unwrap_or(0)).sum();
            if size <= given.saturating_add(FOLDED).min(self.foldable) {
                if !of_shape {
                    for (argument, input) in call.inputs.iter_mut().zip(&node.inputs) {
                        *argument = input
                            .map(|value| self.argument(value, usize::MAX))
                            .transpose()
                            .map_err(reason)?;
                    }
                }
                if let Some(folded) = ops::fold(&call) {
                    return Ok(folded.map_err(reason)?.into_iter().map(StaticValue::Computed).collect());
                }
            }
        }
        Ok(shapes.into_iter().map(|(element, shape)| StaticValue::Shaped(element, shape)).collect())
    }

    /// A value as an operator's input, with its elements if it is a constant of at most `most`.
    fn argument(&self, value: usize, most: usize) -> std::result::Result<Argument, Reason> {
        let known = &self.known[value];
        let shape = known.shape()?.to_vec();
        let wanted = known.is_constant() && elements(&shape).is_some_and(|count| count <= most);
        let element = match known {
            StaticValue::Derived { element, .. } | StaticValue::Shaped(element, _) => *element,
            StaticValue::Computed(tensor) => tensor.element,
            StaticValue::Unknown(why) => return Err(why.clone()),
        };
        let tensor = if wanted { Some(self.tensor(value)?) } else { None };
        Ok(Argument { element, shape, tensor })
    }

    /// What the file itself says about a value, where that is a whole shape.
    fn declared(&self, value: usize) -> Option<StaticValue> {
        let (element, shape) = self.graph.infos.get(&value)?;
        let size = |dimension: &Dimension| match dimension {
            Dimension::Fixed(size) => Some(*size),
            Dimension::Open(name) => self.symbols.get(name).copied().filter(|_| !name.is_empty()),
        };
        let shape: Option<Vec<usize>> = shape.as_ref()?.iter().map(size).collect();
        Some(StaticValue::Shaped(*element, ops::bounded(shape?).ok()?))
    }

    /// The elements of a constant.
    ///
    /// # Errors
    /// If the value is none, or its bytes are not as the file says.
    pub(super) fn tensor(&self, value: usize) -> std::result::Result<Tensor, Reason> {
        match &self.known[value] {
            StaticValue::Computed(tensor) => Ok(tensor.clone()),
            StaticValue::Derived { source, .. } => {
                let (_, proto) = &self.graph.initializers[source.initializer];
                let tensor =
                    self.storage.tensor(proto).map_err(|why| format!("the tensor {} {why}", proto.name))?;
                self.follow(source, tensor, Follow::Values)
            }
            StaticValue::Shaped(..) => Err("it depends on the data".to_owned()),
            StaticValue::Unknown(why) => Err(why.clone()),
        }
    }

    /// Follows elements through the nodes of a derivation.
    pub(super) fn follow(
        &self,
        source: &Derivation,
        mut tensor: Tensor,
        what: Follow,
    ) -> std::result::Result<Tensor, Reason> {
        for &step in &source.steps {
            let node = &self.nodes[step];
            let passed = match what {
                Follow::Values => false,
                Follow::Places => matches!(&*node.op, "Cast" | "QuantizeLinear" | "DequantizeLinear"),
                Follow::Integers => node.op == "Cast",
                Follow::Scales | Follow::Zeros => matches!(&*node.op, "Cast" | "QuantizeLinear"),
            };
            if passed {
                continue;
            }
            let mut inputs = vec![Some(Argument::from(tensor))];
            for input in &node.inputs[1..] {
                inputs.push(input.map(|value| self.tensor(value).map(Argument::from)).transpose()?);
            }
            let call = Call { node, opset: self.opset, inputs };
            tensor = match what {
                Follow::Integers if ops::quantize::is_dequantize(node) => ops::quantize::centred(&call)?,
                Follow::Scales if ops::quantize::is_dequantize(node) => ops::quantize::spread_scales(&call)?,
                Follow::Zeros if ops::quantize::is_dequantize(node) => ops::quantize::spread_zeros(&call)?,
                _ => {
                    let folded = ops::fold(&call).ok_or_else(|| ops::unknown(node))??;
                    folded.into_iter().next().ok_or("it has no output")?
                }
            };
        }
        Ok(tensor)
    }
}

/// Whether a node only moves, casts or (de)quantizes the elements of its first input.
fn follows(node: &Node) -> bool {
    let known = matches!(
        &*node.op,
        "Identity"
            | "Reshape"
            | "Flatten"
            | "Squeeze"
            | "Unsqueeze"
            | "Transpose"
            | "Cast"
            | "QuantizeLinear"
            | "DequantizeLinear"
    );
    known && node.domain.is_empty() && node.outputs.len() == 1
}

/// A node that gives a value another number.
fn alias(from: usize, to: Option<usize>, label: &str) -> Node {
    Node {
        op: "Identity".to_owned(),
        domain: String::new(),
        name: String::new(),
        inputs: vec![Some(from)],
        outputs: vec![to],
        attributes: HashMap::new(),
        bodies: HashMap::new(),
        label: label.to_owned(),
    }
}

/// A shape as `1x3x224x224`.
fn times(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// A shape with open dimensions, as a reader writes it.
fn describe(shape: Option<&[Dimension]>) -> String {
    let Some(shape) = shape else { return "of any shape".to_owned() };
    let name = |dimension: &Dimension| match dimension {
        Dimension::Fixed(size) => size.to_string(),
        Dimension::Open(name) if name.is_empty() => "?".to_owned(),
        Dimension::Open(name) => name.clone(),
    };
    format!("[{}]", shape.iter().map(name).collect::<Vec<_>>().join(", "))
}

fn open_shape(name: &str, shape: Option<&[Dimension]>) -> Error {
    let why = format!("the model leaves the shape of its input open, {}: give one", describe(shape));
    Error::field("input_shape", name, why)
}
