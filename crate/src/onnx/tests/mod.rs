//! Small networks and single operators against onnxruntime and PyTorch, on and off crossbars; damaged files.
//! The files come from the scripts in `tests/onnx`.

mod built;
mod hostile;
mod networks;
mod operators;

use serde_json::Value;

use super::{ElementType, OnnxModel, Tensor};
use crate::error::Result;

/// A small network's file and what is known of it.
pub(super) struct Fixture {
    pub(super) name: &'static str,
}

/// A file of `tests/onnx`. Those are no part of the package, so they are read when the tests run.
pub(super) fn file(path: &str) -> Vec<u8> {
    // From the package's folder, where cargo runs tests: a path taken at compile time could be another checkout's, if
    // both share a target folder.
    std::fs::read(format!("../tests/onnx/{path}")).expect("a file of tests/onnx")
}

/// Every network, by each of PyTorch's exporters and each of onnxruntime's ways to quantize.
pub(super) const FIXTURES: [Fixture; 10] = [
    Fixture { name: "small_vgg.torchscript" },
    Fixture { name: "small_vgg.dynamo" },
    Fixture { name: "small_vgg.qdq" },
    Fixture { name: "small_vgg.qoperator" },
    Fixture { name: "blocks.torchscript" },
    Fixture { name: "blocks.dynamo" },
    Fixture { name: "blocks.qdq" },
    Fixture { name: "blocks.qoperator" },
    Fixture { name: "tokens.torchscript" },
    Fixture { name: "tokens.dynamo" },
];

impl Fixture {
    pub(super) fn bytes(&self) -> Vec<u8> {
        file(&format!("fixtures/{}.onnx", self.name))
    }

    pub(super) fn model(&self) -> OnnxModel {
        model(self.bytes()).expect(self.name)
    }

    pub(super) fn facts(&self) -> Value {
        serde_json::from_slice(&file(&format!("fixtures/{}.json", self.name))).expect("JSON")
    }

    pub(super) fn input(&self) -> Tensor {
        let facts = self.facts();
        let shape =
            facts["shape"].as_array().expect("a list").iter().map(|v| v.as_u64().expect("a size") as usize);
        Tensor::from_floats(shape.collect(), floats(&facts["input"]))
    }

    pub(super) fn is_quantized(&self) -> bool {
        self.name.contains(".q")
    }
}

/// A model whose weights are all in its file.
pub(super) fn model(bytes: Vec<u8>) -> Result<OnnxModel> {
    OnnxModel::from_bytes(bytes, |location| panic!("{location} is not wanted"))
}

pub(super) fn floats(value: &Value) -> Vec<f32> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number") as f32).collect()
}

/// A tensor of `operators.json`.
pub(super) fn tensor(value: &Value) -> Tensor {
    let shape =
        value["shape"].as_array().expect("a list").iter().map(|v| v.as_u64().expect("a size") as usize);
    let (kind, shape) = (value["type"].as_str().expect("a type"), shape.collect());
    let element = match kind {
        "float32" => return Tensor::from_floats(shape, floats(&value["values"])),
        "int64" => ElementType::I64,
        "int32" => ElementType::I32,
        "uint8" => ElementType::U8,
        "int8" => ElementType::I8,
        "bool" => ElementType::Bool,
        other => panic!("{other}"),
    };
    let values = value["values"].as_array().expect("a list").iter().map(|v| v.as_i64().expect("an integer"));
    Tensor::from_integers(element, shape, values.collect())
}

/// The largest difference as a share of the largest expected magnitude.
pub(super) fn difference(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    let apart = got.iter().zip(expected).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    apart / largest.max(f32::MIN_POSITIVE)
}
