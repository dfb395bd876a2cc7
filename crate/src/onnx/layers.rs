//! The nodes that a crossbar computes: products with a constant weight, as matrices.

use std::collections::HashMap;

use super::element::ElementType;
use super::graph::Node;
use super::left_out::LeftOutLayer;
use super::ops::quantize::zeros_of;
use super::ops::{Convolution, Linear, Product};
use super::parameters::is_made_up;
use super::plan::{Follow, InferredGraph};
use super::positions;
use super::static_value::{Derivation, StaticValue};
use super::tensor::{Reason, Tensor, elements};
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// A layer's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// `Conv`, `ConvTranspose` and their integer forms.
    Convolution,
    /// `Gemm`, `MatMul` and their integer forms: a fully connected layer.
    Linear,
}

/// A weight that crossbars hold, and the nodes that multiply with it.
#[derive(Debug, Clone)]
pub struct OnnxLayer {
    /// The initializer's name, or the node's where the exporter made that name up.
    pub name: String,
    /// Convolution or fully connected.
    pub kind: LayerKind,
    /// The weight's dimensions in the file.
    pub shape: Vec<usize>,
    /// The type of its elements in the file.
    pub element: ElementType,
    /// Vectors that it multiplies for one image.
    ///
    /// # Errors
    /// Why that is not known.
    pub positions: std::result::Result<u64, String>,
    /// The nodes that use it, by their place in the plan, each with its product.
    pub(super) uses: Vec<(usize, std::result::Result<Product, Reason>)>,
    /// The weight's place among a node's inputs.
    pub(super) weight_input: usize,
    /// The weight's value.
    pub(super) value: usize,
    /// How its matrix lies in the weight.
    pub(super) matrix: Product,
}

impl OnnxLayer {
    /// A matrix's values, `[outputs, inputs]`, in the order of the weight in the file.
    #[must_use]
    pub fn in_weight_order(&self, data: &[f32]) -> Vec<f32> {
        let Some(places) = self.matrix.weight_places() else { return data.to_vec() };
        let mut weight = vec![0.0; data.len()];
        places.into_iter().zip(data).for_each(|(at, &value)| weight[at] = value);
        weight
    }
}

/// The weights of a network as integers, where the model quantizes them.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegerWeights {
    /// `[outputs, inputs]` integers, less their zero points.
    pub data: Vec<i32>,
    /// The scale of each output.
    pub scales: Vec<f32>,
}

/// The places of a node's operands: both factors, and the second one's scale and zero point where the node
/// has them itself.
pub(super) struct Operands {
    pub(super) factors: [usize; 2],
    pub(super) weight_scale: Option<usize>,
    pub(super) weight_zero: Option<usize>,
}

/// The operands of a node that is a product.
pub(super) fn operands(node: &Node) -> Option<Operands> {
    let of = |second, weight_scale, weight_zero| {
        Some(Operands { factors: [0, second], weight_scale, weight_zero })
    };
    match (&*node.domain, &*node.op) {
        ("", "Conv" | "ConvTranspose" | "Gemm" | "MatMul") => of(1, None, None),
        ("", "ConvInteger" | "MatMulInteger") => of(1, None, Some(3)),
        ("", "QLinearConv" | "QLinearMatMul") | ("com.microsoft", "QGemm") => of(3, Some(4), Some(5)),
        _ => None,
    }
}

fn is_convolution(node: &Node) -> bool {
    node.op.contains("Conv")
}

impl InferredGraph {
    /// The layers of a network in the order in which it runs, and the weights of products that are no layers.
    ///
    /// # Errors
    /// If a weight's bytes are not as the file says.
    pub(super) fn layers(&self) -> Result<(Vec<OnnxLayer>, Vec<LeftOutLayer>)> {
        let (mut layers, mut left_out) = (Vec::<OnnxLayer>::new(), Vec::new());
        let mut places: HashMap<(usize, usize, bool), usize> = HashMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if !self.live[at] {
                continue;
            }
            let Some(operands) = operands(node) else {
                left_out.extend(self.uncounted(node));
                continue;
            };
            let constant = |at: usize| {
                node.inputs.get(at).copied().flatten().filter(|&value| self.known[value].is_constant())
            };
            let (weight_input, value) = match operands.factors.map(constant) {
                [None, Some(value)] => (operands.factors[1], value),
                [Some(value), None] if !is_convolution(node) && operands.weight_zero.is_none() => {
                    (operands.factors[0], value)
                }
                [None, None] => {
                    left_out.extend(self.computed_weight(node, operands.factors));
                    continue;
                }
                _ => continue,
            };
            let name = self.layer_name(node, value);
            let (shape, element) =
                (self.known[value].shape().map(<[usize]>::to_vec), self.stored_type(value));
            let shape = shape.unwrap_or_default();
            match self.layer(node, weight_input, value) {
                Err(why) => left_out.push(LeftOutLayer { name, shape, element, why }),
                Ok((matrix, product)) => {
                    let key = (self.identity(value), weight_input, matrix.weight_places().is_some());
                    let layer = OnnxLayer {
                        name,
                        kind: if is_convolution(node) { LayerKind::Convolution } else { LayerKind::Linear },
                        shape,
                        element,
                        positions: Ok(0),
                        uses: vec![(at, product)],
                        weight_input,
                        value,
                        matrix,
                    };
                    let known = places.get(&key).copied();
                    // A weight that several nodes share lies on crossbars once.
                    if let Some(known) = known.filter(|&known| self.is_same(&layers[known], &layer)) {
                        layers[known].uses.extend(layer.uses);
                        continue;
                    }
                    places.insert(key, layers.len());
                    layers.push(layer);
                }
            }
        }
        for layer in &mut layers {
            layer.positions = positions::of_image(&layer.uses, self.batch);
        }
        unique_names(&mut layers);
        Ok((layers, left_out))
    }

    /// Whether two products multiply with the same matrix: a value, or elements of one initializer in one order and
    /// with the same scales.
    fn is_same(&self, a: &OnnxLayer, b: &OnnxLayer) -> bool {
        // Groups of a weight have inputs of their own.
        let sizes =
            |layer: &OnnxLayer| (layer.matrix.outputs(), layer.matrix.inputs(), layer.matrix.groups());
        if sizes(a) != sizes(b) {
            return false;
        }
        let places = |layer| self.initializer_places(layer).ok();
        a.value == b.value
            || places(a).is_some_and(|own| places(b) == Some(own))
                && self.integers(a).ok() == self.integers(b).ok()
    }

    /// What tells weights apart: an initializer counts once, however it is led to its nodes.
    fn identity(&self, value: usize) -> usize {
        match &self.known[value] {
            StaticValue::Derived { source, .. } => self.graph.initializers[source.initializer].0,
            _ => value,
        }
    }

    /// The type of a constant's elements in the file.
    pub(super) fn stored_type(&self, value: usize) -> ElementType {
        match &self.known[value] {
            StaticValue::Derived { source, .. } => self.graph.initializers[source.initializer].1.element,
            known => known.element().unwrap_or(ElementType::F32),
        }
    }

    pub(super) fn layer_name(&self, node: &Node, value: usize) -> String {
        let own = match &self.known[value] {
            StaticValue::Derived { source, .. } => &self.graph.initializers[source.initializer].1.name,
            _ => &self.graph.names[value],
        };
        let plain = own.strip_suffix("_quantized").unwrap_or(own);
        let made_up = is_made_up(plain);
        if made_up && !node.name.is_empty() { node.name.clone() } else { plain.to_owned() }
    }

    /// How a layer's matrix lies in its weight, and its product, if its input's shape is known.
    fn layer(
        &self,
        node: &Node,
        weight_input: usize,
        value: usize,
    ) -> std::result::Result<(Product, std::result::Result<Product, Reason>), Reason> {
        let weight = self.known[value].shape()?;
        let factors = operands(node).map_or([0, 1], |operands| operands.factors);
        let other = if weight_input == factors[0] { factors[1] } else { factors[0] };
        let input = node.inputs.get(other).copied().flatten().ok_or("it has no input")?;
        let product = |input: &[usize]| -> std::result::Result<Product, Reason> {
            if is_convolution(node) {
                return Convolution::new(node, input, weight).map(Product::Convolution);
            }
            let first = weight_input == factors[0];
            let shapes = if first { [weight, input] } else { [input, weight] };
            Linear::new(node, usize::from(!first), shapes).map(Product::Linear)
        };
        if elements(weight).unwrap_or(0) == 0 {
            return Err("it is empty".to_owned());
        }
        match self.known[input].shape() {
            Ok(shape) => product(shape).map(|product| (product.clone(), Ok(product))),
            Err(why) => {
                product(&smallest_input(node, weight, weight_input == factors[0])).map(|p| (p, Err(why)))
            }
        }
    }

    /// A layer's weights `[outputs, inputs]`, by its groups.
    ///
    /// # Errors
    /// If the weight's bytes are not as the file says, or a weight is not finite.
    pub(super) fn matrix(&self, layer: &OnnxLayer) -> Result<Matrix> {
        let fail = |why: Reason| Error::layer("reading a layer", &*layer.name, why);
        let mut steps = None;
        let data = match self.integers(layer).map_err(fail)? {
            Some(IntegerWeights { data, scales }) => {
                let rows = data.chunks_exact(layer.matrix.inputs().max(1)).zip(&scales);
                let values =
                    rows.flat_map(|(row, scale)| row.iter().map(move |&q| q as f32 * scale)).collect();
                steps = Some(scales);
                values
            }
            None => {
                let weight = self.tensor(layer.value).map_err(fail)?;
                let values = match weight.as_floats() {
                    Some(values) => values.to_vec(),
                    None => weight.to_floats(),
                };
                drop(weight);
                self.arranged(layer, values)
            }
        };
        let matrix = Matrix::new(&*layer.name, layer.matrix.outputs(), layer.matrix.inputs(), data)?;
        let matrix = matrix.grouped(layer.matrix.groups())?;
        if let Some(steps) = steps { matrix.with_steps(steps) } else { Ok(matrix) }
    }

    /// A weight's values in the order of its matrix.
    pub(super) fn arranged<T: Copy>(&self, layer: &OnnxLayer, values: Vec<T>) -> Vec<T> {
        match layer.matrix.weight_places() {
            Some(places) => places.into_iter().map(|at| values[at]).collect(),
            None => values,
        }
    }

    /// The integers of a layer that the model quantizes, with one scale for each output; `None` if it does not,
    /// or scales change within an output.
    pub(super) fn integers(&self, layer: &OnnxLayer) -> std::result::Result<Option<IntegerWeights>, Reason> {
        let Some(&(at, _)) = layer.uses.first() else { return Ok(None) };
        let node = &self.nodes[at];
        let operands = operands(node).ok_or("is not a product")?;
        let outputs = layer.matrix.outputs();
        if operands.weight_zero.is_some() {
            let weight = self.tensor(layer.value)?;
            let constant = |at: Option<usize>| -> std::result::Result<Option<Tensor>, Reason> {
                let value = at.and_then(|at| node.inputs.get(at).copied().flatten());
                value.map(|value| self.tensor(value)).transpose()
            };
            let zeros = zeros_of(constant(operands.weight_zero)?.as_ref(), outputs)?;
            let scales = match constant(operands.weight_scale)? {
                Some(scales) => scales.floats()?.to_vec(),
                None => vec![1.0],
            };
            let scales = if scales.len() == 1 { vec![scales[0]; outputs] } else { scales };
            if scales.len() != outputs {
                return Err(format!("{} scales do not fit {outputs} outputs", scales.len()));
            }
            let own = self.arranged(layer, weight.integers()?.to_vec());
            let rows = own.chunks_exact(layer.matrix.inputs().max(1)).zip(zeros);
            let data = rows.flat_map(|(row, zero)| row.iter().map(move |&q| (q - zero) as i32)).collect();
            return Ok(Some(IntegerWeights { data, scales }));
        }
        let StaticValue::Derived { source, .. } = &self.known[layer.value] else { return Ok(None) };
        if !self.is_dequantized(source) {
            return Ok(None);
        }
        let (_, proto) = &self.graph.initializers[source.initializer];
        let start = self.storage.tensor(proto).map_err(|why| format!("the tensor {} {why}", proto.name))?;
        let scales = self.follow(source, start.clone(), Follow::Scales)?;
        let scales = self.arranged(layer, scales.floats()?.to_vec());
        let rows = scales.chunks_exact(layer.matrix.inputs().max(1));
        if rows.clone().any(|row| row.iter().any(|scale| *scale != row[0])) {
            return Ok(None);
        }
        let scales = rows.map(|row| row[0]).collect();
        let integers = self.follow(source, start, Follow::Integers)?;
        let data = integers.integers()?.iter().map(|&q| i32::try_from(q).ok()).collect::<Option<Vec<_>>>();
        let data = data.ok_or("its integers are too large")?;
        Ok(Some(IntegerWeights { data: self.arranged(layer, data), scales }))
    }

    /// The integer that stands for 0 in each entry of the matrix of a layer that is stored as integers.
    pub(super) fn zeros(&self, layer: &OnnxLayer) -> std::result::Result<Vec<i64>, Reason> {
        let node = layer.uses.first().map(|(at, _)| &self.nodes[*at]);
        if let Some((node, place)) = node.and_then(|node| Some((node, operands(node)?.weight_zero?))) {
            let value = node.inputs.get(place).copied().flatten();
            let zeros = value.map(|value| self.tensor(value)).transpose()?;
            let zeros = zeros_of(zeros.as_ref(), layer.matrix.outputs())?;
            return Ok(zeros.into_iter().flat_map(|zero| vec![zero; layer.matrix.inputs()]).collect());
        }
        let StaticValue::Derived { source, .. } = &self.known[layer.value] else {
            return Err("it is not an initializer".to_owned());
        };
        if !self.is_dequantized(source) {
            return Ok(vec![0; layer.matrix.outputs() * layer.matrix.inputs()]);
        }
        let (_, proto) = &self.graph.initializers[source.initializer];
        let start = self.storage.tensor(proto).map_err(|why| format!("the tensor {} {why}", proto.name))?;
        let zeros = self.follow(source, start, Follow::Zeros)?;
        Ok(self.arranged(layer, zeros.integers()?.to_vec()))
    }

    /// Whether a derivation ends in a dequantization, followed by movements at most.
    fn is_dequantized(&self, source: &Derivation) -> bool {
        source.steps.iter().any(|&step| self.nodes[step].op == "DequantizeLinear")
    }

    /// For each entry of a layer's matrix, its place in the initializer that it comes from.
    ///
    /// # Errors
    /// If the weight is computed from several constants.
    pub(super) fn initializer_places(&self, layer: &OnnxLayer) -> Result<(usize, Vec<usize>)> {
        let fail = |why: Reason| Error::layer("reading a layer", &*layer.name, why);
        let StaticValue::Derived { source, .. } = &self.known[layer.value] else {
            return Err(fail(
                "it is computed from several constants, so it has no place of its own in the file".to_owned(),
            ));
        };
        let (_, proto) = &self.graph.initializers[source.initializer];
        let count = elements(&proto.shape).unwrap_or(0);
        let start = Tensor::from_integers(proto.element, proto.shape.clone(), (0..count as i64).collect());
        let places = self.follow(source, start, Follow::Places).map_err(fail)?;
        let places = places.integers().map_err(fail)?.iter().map(|&at| at as usize).collect();
        Ok((source.initializer, self.arranged(layer, places)))
    }
}

/// The smallest input that a weight takes, for a layer whose input's shape is not known.
fn smallest_input(node: &Node, weight: &[usize], first: bool) -> Vec<usize> {
    if is_convolution(node) {
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(1);
        let channels = match (weight, node.op == "ConvTranspose") {
            ([channels, ..], true) => *channels,
            ([_, channels, ..], false) => channels.saturating_mul(groups),
            _ => 0,
        };
        let kernel = weight.get(2..).unwrap_or_default();
        let reach = |at: usize| {
            let dilation = node
                .ints("dilations")
                .and_then(|d| d.get(at))
                .map_or(1, |&d| usize::try_from(d).unwrap_or(1));
            (kernel[at].saturating_sub(1)).saturating_mul(dilation).saturating_add(1)
        };
        return [1, channels].into_iter().chain((0..kernel.len()).map(reach)).collect();
    }
    let turned = |name: &str| node.op.ends_with("Gemm") && node.int(name, 0) != 0;
    let (rows, columns) = match weight {
        [one] => (*one, *one),
        [.., rows, columns] => (*rows, *columns),
        [] => (0, 0),
    };
    // The inner dimension, and 1 for the other.
    match first {
        false => {
            let terms = if turned("transB") { columns } else { rows };
            if turned("transA") { vec![terms, 1] } else { vec![1, terms] }
        }
        true => {
            let terms = if turned("transA") { rows } else { columns };
            if turned("transB") { vec![1, terms] } else { vec![terms, 1] }
        }
    }
}

/// Gives layers of one name, which different nodes make of one tensor, names of their own.
fn unique_names(layers: &mut [OnnxLayer]) {
    let mut uses: HashMap<String, usize> = HashMap::new();
    for layer in layers {
        let count = uses.entry(layer.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            layer.name = format!("{} ({count})", layer.name);
        }
    }
}
