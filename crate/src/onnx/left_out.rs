//! Weights that no crossbar holds, and why.

use std::sync::Arc;

use super::element::ElementType;
use super::graph::{Body, Node};
use super::plan::InferredGraph;

/// A weight that no crossbar holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutLayer {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// The type of its elements in the file.
    pub element: ElementType,
    /// Why.
    pub why: String,
}

impl InferredGraph {
    /// The constant matrices of an operator that can't become crossbar layers, so that nobody misses them.
    pub(super) fn uncounted(&self, node: &Node) -> Vec<LeftOutLayer> {
        if !node.bodies.is_empty() {
            let mut bodies: Vec<&Body> = node.bodies.values().collect();
            bodies.sort_by_key(|body| body.nodes.first().map(|node| &node.label));
            return bodies.into_iter().flat_map(|body| self.uncounted_in(body, &node.op)).collect();
        }
        let own = node.domain == "com.microsoft" && !node.op.starts_with("QLinear");
        if !own && !matches!(&*node.op, "LSTM" | "GRU" | "RNN" | "Einsum" | "DeformConv") {
            return Vec::new();
        }
        self.matrices_of(node, &format!("the operator {} is not counted", node.op))
    }

    /// The weights of products inside a node that runs a graph of its own, some times or none.
    fn uncounted_in(&self, body: &Body, op: &str) -> Vec<LeftOutLayer> {
        let within = |node: &Arc<Node>| {
            let inner = node.bodies.values().flat_map(|body| self.uncounted_in(body, op));
            let is_product = matches!(&*node.op, "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "DeformConv");
            let own =
                if is_product { self.matrices_of(node, &format!("it is inside {op}")) } else { Vec::new() };
            own.into_iter().chain(inner).collect::<Vec<_>>()
        };
        body.nodes.iter().flat_map(within).collect()
    }

    /// The weight of a product that the model computes from constants, by operators that are not folded.
    pub(super) fn computed_weight(&self, node: &Node, factors: [usize; 2]) -> Option<LeftOutLayer> {
        let value = |at: usize| node.inputs.get(at).copied().flatten();
        let computed = |at: &usize| value(*at).is_some_and(|value| self.of_constants.contains(&value));
        let at = factors.into_iter().find(computed)?;
        let value = value(at)?;
        Some(LeftOutLayer {
            name: self.layer_name(node, value),
            shape: self.known[value].shape().map(<[usize]>::to_vec).unwrap_or_default(),
            element: self.stored_type(value),
            why: "the model computes it from other constants; fold these first".to_owned(),
        })
    }

    fn matrices_of(&self, node: &Node, why: &str) -> Vec<LeftOutLayer> {
        let weights = node.inputs.iter().flatten().filter(|&&value| self.known[value].is_constant());
        let matrices = weights.filter_map(|&value| {
            let shape = self.known[value].shape().ok().filter(|shape| shape.len() >= 2)?.to_vec();
            let (name, element) = (self.layer_name(node, value), self.stored_type(value));
            Some(LeftOutLayer { name, shape, element, why: why.to_owned() })
        });
        matrices.collect()
    }
}
