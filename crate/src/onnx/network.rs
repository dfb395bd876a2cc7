//! [`OnnxModel`], a file, and [`OnnxNetwork`], the same for inputs of known shapes, which runs.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::graph::{Graph, Input, failed};
use super::initializer::{ExternalFiles, ModelBytes, check_location};
use super::layers::{IntegerWeights, OnnxLayer};
use super::left_out::LeftOutLayer;
use super::ops::{self, Argument, Call};
use super::plan::{InferredGraph, InputShapes};
use super::proto::{self, Payload};
use super::tensor::{Reason, Tensor};
use super::wire::damaged;
use crate::checkpoint::is_onnx;
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// The first version of ONNX's operators whose meanings are still current, except for attributes that became
/// inputs.
const OLDEST_OPSET: i64 = 7;

/// A model as its file holds it.
#[derive(Debug, Clone)]
pub struct OnnxModel {
    graph: Arc<Graph>,
    storage: ModelBytes,
    opset: i64,
    /// The program that wrote it.
    producer: String,
}

impl OnnxModel {
    /// Whether bytes are an ONNX file's, by their beginning.
    #[must_use]
    pub fn looks_like(bytes: &[u8]) -> bool {
        is_onnx(bytes)
    }

    /// Reads a model. `external` gives the bytes of a file beside it, by its path from the model's folder,
    /// which never leaves that folder.
    ///
    /// # Errors
    /// If the file is damaged, names a file outside its folder, or its graph has a cycle or a loose end; and
    /// what `external` returns.
    pub fn from_bytes(bytes: Vec<u8>, mut external: impl FnMut(&str) -> Result<Vec<u8>>) -> Result<Self> {
        let proto = proto::read(&bytes)?;
        if proto.opset < OLDEST_OPSET {
            let (own, oldest) = (proto.opset, OLDEST_OPSET);
            let why =
                format!("it uses version {own} of ONNX's operators; versions from {oldest} on are supported");
            return Err(Error::file("reading ONNX", "", why));
        }
        let mut functions = proto.functions.iter();
        if let Some((domain, name)) = functions.find(|function| uses(&proto.graph, function)) {
            let why =
                format!("it defines the operator {domain}.{name} itself; export it with functions inlined");
            return Err(Error::file("reading ONNX", "", why));
        }
        let (producer, opset) = (proto.producer, proto.opset);
        let graph = Graph::new(proto.graph)?;
        let mut files = ExternalFiles::new();
        for (_, tensor) in &graph.initializers {
            if let Payload::External { location, .. } = &tensor.payload
                && !files.contains_key(location)
            {
                check_location(location)?;
                files.insert(location.clone(), Arc::new(external(location)?));
            }
        }
        let storage = ModelBytes { bytes: Arc::new(bytes), external: files };
        for (_, tensor) in &graph.initializers {
            // Types that no layer has are only an obstacle where they are used.
            if tensor.element.bits().is_some() && !matches!(tensor.payload, Payload::Typed(_)) {
                let checked = storage.raw(tensor);
                checked.map_err(|why| damaged(format!("tensor {} {why}", tensor.name)))?;
            }
        }
        Ok(Self { graph: Arc::new(graph), storage, opset, producer })
    }

    /// The inputs, constants aside.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.graph.inputs
    }

    /// The version of ONNX's operators that it uses.
    #[must_use]
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// The program that wrote it.
    #[must_use]
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// The files beside it that hold weights.
    pub fn external_files(&self) -> impl Iterator<Item = &str> {
        self.storage.external.keys().map(String::as_str)
    }

    /// The network for inputs of these shapes; fixed ones can be left out, and an open first dimension, the
    /// batch, is 1.
    ///
    /// # Errors
    /// If an open shape is missing, or a shape does not fit.
    pub fn network(&self, shapes: &InputShapes) -> Result<OnnxNetwork> {
        let plan = InferredGraph::new(&self.graph, self.storage.clone(), self.opset, shapes)?;
        let (layers, left_out) = plan.layers()?;
        let constants = (0..plan.known.len()).map(|_| OnceLock::new()).collect();
        let last_uses = last_uses(&plan);
        Ok(OnnxNetwork { plan, layers, left_out, constants, last_uses })
    }
}

/// Whether a graph has a node of an operator that the file defines itself.
fn uses(graph: &proto::GraphProto, function: &(String, String)) -> bool {
    graph.nodes.iter().any(|node| node.op == function.1 && node.domain == function.0)
}

/// A model for inputs of known shapes.
#[derive(Debug)]
pub struct OnnxNetwork {
    pub(super) plan: InferredGraph,
    pub(super) layers: Vec<OnnxLayer>,
    left_out: Vec<LeftOutLayer>,
    /// Constants that nodes read, decoded once.
    constants: Vec<OnceLock<Tensor>>,
    /// By node, the values that no later one reads.
    last_uses: Vec<Vec<usize>>,
}

/// By node, the values that it is the last to read.
fn last_uses(plan: &InferredGraph) -> Vec<Vec<usize>> {
    let mut last = HashMap::new();
    for (at, node) in plan.nodes.iter().enumerate() {
        // Nodes that give constants do not run.
        if plan.live[at] && node.outputs.iter().flatten().any(|&value| !plan.known[value].is_constant()) {
            last.extend(node.inputs.iter().chain(&node.outputs).flatten().map(|&value| (value, at)));
        }
    }
    last.retain(|value, _| !plan.graph.outputs.contains(value));
    let mut uses = vec![Vec::new(); plan.nodes.len()];
    for (value, at) in last {
        uses[at].push(value);
    }
    uses
}

/// Values on their way through a network.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    values: HashMap<usize, Tensor>,
}

impl Environment {
    pub(super) fn get(&self, value: usize) -> Option<&Tensor> {
        self.values.get(&value)
    }
}

impl OnnxNetwork {
    /// The layers that crossbars can hold, in the order in which the network runs.
    #[must_use]
    pub fn layers(&self) -> &[OnnxLayer] {
        &self.layers
    }

    /// Products with a constant weight that no crossbar holds, and why.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOutLayer] {
        &self.left_out
    }

    /// A layer's weights as a matrix, by its groups.
    ///
    /// # Errors
    /// If the weights can't be read or are not finite.
    pub fn matrix(&self, layer: &OnnxLayer) -> Result<Matrix> {
        self.plan.matrix(layer)
    }

    /// The integers of a layer that the model quantizes.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn integers(&self, layer: &OnnxLayer) -> Result<Option<IntegerWeights>> {
        let fail = |why: Reason| Error::layer("reading a layer", &*layer.name, why);
        self.plan.integers(layer).map_err(fail)
    }

    /// The shape of each input.
    #[must_use]
    pub fn input_shapes(&self) -> Vec<&[usize]> {
        let inputs = self.plan.graph.inputs.iter();
        inputs.map(|input| self.plan.known[input.value].shape().unwrap_or_default()).collect()
    }

    /// Values of the first output, as far as its shape is known: class scores.
    #[must_use]
    pub fn output_len(&self) -> usize {
        let first = self.plan.graph.outputs.first().and_then(|&output| self.plan.known[output].shape().ok());
        first.and_then(super::tensor::elements).unwrap_or(0)
    }

    /// Runs the network, and gives its outputs.
    ///
    /// # Errors
    /// If the inputs don't fit, or an operator is not supported or can't be computed; the message names the node.
    pub fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let mut environment = self.start(inputs)?;
        for at in 0..self.plan.nodes.len() {
            if self.is_idle(at) {
                continue;
            }
            let outputs = self.compute(at, &environment)?;
            self.keep(at, outputs, &mut environment);
        }
        self.outputs(|value| environment.get(value).cloned())
    }

    /// Values at the beginning of a run.
    pub(super) fn start(&self, inputs: Vec<Tensor>) -> Result<Environment> {
        let own = &self.plan.graph.inputs;
        if inputs.len() != own.len() {
            let names: Vec<&str> = own.iter().map(|input| &*input.name).collect();
            let why = format!("the model takes {} ({})", own.len(), names.join(", "));
            return Err(Error::field("inputs", inputs.len(), why));
        }
        let mut values = HashMap::new();
        for (input, tensor) in own.iter().zip(inputs) {
            let shape = self.plan.known[input.value].shape().unwrap_or_default();
            if tensor.shape != shape || tensor.element.is_float() != input.element.is_float() {
                let why = format!("the model takes {shape:?} of {}", input.element);
                return Err(Error::field(&*input.name, format!("{:?}", tensor.shape), why));
            }
            values.insert(input.value, tensor);
        }
        Ok(Environment { values })
    }

    /// Whether a node has nothing to compute: it gives constants alone, or no output depends on it.
    pub(super) fn is_idle(&self, at: usize) -> bool {
        if !self.plan.live[at] {
            return true;
        }
        let mut outputs = self.plan.nodes[at].outputs.iter().flatten();
        outputs.all(|&value| self.plan.known[value].is_constant())
    }

    /// A value of a run, or a constant.
    fn value(
        &self,
        value: usize,
        given: &impl Fn(usize) -> Option<Tensor>,
    ) -> std::result::Result<Tensor, Reason> {
        if let Some(given) = given(value) {
            return Ok(given);
        }
        if let Some(known) = self.constants[value].get() {
            return Ok(known.clone());
        }
        let tensor = self.plan.tensor(value)?;
        Ok(self.constants[value].get_or_init(|| tensor).clone())
    }

    /// A node with its inputs; `given` holds all but constants.
    pub(super) fn call(
        &self,
        at: usize,
        given: impl Fn(usize) -> Option<Tensor>,
    ) -> std::result::Result<Call<'_>, Reason> {
        let node = &self.plan.nodes[at];
        let of = |input: &Option<usize>| {
            input.map(|value| self.value(value, &given).map(Argument::from)).transpose()
        };
        let inputs = node.inputs.iter().map(of).collect::<std::result::Result<_, _>>()?;
        Ok(Call { node, opset: self.plan.opset, inputs })
    }

    /// A node's outputs.
    pub(super) fn compute(&self, at: usize, environment: &Environment) -> Result<Vec<Tensor>> {
        let call = self.call(at, |value| environment.get(value).cloned());
        call.and_then(|call| ops::compute(&call)).map_err(|why| self.failed(at, why))
    }

    /// An error about a node while the network runs.
    pub(super) fn failed(&self, at: usize, why: Reason) -> Error {
        Error::layer("running ONNX", &*self.plan.nodes[at].label, why)
    }

    /// Keeps a node's outputs, and drops what no later node reads.
    pub(super) fn keep(&self, at: usize, outputs: Vec<Tensor>, environment: &mut Environment) {
        for (value, output) in self.plan.nodes[at].outputs.iter().zip(outputs) {
            if let Some(value) = *value {
                environment.values.insert(value, output);
            }
        }
        for value in &self.last_uses[at] {
            environment.values.remove(value);
        }
    }

    /// The outputs at the end of a run.
    pub(super) fn outputs(&self, given: impl Fn(usize) -> Option<Tensor>) -> Result<Vec<Tensor>> {
        let graph = &self.plan.graph;
        let of = |&value: &usize| self.value(value, &given).map_err(|why| failed(&graph.names[value], why));
        graph.outputs.iter().map(of).collect()
    }
}
