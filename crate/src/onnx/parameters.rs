//! The parameters of a model in PyTorch's layout: what trains a VGG or ResNet that came as ONNX.
//!
//! PyTorch's exporters keep the names of parameters that they leave as they are. Where an exporter made names up, or has
//! other customs, parameters are named after the nodes that use them, in the order in which the network runs; a network
//! then finds its own by their order and shapes.

use std::collections::{HashMap, HashSet};

use super::graph::Node;
use super::layers::{LayerKind, OnnxLayer, operands};
use super::network::OnnxNetwork;
use super::static_value::StaticValue;
use super::tensor::{Reason, Tensor, elements};
use crate::checkpoint::{Checkpoint, NamedTensor};
use crate::error::{Error, Result};

/// The parameters of a normalization, by their places among its inputs from 1 on.
const NORMALIZATION: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

fn fail(why: impl Into<String>) -> Error {
    Error::file("taking parameters from ONNX", "", why.into())
}

impl OnnxNetwork {
    /// Weights, biases and normalizations, under PyTorch's names where the file keeps them, else named and ordered by
    /// the nodes that use them.
    ///
    /// # Errors
    /// If the model is quantized, has a layer that no network to train has, or a parameter can't be read.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        for layer in &self.layers {
            if !layer.element.is_float() || self.integers(layer)?.is_some() {
                return Err(fail("it is quantized, and integers can't be trained"));
            }
        }
        let kept = |layer: &OnnxLayer| {
            let name = self.initializer_name(layer.value);
            name.is_some_and(|name| name.ends_with(".weight") && !is_made_up(name))
        };
        let mut convolutions = self.layers.iter().filter(|layer| layer.kind == LayerKind::Convolution);
        if convolutions.all(kept) {
            return Ok(Checkpoint::new(self.named_parameters()?));
        }
        let mut weights = Checkpoint::default();
        weights.tensors = self.ordered_parameters()?;
        Ok(weights
            .with_note("the parameters are named after the nodes that use them, in the network's order"))
    }

    /// The weight of a layer.
    fn weight(&self, layer: &OnnxLayer, name: String) -> Result<NamedTensor> {
        let matrix = self.matrix(layer)?;
        let mut shape = vec![matrix.rows];
        match layer.kind {
            LayerKind::Linear => shape.push(matrix.cols),
            LayerKind::Convolution => shape.extend(&layer.shape[1..]),
        }
        if elements(&shape) != Some(matrix.data.len()) {
            return Err(fail("it has a transposed convolution, which no network to train has"));
        }
        Ok(NamedTensor { name, shape, data: matrix.data })
    }

    /// All parameters under the names of their initializers.
    fn named_parameters(&self) -> Result<Vec<NamedTensor>> {
        let (mut tensors, mut names) = (Vec::new(), HashSet::new());
        for layer in &self.layers {
            let name = self.initializer_name(layer.value).unwrap_or(&layer.name);
            names.insert(layer.name.clone());
            tensors.push(self.weight(layer, name.to_owned())?);
        }
        for (at, node) in self.live_nodes() {
            let places = match (&*node.op, operands(node)) {
                ("BatchNormalization", _) => 1..5,
                (_, Some(_)) => 2..3,
                _ => continue,
            };
            for value in places.filter_map(|place| node.inputs.get(place).copied().flatten()) {
                let Some(name) = self.initializer_name(value).filter(|name| names.insert((*name).to_owned()))
                else {
                    continue;
                };
                tensors.push(vector(name.to_owned(), &self.constant(at, value)?));
            }
        }
        Ok(tensors)
    }

    /// All parameters in the order of the nodes that use them, each under a name of that node's.
    fn ordered_parameters(&self) -> Result<Vec<NamedTensor>> {
        let layers: HashMap<usize, &OnnxLayer> =
            self.layers.iter().filter_map(|layer| Some((layer.uses.first()?.0, layer))).collect();
        if let Some(shared) = self.layers.iter().find(|layer| layer.uses.len() > 1) {
            return Err(fail(format!(
                "several nodes share the weight {}, as in no network to train",
                shared.name
            )));
        }
        let mut tensors = Vec::new();
        // Products that have no bias yet, by their value: the name of their module, and its place among the tensors.
        let mut open: HashMap<usize, (String, usize)> = HashMap::new();
        for (at, node) in self.live_nodes() {
            let input = |place: usize| node.inputs.get(place).copied().flatten();
            let output = node.outputs.first().copied().flatten();
            if let Some(layer) = layers.get(&at) {
                let module = module_name(&layer.name, at);
                tensors.push(self.weight(layer, format!("{module}.weight"))?);
                match (input(2), output) {
                    (Some(bias), _) => {
                        tensors.push(vector(format!("{module}.bias"), &self.constant(at, bias)?));
                    }
                    (None, Some(output)) => drop(open.insert(output, (module, tensors.len()))),
                    _ => {}
                }
                continue;
            }
            match &*node.op {
                "BatchNormalization" => {
                    let module = module_name(&node.name, at);
                    for (place, leaf) in (1..).zip(NORMALIZATION) {
                        let value =
                            input(place).ok_or_else(|| fail(format!("{} lacks its {leaf}", node.label)))?;
                        tensors.push(vector(format!("{module}.{leaf}"), &self.constant(at, value)?));
                    }
                }
                // A matrix product keeps its bias in the addition behind it.
                "Add" => {
                    let sides = [(input(0), input(1)), (input(1), input(0))];
                    let bias = sides.into_iter().find_map(|(product, bias)| {
                        let bias = bias.filter(|&bias| self.plan.known[bias].is_constant())?;
                        Some((open.remove(&product?)?, bias))
                    });
                    if let Some(((module, place), bias)) = bias {
                        let tensor = self.constant(at, bias)?;
                        let outputs =
                            tensors.get(place - 1).and_then(|weight: &NamedTensor| weight.shape.first());
                        if outputs != Some(&tensor.len()) {
                            return Err(fail(format!("{} adds something else than a bias", node.label)));
                        }
                        if place != tensors.len() {
                            return Err(fail(format!("{} adds a bias behind another layer", node.label)));
                        }
                        tensors.push(vector(format!("{module}.bias"), &tensor));
                    }
                }
                "Transpose" => {
                    return Err(fail(format!(
                        "{} moves dimensions, so its fully connected layers may take their inputs in another order",
                        node.label
                    )));
                }
                _ => {}
            }
        }
        Ok(tensors)
    }

    /// The nodes that compute something for an output.
    fn live_nodes(&self) -> impl Iterator<Item = (usize, &Node)> {
        let nodes = self.plan.nodes.iter().map(|node| &**node).enumerate();
        nodes.filter(|(at, _)| !self.is_idle(*at))
    }

    /// A constant that the node at `at` reads.
    fn constant(&self, at: usize, value: usize) -> Result<Tensor> {
        self.plan.tensor(value).map_err(|why: Reason| self.failed(at, why))
    }

    /// The name of the initializer that a constant comes from.
    fn initializer_name(&self, value: usize) -> Option<&str> {
        match &self.plan.known[value] {
            StaticValue::Derived { source, .. } => {
                Some(&self.plan.graph.initializers[source.initializer].1.name)
            }
            _ => None,
        }
    }
}

/// A vector of parameters, whatever dimensions of 1 its file gives it.
fn vector(name: String, tensor: &Tensor) -> NamedTensor {
    NamedTensor { name, shape: vec![tensor.len()], data: tensor.to_floats() }
}

/// A name for the parameters of the node at `at`, unlike that of any other.
fn module_name(name: &str, at: usize) -> String {
    let plain = name.strip_suffix(".weight").unwrap_or(name);
    if plain.is_empty() { format!("node {at}") } else { format!("{plain} ({at})") }
}

/// Whether an exporter made a name up.
pub(super) fn is_made_up(name: &str) -> bool {
    name.is_empty()
        || name.contains("::")
        || name.chars().all(|c| c.is_ascii_digit())
        || ["val_", "const_", "_val_", "_v_", "t_", "/"].iter().any(|start| name.starts_with(start))
}
