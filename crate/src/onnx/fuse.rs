//! Models that keep floats between pairs of quantization and dequantization ("QDQ") mean products of integers.
//!
//! `Q(Conv(D(x), D(w), D(b)))` becomes one node on the integers, and so do `Gemm`, `MatMul`, `Add` and
//! `GlobalAveragePool`, as onnxruntime does when it loads such a model. Computed in floats, a sum that lies
//! within a rounding error of the boundary between two integers may fall on either side.

use std::collections::HashMap;
use std::sync::Arc;

use super::element::ElementType;
use super::graph::Node;
use super::ops::quantize::is_dequantize;
use super::plan::InferredGraph;
use super::proto::Attribute;
use super::tensor::elements;

/// Tools compute the scale of a bias in single precision, or in double.
const SCALE_TOLERANCE: f32 = 1e-3;

/// A quantized value: its integers, their scale and zero point.
type Quantized = [Option<usize>; 3];

/// Who gives and who reads the values of a plan.
struct Links {
    givers: HashMap<usize, usize>,
    readers: HashMap<usize, usize>,
}

impl InferredGraph {
    /// Replaces quantizations by the integer operators that they end. The nodes before them stay where they
    /// are, without a reader.
    pub(super) fn fuse_quantized(&mut self) {
        let mut links = Links { givers: HashMap::new(), readers: HashMap::new() };
        for (at, node) in self.nodes.iter().enumerate() {
            links.givers.extend(node.outputs.iter().flatten().map(|&value| (value, at)));
            node.inputs.iter().flatten().for_each(|&value| *links.readers.entry(value).or_default() += 1);
        }
        self.graph.outputs.iter().for_each(|&value| *links.readers.entry(value).or_default() += 1);
        for at in 0..self.nodes.len() {
            if let Some(fused) = self.fused(at, &links) {
                self.nodes[at] = Arc::new(fused);
            }
        }
    }

    /// The integer operator that the quantization at `at` ends, if it is one.
    fn fused(&self, at: usize, links: &Links) -> Option<Node> {
        let end = &self.nodes[at];
        if end.op != "QuantizeLinear" || !end.domain.is_empty() {
            return None;
        }
        let [Some(input), scale, zero @ Some(_)] = end.inputs[..] else { return None };
        let output = [end.outputs.first().copied().flatten(), scale, zero];
        let element = self.byte_type(output)?;
        let only = |value: usize| {
            let giver = links.givers.get(&value).map(|&giver| &self.nodes[giver]);
            giver.filter(|node| node.domain.is_empty() && links.readers.get(&value) == Some(&1))
        };
        let mut inner = only(input)?;
        if inner.op == "Relu" {
            // What is below the zero point is cut off by the integers' own range, if that begins there.
            let lowest = self.tensor(zero?).ok()?.integers().ok()?.first().copied()?;
            if lowest != element.range().0 {
                return None;
            }
            inner = only(inner.inputs.first().copied().flatten()?)?;
        }
        let input = |at: usize| inner.inputs.get(at).copied().flatten();
        let quantized = |at: usize| -> Option<Quantized> {
            let giver = &self.nodes[*links.givers.get(&input(at)?)?];
            let own = [0, 1, 2].map(|at| giver.inputs.get(at).copied().flatten());
            is_dequantize(giver).then_some(own)
        };
        let activation = |at: usize| quantized(at).filter(|own| self.byte_type(*own).is_some());
        let (op, domain, inputs) = match &*inner.op {
            "Conv" | "Gemm" => {
                let convolution = inner.op == "Conv";
                let plain = inner.int("transA", 0) == 0
                    && inner.float("alpha", 1.0) == 1.0
                    && inner.float("beta", 1.0) == 1.0;
                let axis = i64::from(!convolution && inner.int("transB", 0) == 0);
                let weight = self.weight(quantized(1)?, &self.nodes[*links.givers.get(&input(1)?)?], axis)?;
                let bias = match input(2) {
                    None => None,
                    Some(_) => {
                        let own = quantized(2)?;
                        let fits = self.is_bias(own[0]?) && self.adds_to_products(own, quantized(0)?, weight);
                        Some(own[0].filter(|_| fits)?)
                    }
                };
                let ([x, x_scale, x_zero], [w, w_scale, w_zero]) = (activation(0).filter(|_| plain)?, weight);
                let first = [x, x_scale, x_zero, w, w_scale, w_zero];
                if convolution {
                    ("QLinearConv", "", [&first[..], &[scale, zero, bias]].concat())
                } else {
                    ("QGemm", "com.microsoft", [&first[..], &[bias, scale, zero]].concat())
                }
            }
            "MatMul" => {
                let giver = &self.nodes[*links.givers.get(&input(1)?)?];
                let second = self.weight(quantized(1)?, giver, -1).or_else(|| activation(1))?;
                ("QLinearMatMul", "", [&activation(0)?[..], &second, &[scale, zero]].concat())
            }
            "Add" => (
                "QLinearAdd",
                "com.microsoft",
                [&activation(0)?[..], &activation(1)?, &[scale, zero]].concat(),
            ),
            "GlobalAveragePool" => {
                ("QLinearGlobalAveragePool", "com.microsoft", [&activation(0)?[..], &[scale, zero]].concat())
            }
            _ => return None,
        };
        let mut attributes: HashMap<String, Attribute> = inner.attributes.clone();
        attributes.remove("beta");
        Some(Node {
            op: op.to_owned(),
            domain: domain.to_owned(),
            name: inner.name.clone(),
            inputs,
            outputs: end.outputs.clone(),
            attributes,
            bodies: HashMap::new(),
            label: inner.label.clone(),
        })
    }

    /// The type of a value of 8-bit integers with one constant scale and zero point.
    fn byte_type(&self, [value, scale, zero]: Quantized) -> Option<ElementType> {
        let element = self.known[value?].element()?;
        let one = |at: Option<usize>| at.is_none_or(|at| self.constant_len(at) == Some(1));
        let float = self.known[scale?].element() == Some(ElementType::F32);
        let fits = matches!(element, ElementType::U8 | ElementType::I8) && float && one(scale) && one(zero);
        fits.then_some(element)
    }

    /// A constant weight of 8-bit integers, with one scale, or one for each output along `axis`.
    fn weight(&self, own: Quantized, giver: &Node, axis: i64) -> Option<Quantized> {
        let [value, scale, _] = own;
        let known = &self.known[value?];
        let single = self.constant_len(scale?) == Some(1);
        let rank = known.shape().ok()?.len() as i64;
        let asked = giver.int("axis", 1);
        let along = if asked < 0 { asked + rank } else { asked };
        let matches = single || along == if axis < 0 { axis + rank } else { axis };
        let bytes = matches!(known.element(), Some(ElementType::I8 | ElementType::U8));
        (known.is_constant() && bytes && matches && giver.int("block_size", 0) == 0).then_some(own)
    }

    /// Whether the integers of a bias can be added to those of products: its scale is that of the products.
    fn adds_to_products(&self, [_, scale, zero]: Quantized, input: Quantized, weight: Quantized) -> bool {
        let floats = |value: Option<usize>| Some(self.tensor(value?).ok()?.floats().ok()?.to_vec());
        let (Some(bias), Some(input), Some(weight)) = (floats(scale), floats(input[1]), floats(weight[1]))
        else {
            return false;
        };
        let is_zero = |zero: usize| {
            self.tensor(zero)
                .is_ok_and(|zero| zero.integers().is_ok_and(|all| all.iter().all(|&zero| zero == 0)))
        };
        let of = |scales: &[f32], at: usize| scales.get(at).or(scales.first()).copied().unwrap_or(f32::NAN);
        let is_product = |at: usize| {
            let product = of(&input, 0) * of(&weight, at);
            (of(&bias, at) - product).abs() <= SCALE_TOLERANCE * product.abs()
        };
        zero.is_none_or(is_zero) && (0..bias.len().max(weight.len())).all(is_product)
    }

    fn is_bias(&self, value: usize) -> bool {
        self.known[value].is_constant() && self.known[value].element() == Some(ElementType::I32)
    }

    fn constant_len(&self, value: usize) -> Option<usize> {
        let known = &self.known[value];
        known.is_constant().then(|| known.shape().ok().and_then(elements)).flatten()
    }

    /// Which nodes the outputs depend on.
    pub(super) fn live_nodes(&self) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        let mut wanted: Vec<bool> = vec![false; self.known.len()];
        self.graph.outputs.iter().for_each(|&output| wanted[output] = true);
        for (at, node) in self.nodes.iter().enumerate().rev() {
            live[at] = node.outputs.iter().flatten().any(|&value| wanted[value]);
            if live[at] {
                node.inputs.iter().flatten().for_each(|&value| wanted[value] = true);
                node.bodies.values().for_each(|body| want(body, &mut wanted));
            }
        }
        live
    }
}

/// Wants all that a graph inside a node reads.
fn want(body: &super::graph::Body, wanted: &mut [bool]) {
    body.outputs.iter().for_each(|&value| wanted[value] = true);
    for node in &body.nodes {
        node.inputs.iter().flatten().for_each(|&value| wanted[value] = true);
        node.bodies.values().for_each(|body| want(body, wanted));
    }
}
