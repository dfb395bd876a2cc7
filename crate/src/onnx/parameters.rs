//! The parameters of a model under the names of its initializers, in PyTorch's layout: what trains a VGG or ResNet
//! that came as ONNX. PyTorch's exporters keep parameter names where they leave the parameters as they are.

use std::collections::HashSet;

use super::layers::{LayerKind, operands};
use super::network::OnnxNetwork;
use super::plan::Known;
use super::tensor::Reason;
use crate::checkpoint::{Checkpoint, NamedTensor};
use crate::error::{Error, Result};

/// Where normalizations of the network went.
const FOLDED: &str = "its convolutions have no names of their own: the exporter folded the batch normalizations into \
                      them. Export the network in training mode (training=TrainingMode.PRESERVE, \
                      do_constant_folding=False), or save its state dict";

impl OnnxNetwork {
    /// Weights, biases and normalizations, named as in the file.
    ///
    /// # Errors
    /// If the model is quantized, its normalizations are folded into weights without names, or a parameter can't be
    /// read.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let fail = |why: &str| Error::file("taking parameters from ONNX", "", why);
        let (mut tensors, mut names) = (Vec::new(), HashSet::new());
        for layer in &self.layers {
            if !layer.element.is_float() || self.integers(layer)?.is_some() {
                return Err(fail("it is quantized, and integers can't be trained"));
            }
            let name = self.initializer_name(layer.value);
            if layer.kind == LayerKind::Convolution && name.is_none_or(is_made_up) {
                return Err(fail(FOLDED));
            }
            let matrix = self.matrix(layer)?;
            let mut shape = vec![matrix.rows];
            match layer.kind {
                LayerKind::Linear => shape.push(matrix.cols),
                LayerKind::Convolution => shape.extend(&layer.shape[1..]),
            }
            if shape.iter().product::<usize>() != matrix.data.len() {
                return Err(fail("it has a transposed convolution, which no network to train has"));
            }
            names.insert(layer.name.clone());
            tensors.push(NamedTensor {
                name: name.unwrap_or(&layer.name).to_owned(),
                shape,
                data: matrix.data,
            });
        }
        for (at, node) in self.plan.nodes.iter().enumerate().filter(|(at, _)| self.plan.live[*at]) {
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
                let tensor = self.plan.tensor(value).map_err(|why: Reason| self.failed(at, why))?;
                let shape = tensor.shape.clone();
                tensors.push(NamedTensor { name: name.to_owned(), shape, data: tensor.to_floats() });
            }
        }
        Ok(Checkpoint::new(tensors))
    }

    /// The name of the initializer that a constant comes from.
    fn initializer_name(&self, value: usize) -> Option<&str> {
        match &self.plan.known[value] {
            Known::Derived { source, .. } => Some(&self.plan.graph.initializers[source.initializer].1.name),
            _ => None,
        }
    }
}

/// Whether an exporter made a name up.
pub(super) fn is_made_up(name: &str) -> bool {
    name.is_empty()
        || name.contains("::")
        || name.chars().all(|c| c.is_ascii_digit())
        || ["val_", "const_", "_val_", "_v_", "t_", "/"].iter().any(|start| name.starts_with(start))
}
