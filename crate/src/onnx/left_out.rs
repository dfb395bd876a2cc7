//! Weights that no crossbar holds, and why.

use super::element::ElementType;
use super::graph::Node;
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
        let own = node.domain == "com.microsoft" && !node.op.starts_with("QLinear");
        if !own && !matches!(&*node.op, "LSTM" | "GRU" | "RNN" | "Einsum") {
            return Vec::new();
        }
        let weights = node.inputs.iter().flatten().filter(|&&value| self.known[value].is_constant());
        let matrices = weights.filter_map(|&value| {
            let shape = self.known[value].shape().ok().filter(|shape| shape.len() >= 2)?.to_vec();
            let (name, element) = (self.layer_name(node, value), self.stored_type(value));
            Some(LeftOutLayer {
                name,
                shape,
                element,
                why: format!("the operator {} is not counted", node.op),
            })
        });
        matrices.collect()
    }
}
