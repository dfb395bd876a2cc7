//! Writes a network that Crossdub trains as an ONNX model, as it is simulated: batch normalizations are folded into the
//! convolutions.
//!
//! A layer that was trained quantized keeps its integers: the weight is int8 with its scales behind a
//! `DequantizeLinear`, and the inputs pass `QuantizeLinear` and `DequantizeLinear` ("QDQ"). Biases stay floats. An input
//! exactly between two integers goes to the even one in ONNX and up in Crossdub.

use crate::checkpoint::{Checkpoint, InputQuantizer};
use crate::config::HardwareConfig;
use crate::crossbar::quantize::QuantizedMatrix;
use crate::error::{Error, Result};
use crate::network::NetworkSpec;
use crate::network::spec::CHANNELS;
use crate::protobuf::Message;
use crate::simulate::layer::SimulatedLayer;
use crate::simulate::network;
use crate::simulate::pool::Pool;

/// The version of ONNX's operators; scales along an axis need 13.
const OPSET: i64 = 17;
/// The version of the file format that came with these operators.
const IR_VERSION: i64 = 8;
/// The name of the model's input.
const INPUT: &str = "images";
/// The name of the model's output.
const OUTPUT: &str = "logits";

/// Types of elements in `onnx.proto`.
#[derive(Clone, Copy)]
enum Element {
    Float = 1,
    Uint8 = 2,
    Int8 = 3,
}

/// The model as the bytes of its file. Its input is `[batch, 3, side, side]`, standardized as in training.
///
/// # Errors
/// If a parameter is missing, unknown, of another shape or not finite, inputs have more than 8 bits, or an averaging
/// pooling covers parts of different sizes.
///
/// ```
/// use crossdub::config::TrainConfig;
/// use crossdub::network::spec::{NetworkSpec, initialize};
/// use crossdub::onnx::{InputShapes, OnnxModel, export};
///
/// let config = TrainConfig { plan: "4 M 8 M".parse()?, ..TrainConfig::default() };
/// let spec = NetworkSpec::from_config(&config, 10)?;
/// let bytes = export::model(&spec, &initialize(&spec, 0))?;
/// let model = OnnxModel::from_bytes(bytes, |_| unreachable!("all in one file"))?;
/// assert_eq!(model.inputs()[0].name, "images");
/// # Ok::<(), crossdub::Error>(())
/// ```
pub fn model(spec: &NetworkSpec, weights: &Checkpoint) -> Result<Vec<u8>> {
    let layers = network::layers(spec, weights, false)?;
    let mut graph = Graph::default();
    for at in 0..layers.len() {
        graph.layer(&layers, at)?;
    }
    let side = spec.side() as i64;
    let classes = layers.last().map_or(0, |layer| layer.matrix.rows) as i64;
    let graph = graph
        .message
        .bytes(2, "network")
        .message(11, &value_info(INPUT, &[CHANNELS as i64, side, side]))
        .message(12, &value_info(OUTPUT, &[classes]));
    let notes = weights.metadata().iter();
    let model = Message::default()
        .integer(1, IR_VERSION)
        .bytes(2, "crossdub")
        .bytes(3, env!("CARGO_PKG_VERSION"))
        .message(7, &graph)
        .message(8, &Message::default().bytes(1, "").integer(2, OPSET));
    let note = |model: Message, (key, value): (&String, &String)| {
        model.message(14, &Message::default().bytes(1, key).bytes(2, value))
    };
    Ok(notes.fold(model, note).into_bytes())
}

/// A graph while it is written.
#[derive(Default)]
struct Graph {
    message: Message,
}

impl Graph {
    /// Adds the nodes of a layer.
    fn layer(&mut self, layers: &[SimulatedLayer], at: usize) -> Result<()> {
        let layer = &layers[at];
        let base = layer.matrix.name.trim_end_matches(".weight").to_owned();
        let mut input = activation(layers, layer.input);
        if let Some(quantizer) = &layer.inputs {
            input = self.quantized_input(&base, input, quantizer)?;
        }
        let weight = self.weight(layer);
        let bias = format!("{base}.bias");
        self.tensor(&bias, Element::Float, &[layer.bias.len()], &floats(&layer.bias));
        let mut after = Steps { base: &base, left: digital_steps(layer), last: activation(layers, at + 1) };
        let sums = after.next("sums");
        if layer.mapped {
            let [kernel, padding, stride] =
                [layer.window.kernel, layer.window.padding, layer.window.stride].map(|size| size as i64);
            let attributes = [
                ints("kernel_shape", &[kernel; 2]),
                ints("pads", &[padding; 4]),
                ints("strides", &[stride; 2]),
            ];
            self.node("Conv", &base, &[&input, &weight, &bias], &sums, &attributes);
        } else {
            let flat = format!("{base}.flat");
            self.node("Flatten", &flat, &[&input], &flat, &[int("axis", 1)]);
            self.node("Gemm", &base, &[&flat, &weight, &bias], &sums, &[int("transB", 1)]);
        }
        self.digital(layers, layer, &mut after, sums)
    }

    /// Adds what follows the products: addition, ReLU and poolings.
    fn digital(
        &mut self,
        layers: &[SimulatedLayer],
        layer: &SimulatedLayer,
        after: &mut Steps<'_>,
        mut value: String,
    ) -> Result<()> {
        if let Some(added) = layer.add {
            let sum = after.next("added");
            self.node("Add", &sum, &[&value, &activation(layers, added)], &sum, &[]);
            value = sum;
        }
        if layer.relu {
            let positive = after.next("relu");
            self.node("Relu", &positive, &[&value], &positive, &[]);
            value = positive;
        }
        let mut side = layer.window.output_side();
        for pool in &layer.pools {
            let pooled = after.next("pool");
            let (op, kernel, stride, padding) = match *pool {
                Pool::Max { kernel, stride, padding } => ("MaxPool", kernel, stride, padding),
                Pool::Average(to) if to > 0 && side.is_multiple_of(to) => {
                    ("AveragePool", side / to, side / to, 0)
                }
                Pool::Average(to) => {
                    let why = format!(
                        "{side} is no multiple of {to}, so its averages cover parts of different sizes"
                    );
                    return Err(Error::layer("exporting a layer", &*layer.matrix.name, why));
                }
            };
            let [kernel, stride, padding] = [kernel, stride, padding].map(|size| size as i64);
            let attributes = [
                ints("kernel_shape", &[kernel; 2]),
                ints("strides", &[stride; 2]),
                ints("pads", &[padding; 4]),
            ];
            self.node(op, &pooled, &[&value], &pooled, &attributes);
            (value, side) = (pooled, pool.output_side(side));
        }
        Ok(())
    }

    /// Rounds a layer's inputs to their integers. Returns the name of the result.
    fn quantized_input(&mut self, base: &str, input: String, quantizer: &InputQuantizer) -> Result<String> {
        let InputQuantizer { step, zero, bits } = *quantizer;
        let zero = u8::try_from(zero).ok().filter(|_| bits <= 8);
        let zero = zero.ok_or_else(|| {
            let why = format!("its inputs have {bits} bits; a QuantizeLinear has at most 8 here");
            Error::layer("exporting a layer", base, why)
        })?;
        let mut input = input;
        if bits < 8 {
            // QuantizeLinear saturates at 8 bits only.
            let top = f32::from(quantizer.top() - u16::from(zero));
            let [low, high, clipped] = ["low", "high", "clipped"].map(|leaf| format!("{base}.input_{leaf}"));
            self.tensor(&low, Element::Float, &[], &floats(&[-f32::from(zero) * step]));
            self.tensor(&high, Element::Float, &[], &floats(&[top * step]));
            self.node("Clip", &clipped, &[&input, &low, &high], &clipped, &[]);
            input = clipped;
        }
        let [scale, point] = ["scale", "zero_point"].map(|leaf| format!("{base}.input_{leaf}"));
        self.tensor(&scale, Element::Float, &[], &floats(&[step]));
        self.tensor(&point, Element::Uint8, &[], &[zero]);
        let [integers, output] = ["integers", "values"].map(|leaf| format!("{base}.input_{leaf}"));
        self.node("QuantizeLinear", &integers, &[&input, &scale, &point], &integers, &[]);
        self.node("DequantizeLinear", &output, &[&integers, &scale, &point], &output, &[]);
        Ok(output)
    }

    /// Adds a layer's weight: its integers and scales where it has them. Returns the name of the values.
    fn weight(&mut self, layer: &SimulatedLayer) -> String {
        let matrix = &layer.matrix;
        let shape = if layer.mapped {
            vec![matrix.rows, layer.window.channels, layer.window.kernel, layer.window.kernel]
        } else {
            vec![matrix.rows, matrix.cols]
        };
        let name = matrix.name.to_string();
        let Some(integers) = QuantizedMatrix::from_integers(matrix, &HardwareConfig::default()) else {
            self.tensor(&name, Element::Float, &shape, &floats(&matrix.data));
            return name;
        };
        let [scale, values] = ["scale", "values"].map(|leaf| format!("{name}_{leaf}"));
        // Of at most 8 bits, as the hardware above says.
        let bytes: Vec<u8> = integers.data.iter().map(|&integer| (integer as i8).cast_unsigned()).collect();
        let scales: Vec<f32> = integers.scales.iter().map(|&scale| scale as f32).collect();
        self.tensor(&name, Element::Int8, &shape, &bytes);
        self.tensor(&scale, Element::Float, &[scales.len()], &floats(&scales));
        self.node("DequantizeLinear", &values, &[&name, &scale], &values, &[int("axis", 0)]);
        values
    }

    fn tensor(&mut self, name: &str, element: Element, shape: &[usize], bytes: &[u8]) {
        let dims = shape.iter().fold(Message::default(), |tensor, &size| tensor.integer(1, size as i64));
        let tensor = dims.integer(2, element as i64).bytes(8, name).bytes(9, bytes);
        self.message = std::mem::take(&mut self.message).message(5, &tensor);
    }

    fn node(&mut self, op: &str, name: &str, inputs: &[&str], output: &str, attributes: &[Message]) {
        let node = inputs.iter().fold(Message::default(), |node, input| node.bytes(1, input));
        let node = node.bytes(2, output).bytes(3, name).bytes(4, op);
        let node = attributes.iter().fold(node, |node, attribute| node.message(5, attribute));
        self.message = std::mem::take(&mut self.message).message(1, &node);
    }
}

/// Names of the values inside a layer; the last one is the layer's output.
struct Steps<'a> {
    base: &'a str,
    left: usize,
    last: String,
}

impl Steps<'_> {
    fn next(&mut self, step: &str) -> String {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 { self.last.clone() } else { format!("{}.{step}{}", self.base, self.left) }
    }
}

/// Values that a layer computes after its weights and inputs: sums, and whatever follows.
fn digital_steps(layer: &SimulatedLayer) -> usize {
    1 + usize::from(layer.add.is_some()) + usize::from(layer.relu) + layer.pools.len()
}

/// The name of an activation, by its index as in [`SimulatedLayer`].
fn activation(layers: &[SimulatedLayer], index: usize) -> String {
    match index {
        0 => INPUT.to_owned(),
        last if last == layers.len() => OUTPUT.to_owned(),
        other => format!("{}.output", layers[other - 1].matrix.name.trim_end_matches(".weight")),
    }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn int(name: &str, value: i64) -> Message {
    Message::default().bytes(1, name).integer(3, value).integer(20, 2)
}

fn ints(name: &str, values: &[i64]) -> Message {
    let list = values.iter().fold(Message::default().bytes(1, name), |list, &value| list.integer(8, value));
    list.integer(20, 7)
}

/// A float input or output: an open batch, then these sizes.
fn value_info(name: &str, shape: &[i64]) -> Message {
    let open = Message::default().message(1, &Message::default().bytes(2, "batch"));
    let size = |shape: Message, &size: &i64| shape.message(1, &Message::default().integer(1, size));
    let shape = shape.iter().fold(open, size);
    let tensor = Message::default().integer(1, Element::Float as i64).message(2, &shape);
    Message::default().bytes(1, name).message(2, &Message::default().message(1, &tensor))
}
