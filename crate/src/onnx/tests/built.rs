//! Small models that are written here: what no exporter writes, or only by a mistake.

use super::model;
use crate::error::Result;
use crate::onnx::{OnnxNetwork, Tensor};
use crate::protobuf::Message;

const FLOAT: i64 = 1;
const UINT8: i64 = 2;
const INT8: i64 = 3;
const INT32: i64 = 6;
const INT64: i64 = 7;

fn tensor(name: &str, element: i64, shape: &[i64], bytes: Vec<u8>) -> Message {
    let tensor = shape.iter().fold(Message::default(), |tensor, &size| tensor.integer(1, size));
    tensor.integer(2, element).bytes(8, name).bytes(9, bytes)
}

fn floats(name: &str, shape: &[i64], values: &[f32]) -> Message {
    tensor(name, FLOAT, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

fn node(domain: &str, op: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs.iter().fold(Message::default(), |node, input| node.bytes(1, input));
    node.bytes(2, output).bytes(4, op).bytes(7, domain)
}

fn int(node: Message, name: &str, value: i64) -> Message {
    node.message(5, &Message::default().bytes(1, name).integer(3, value).integer(20, 2))
}

fn float(node: Message, name: &str, value: f32) -> Message {
    node.message(5, &Message::default().bytes(1, name).float(2, value).integer(20, 1))
}

fn value(name: &str, element: i64, shape: &[i64]) -> Message {
    let dims = shape
        .iter()
        .fold(Message::default(), |dims, &size| dims.message(1, &Message::default().integer(1, size)));
    let kind = Message::default().integer(1, element).message(2, &dims);
    Message::default().bytes(1, name).message(2, &Message::default().message(1, &kind))
}

/// A network of these nodes from `x` to `y`.
fn network(input: &Message, nodes: &[Message], initializers: &[Message]) -> Result<OnnxNetwork> {
    let graph = nodes.iter().fold(Message::default().bytes(2, "built"), |graph, node| graph.message(1, node));
    let graph = initializers.iter().fold(graph, |graph, tensor| graph.message(5, tensor));
    let graph = graph.message(11, input).message(12, &value("y", FLOAT, &[]));
    let opset = |domain: &str, version: i64| Message::default().bytes(1, domain).integer(2, version);
    let file = Message::default().integer(1, 8).message(7, &graph);
    let file = file.message(8, &opset("", 17)).message(8, &opset("com.microsoft", 1));
    model(file.into_bytes())?.network(&[])
}

fn run(input: &Message, nodes: &[Message], initializers: &[Message], x: Tensor) -> Vec<f32> {
    let outputs = network(input, nodes, initializers).expect("reads").run(vec![x]).expect("runs");
    outputs[0].floats().expect("floats").to_vec()
}

/// The mean of 10 in steps of 0.1, as an unsigned integer of steps of 0.01 above 0.
#[test]
fn a_quantized_output_has_the_type_of_its_zero_point() {
    let scales = [
        floats("s", &[], &[0.1]),
        tensor("z", INT8, &[], vec![0]),
        floats("t", &[], &[0.01]),
        tensor("u", UINT8, &[], vec![0]),
    ];
    let nodes = [
        node("", "QuantizeLinear", &["x", "s", "z"], "q"),
        node("com.microsoft", "QLinearGlobalAveragePool", &["q", "s", "z", "t", "u"], "p"),
        node("", "DequantizeLinear", &["p", "t", "u"], "y"),
    ];
    let x = Tensor::from_floats(vec![1, 1, 2, 2], vec![2.0, 2.5, 1.5, 2.0]);
    let means = run(&value("x", FLOAT, &[1, 1, 2, 2]), &nodes, &scales, x);
    assert!((means[0] - 2.0).abs() < 1e-6, "127 steps of 0.01 would be too few: {means:?}");
}

/// 1 x 0.5 + 0.5, with the bias in steps of its own; and with `alpha`, which the sums are times.
#[test]
fn integer_products_take_bias_and_factor_as_they_are() {
    let bytes = |value: i32| value.to_le_bytes().to_vec();
    let x = || Tensor::from_floats(vec![1, 1], vec![1.0]);
    for (bias_scale, bias) in [(0.01 * 0.01, 5_000), (0.05, 10)] {
        let constants = [
            floats("s", &[], &[0.01]),
            tensor("z", INT8, &[], vec![0]),
            tensor("w", INT8, &[1, 1], vec![50]),
            tensor("b", INT32, &[1], bytes(bias)),
            floats("r", &[], &[bias_scale]),
        ];
        let nodes = [
            node("", "QuantizeLinear", &["x", "s", "z"], "q"),
            node("", "DequantizeLinear", &["q", "s", "z"], "v"),
            node("", "DequantizeLinear", &["w", "s", "z"], "m"),
            node("", "DequantizeLinear", &["b", "r"], "c"),
            node("", "Gemm", &["v", "m", "c"], "g"),
            node("", "QuantizeLinear", &["g", "s", "z"], "h"),
            node("", "DequantizeLinear", &["h", "s", "z"], "y"),
        ];
        let sums = run(&value("x", FLOAT, &[1, 1]), &nodes, &constants, x());
        assert!((sums[0] - 1.0).abs() < 1e-6, "bias in steps of {bias_scale}: {sums:?}");
    }
    let constants =
        [floats("s", &[], &[0.01]), tensor("z", INT8, &[], vec![0]), tensor("w", INT8, &[1, 1], vec![50])];
    let product = node("com.microsoft", "QGemm", &["q", "s", "z", "w", "s", "z", "", "s", "z"], "h");
    let nodes = [
        node("", "QuantizeLinear", &["x", "s", "z"], "q"),
        float(product, "alpha", 0.5),
        node("", "DequantizeLinear", &["h", "s", "z"], "y"),
    ];
    let sums = run(&value("x", FLOAT, &[1, 1]), &nodes, &constants, x());
    assert!((sums[0] - 0.25).abs() < 1e-6, "{sums:?}");
}

/// One initializer as the weight of a grouped convolution and of a plain one of half the channels.
#[test]
fn a_weight_in_other_groups_is_another_layer() {
    let constants = [
        floats("w", &[4, 2, 1, 1], &[1.0; 8]),
        tensor("axes", INT64, &[1], 1_i64.to_le_bytes().to_vec()),
        tensor("start", INT64, &[1], 0_i64.to_le_bytes().to_vec()),
        tensor("end", INT64, &[1], 2_i64.to_le_bytes().to_vec()),
    ];
    let nodes = [
        node("", "Slice", &["x", "start", "end", "axes"], "half"),
        int(node("", "Conv", &["x", "w"], "a"), "group", 2),
        node("", "Conv", &["half", "w"], "b"),
        node("", "Add", &["a", "b"], "y"),
    ];
    let network = network(&value("x", FLOAT, &[1, 4, 2, 2]), &nodes, &constants).expect("reads");
    assert_eq!(network.layers().len(), 2);
}

#[test]
fn what_is_not_counted_is_named() {
    let constants = [
        floats("w", &[2, 2], &[1.0; 4]),
        floats("a", &[2, 1], &[1.0; 2]),
        floats("b", &[1, 2], &[1.0; 2]),
        floats("k", &[2, 2, 1, 1], &[1.0; 4]),
        floats("offset", &[1, 2, 2, 2], &[0.0; 8]),
        tensor("to", INT64, &[2], [1_i64, 8].into_iter().flat_map(i64::to_le_bytes).collect()),
    ];
    let nodes = [
        node("", "MatMul", &["a", "b"], "product"),
        node("", "Add", &["w", "product"], "merged"),
        node("", "MatMul", &["x", "merged"], "y"),
    ];
    let merged = network(&value("x", FLOAT, &[1, 2]), &nodes, &constants).expect("reads");
    let left_out: Vec<&str> = merged.left_out().iter().map(|layer| &*layer.why).collect();
    assert!(merged.layers().is_empty());
    assert_eq!(left_out, ["the model computes it from other constants; fold these first"]);
    let deformed = [node("", "DeformConv", &["x", "k", "offset"], "y")];
    let deformed = network(&value("x", FLOAT, &[1, 2, 2, 2]), &deformed, &constants).expect("reads");
    assert_eq!(deformed.left_out()[0].why, "the operator DeformConv is not counted");
}

#[test]
fn impossible_sizes_and_long_chains_end_soon() {
    let huge = [tensor("e", FLOAT, &[1 << 62, 0], Vec::new())];
    let sum = [int(node("", "ReduceSum", &["e"], "y"), "keepdims", 0)];
    let why = network(&value("x", FLOAT, &[1]), &sum, &huge).expect_err("impossible").to_string();
    assert!(why.contains("impossible dimensions"), "{why}");
    let empty = [floats("d", &[2, 2], &[1.0; 4]), tensor("i", INT64, &[3, 0], Vec::new())];
    let gather = [node("", "GatherND", &["d", "i"], "g"), node("", "Transpose", &["g"], "y")];
    assert!(network(&value("x", FLOAT, &[1]), &gather, &empty).is_ok(), "its values are unknown");

    let name = |at: usize| format!("v{at}");
    let chain = (0..20_000).map(|at| node("", "Identity", &[&name(at)], &name(at + 1)));
    let last = node("", "MatMul", &["x", &name(20_000)], "y");
    let nodes: Vec<Message> = chain.chain([last]).collect();
    let weight = [floats("v0", &[2, 2], &[1.0; 4])];
    let network = network(&value("x", FLOAT, &[1, 2]), &nodes, &weight).expect("reads");
    assert_eq!(network.layers().len(), 1);
}
