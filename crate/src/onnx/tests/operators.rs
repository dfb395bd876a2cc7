//! Each operator against onnxruntime.

use serde_json::Value;

use super::{difference, model, tensor};
use crate::onnx::tensor::Values;

fn cases() -> Vec<Value> {
    let text = super::file("operators.json");
    serde_json::from_slice(&text).expect("JSON")
}

fn bytes(case: &Value) -> Vec<u8> {
    let text = case["model"].as_str().expect("a text").as_bytes();
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a digit") as u8;
    text.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[test]
fn operators_give_what_onnxruntime_gives() {
    let cases = cases();
    assert_eq!(cases.len(), 190);
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case["name"].as_str().expect("a name");
        let network = model(bytes(case)).and_then(|model| model.network(&[]));
        let inputs = case["inputs"].as_array().expect("a list").iter().map(tensor).collect();
        let outputs = match network.and_then(|network| network.run(inputs)) {
            Ok(outputs) => outputs,
            Err(why) => {
                wrong.push(format!("{name}: {why}"));
                continue;
            }
        };
        for (output, expected) in outputs.iter().zip(case["outputs"].as_array().expect("a list")) {
            let expected = tensor(expected);
            let same = output.shape == expected.shape
                && match (&output.values, &expected.values) {
                    (Values::Floats(own), Values::Floats(other)) => difference(own, other) < 2e-6,
                    (Values::Integers(own), Values::Integers(other)) => own == other,
                    _ => false,
                };
            if !same {
                wrong.push(format!("{name}: {output:?} is not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Analysis infers the same shapes as running the model gives.
#[test]
fn shapes_are_known_before_running() {
    for case in &cases() {
        let network = model(bytes(case)).and_then(|model| model.network(&[])).expect("fits");
        for (value, expected) in
            network.plan.graph.outputs.iter().zip(case["outputs"].as_array().expect("a list"))
        {
            let expected = tensor(expected);
            let known = &network.plan.known[*value];
            assert_eq!(known.shape(), Ok(&expected.shape[..]), "{}", case["name"]);
            assert_eq!(known.element(), Some(expected.element), "{}", case["name"]);
        }
    }
}
