//! The graph of a model: nodes in an order in which each one's inputs are there, values by number.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use super::element::ElementType;
use super::proto::{Attribute, Dimension, GraphProto, NodeProto, TensorProto, ValueInfo};
use crate::error::{Error, Result};

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) op: String,
    /// Empty for ONNX's own operators.
    pub(super) domain: String,
    pub(super) name: String,
    /// Values; none for an input left out.
    pub(super) inputs: Vec<Option<usize>>,
    pub(super) outputs: Vec<Option<usize>>,
    pub(super) attributes: HashMap<String, Attribute>,
    /// Graphs among the attributes.
    pub(super) bodies: HashMap<String, Body>,
    /// What messages call it.
    pub(super) label: String,
}

/// A graph inside a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Body {
    pub(super) nodes: Vec<Arc<Node>>,
    pub(super) outputs: Vec<usize>,
}

/// An input of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
    /// Its dimensions; `None` where not even their number is known.
    pub shape: Option<Vec<Dimension>>,
    pub(super) value: usize,
}

/// A model's graph.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    /// In an order in which they can run.
    pub(super) nodes: Vec<Arc<Node>>,
    /// Constants by the value they are.
    pub(super) initializers: Vec<(usize, TensorProto)>,
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<usize>,
    /// Every value's name.
    pub(super) names: Vec<String>,
    /// What the file itself says about values.
    pub(super) infos: HashMap<usize, (ElementType, Option<Vec<Dimension>>)>,
}

/// Numbers values, and puts nodes in order.
#[derive(Default)]
struct Builder {
    graph: Graph,
    numbers: HashMap<String, usize>,
    /// Whether something gives the value.
    given: Vec<bool>,
    /// Names given inside the graphs of nodes that are open, the innermost last.
    inner: Vec<String>,
}

impl Graph {
    /// Numbers the values and sorts the nodes.
    ///
    /// # Errors
    /// If nodes form a cycle, read what no node produces, or produce what another one produces.
    pub(super) fn new(proto: GraphProto) -> Result<Self> {
        let mut builder = Builder::default();
        let mut body = Body::default();
        builder.enter(proto, true, &mut body)?;
        builder.graph.nodes = body.nodes;
        builder.graph.outputs = body.outputs;
        Ok(builder.graph)
    }
}

impl Builder {
    fn number(&mut self, name: &str) -> usize {
        if let Some(&known) = self.numbers.get(name) {
            return known;
        }
        let number = self.graph.names.len();
        self.graph.names.push(name.to_owned());
        self.given.push(false);
        self.numbers.insert(name.to_owned(), number);
        number
    }

    fn give(&mut self, value: usize, label: &str) -> Result<()> {
        if std::mem::replace(&mut self.given[value], true) {
            let why = format!("its value {} is defined twice", self.graph.names[value]);
            return Err(failed(label, why));
        }
        self.inner.push(self.graph.names[value].clone());
        Ok(())
    }

    /// Adds the graph of a node. What is given in it is not visible outside: another branch may use the same names.
    fn enter_branch(&mut self, proto: GraphProto, body: &mut Body) -> Result<()> {
        let (names, given) = (self.graph.names.len(), self.inner.len());
        self.enter(proto, false, body)?;
        for name in self.inner.drain(given..).chain(self.graph.names[names..].iter().cloned()) {
            self.numbers.remove(&name);
        }
        Ok(())
    }

    /// Adds a graph's constants and inputs, and its nodes, in order, to `body`.
    fn enter(&mut self, proto: GraphProto, outermost: bool, body: &mut Body) -> Result<()> {
        let GraphProto { nodes, initializers, inputs, outputs, values } = proto;
        for tensor in initializers {
            let value = self.number(&tensor.name);
            self.give(value, &tensor.name)?;
            self.graph.initializers.push((value, tensor));
        }
        for info in inputs {
            let value = self.number(&info.name);
            // Old files list constants among the inputs.
            if self.given[value] {
                continue;
            }
            self.give(value, &info.name)?;
            if outermost {
                let ValueInfo { name, element, shape } = info;
                self.graph.inputs.push(Input { name, element, shape, value });
            }
        }
        for info in outputs.iter().chain(&values) {
            let value = self.number(&info.name);
            self.graph.infos.insert(value, (info.element, info.shape.clone()));
        }
        for node in &nodes {
            for name in node.outputs.iter().filter(|name| !name.is_empty()) {
                let value = self.number(name);
                self.give(value, &label(node))?;
            }
        }
        let mut made = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            let value = node.attributes.remove("value");
            match (&*node.op, value, node.outputs.first()) {
                // A constant among the nodes is an initializer like the others.
                ("Constant", Some(Attribute::Tensor(tensor)), Some(output)) => {
                    let value = self.number(output);
                    self.graph.initializers.push((value, TensorProto { name: output.clone(), ..tensor }));
                    continue;
                }
                ("ConstantOfShape", Some(Attribute::Tensor(tensor)), Some(output)) => {
                    let name = format!("{output} (value)");
                    let value = self.number(&name);
                    self.give(value, &name)?;
                    self.graph.initializers.push((value, TensorProto { name: name.clone(), ..tensor }));
                    node.inputs.truncate(1);
                    node.inputs.push(name);
                }
                (_, Some(value), _) => drop(node.attributes.insert("value".to_owned(), value)),
                _ => {}
            }
            made.push(self.node(node)?);
        }
        body.nodes = sorted(made, &self.graph.names)?;
        body.outputs = outputs.iter().map(|info| self.number(&info.name)).collect();
        if let Some(&output) = body.outputs.iter().find(|&&output| !self.given[output]) {
            return Err(failed(&self.graph.names[output], "it is an output, but no node produces it"));
        }
        Ok(())
    }

    fn node(&mut self, proto: NodeProto) -> Result<Node> {
        let label = label(&proto);
        let mut inputs = Vec::with_capacity(proto.inputs.len());
        for name in &proto.inputs {
            let value = (!name.is_empty()).then(|| self.number(name));
            if value.is_some_and(|value| !self.given[value]) {
                return Err(failed(&label, format!("it reads {name}, which no node produces")));
            }
            inputs.push(value);
        }
        let outputs =
            proto.outputs.iter().map(|name| (!name.is_empty()).then(|| self.number(name))).collect();
        let (mut attributes, mut bodies) = (HashMap::new(), HashMap::new());
        for (name, attribute) in proto.attributes {
            if let Attribute::Graph(graph) = attribute {
                let mut body = Body::default();
                self.enter_branch(*graph, &mut body)?;
                bodies.insert(name, body);
            } else {
                attributes.insert(name, attribute);
            }
        }
        let (op, domain, name) = (proto.op, proto.domain, proto.name);
        Ok(Node { op, domain, name, inputs, outputs, attributes, bodies, label })
    }
}

/// What messages call a node: its operator and its name, or else its first output's.
fn label(node: &NodeProto) -> String {
    let name =
        if node.name.is_empty() { node.outputs.first().map_or("", String::as_str) } else { &node.name };
    format!("{} {name}", node.op).trim_end().chars().take(120).collect()
}

/// An error about a node.
pub(super) fn failed(label: &str, why: impl std::fmt::Display) -> Error {
    Error::layer("reading ONNX", label, why)
}

/// The values that a node reads, those of its bodies included.
fn reads(node: &Node, into: &mut Vec<usize>) {
    into.extend(node.inputs.iter().flatten());
    for body in node.bodies.values() {
        body.nodes.iter().for_each(|node| reads(node, into));
        into.extend(&body.outputs);
    }
}

/// Nodes after those whose outputs they read; in the file's order as far as possible.
fn sorted(nodes: Vec<Node>, names: &[String]) -> Result<Vec<Arc<Node>>> {
    let mut giver = vec![usize::MAX; names.len()];
    for (at, node) in nodes.iter().enumerate() {
        node.outputs.iter().flatten().for_each(|&value| giver[value] = at);
    }
    let mut waiting = vec![0_usize; nodes.len()];
    let mut followers = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        let mut read = Vec::new();
        reads(node, &mut read);
        read.sort_unstable();
        read.dedup();
        for before in read.into_iter().map(|value| giver[value]).filter(|&before| before != usize::MAX) {
            followers[before].push(at);
            waiting[at] += 1;
        }
    }
    let mut ready: BinaryHeap<_> = (0..nodes.len()).filter(|&at| waiting[at] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for &follower in &followers[at] {
            waiting[follower] -= 1;
            if waiting[follower] == 0 {
                ready.push(Reverse(follower));
            }
        }
    }
    if order.len() < nodes.len() {
        let stuck = nodes.iter().zip(&waiting).find(|(_, waiting)| **waiting > 0);
        let label = stuck.map_or("", |(node, _)| &node.label);
        return Err(failed(label, "the graph has a cycle through or before this node"));
    }
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|at| nodes[at].take()).map(Arc::new).collect())
}

impl Node {
    /// An integer attribute.
    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        match self.attributes.get(name) {
            Some(Attribute::Int(value)) => *value,
            _ => default,
        }
    }

    /// A float attribute.
    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        match self.attributes.get(name) {
            Some(Attribute::Float(value)) => *value,
            _ => default,
        }
    }

    /// A list of integers, if it is there.
    pub(super) fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(values)) => Some(values),
            _ => None,
        }
    }

    /// A text attribute.
    pub(super) fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        match self.attributes.get(name) {
            Some(Attribute::Text(value)) => value,
            _ => default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        NodeProto {
            op: op.to_owned(),
            inputs: names(inputs),
            outputs: names(outputs),
            ..NodeProto::default()
        }
    }

    fn info(name: &str) -> ValueInfo {
        ValueInfo { name: name.to_owned(), element: ElementType::F32, shape: None }
    }

    fn graph(nodes: Vec<NodeProto>) -> Result<Graph> {
        Graph::new(GraphProto {
            nodes,
            inputs: vec![info("x")],
            outputs: vec![info("y")],
            ..GraphProto::default()
        })
    }

    #[test]
    fn nodes_run_after_what_they_read() {
        let graph =
            graph(vec![node("Relu", &["a"], &["y"]), node("Abs", &["x", ""], &["a"])]).expect("sorts");
        assert_eq!(graph.nodes.iter().map(|node| &*node.op).collect::<Vec<_>>(), ["Abs", "Relu"]);
        assert_eq!(graph.nodes[0].inputs[1], None);
    }

    #[test]
    fn cycles_and_loose_ends_are_named() {
        let said = |nodes| graph(nodes).expect_err("rejected").to_string();
        let cycle = said(vec![node("Add", &["x", "b"], &["y"]), node("Abs", &["y"], &["b"])]);
        assert_eq!(cycle, "reading ONNX (Add y): the graph has a cycle through or before this node");
        assert!(said(vec![node("Abs", &["z"], &["y"])]).ends_with("it reads z, which no node produces"));
        assert!(said(vec![node("Abs", &["x"], &["a"])]).ends_with("but no node produces it"));
        let branch = |output: &str| {
            let nodes = vec![node("Abs", &["x"], &["z"])];
            let graph = GraphProto { nodes, outputs: vec![info(output)], ..GraphProto::default() };
            Attribute::Graph(Box::new(graph))
        };
        let choice = |then: &str, other: &str| {
            let mut choice = node("If", &["x"], &["y"]);
            choice.attributes.insert("then_branch".to_owned(), branch(then));
            choice.attributes.insert("else_branch".to_owned(), branch(other));
            choice
        };
        // Branches may share names, but see nothing of each other, and the graph around them nothing of theirs.
        let both = graph(vec![choice("z", "z")]).expect("separate names");
        let outputs = |name: &str| both.nodes[0].bodies[name].outputs.clone();
        assert_ne!(outputs("then_branch"), outputs("else_branch"));
        let out = said(vec![choice("z", "z"), node("Abs", &["z"], &["w"])]);
        assert!(out.ends_with("it reads z, which no node produces"), "{out}");
        let twice = said(vec![node("Abs", &["x"], &["y"]), node("Neg", &["x"], &["y"])]);
        assert_eq!(twice, "reading ONNX (Neg y): its value y is defined twice");
    }
}
