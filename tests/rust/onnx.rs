//! ONNX models on the command line; the networks themselves are tested beside the reader, in `crate/src/onnx/tests`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command_line::{failure, json_output, usage_error};
use crate::shared::repository;

fn fixture(name: &str) -> String {
    repository().join("tests/onnx/fixtures").join(name).display().to_string()
}

#[test]
fn analyze_counts_the_conversions_of_any_network() {
    let model = fixture("tokens.dynamo.onnx");
    let arguments = ["analyze", &model, "--tile", "8", "--linear", "--per-inference", "--json"];
    let analysis = json_output(&arguments);
    let facts: Value =
        serde_json::from_slice(&fs::read(fixture("tokens.dynamo.json")).expect("reads")).expect("JSON");
    let sorted = |values: Vec<&Value>| {
        let mut own: Vec<u64> = values.into_iter().map(|v| v.as_u64().expect("a number")).collect();
        own.sort_unstable();
        own
    };
    let own = sorted(analysis["inference"]["positions"].as_array().expect("a list").iter().collect());
    assert_eq!(own, sorted(facts["positions"].as_object().expect("an object").values().collect()));
    assert_eq!(analysis["checkpoint"]["format"], "onnx");
    // Without --linear only the convolution is mapped, and the others are named.
    let analysis = json_output(&["analyze", &model, "--json"]);
    assert_eq!(analysis["layers"].as_array().expect("a list").len(), 1);
    let left_out = analysis["checkpoint"]["left_out"].as_array().expect("a list");
    assert!(left_out.len() == own.len() - 1 && left_out[0]["why"] == "fully connected");
}

#[test]
fn quantized_models_are_analyzed_by_their_integers() {
    for name in ["blocks.qdq.onnx", "blocks.qoperator.onnx"] {
        let analysis = json_output(&["analyze", &fixture(name), "--per-inference", "--json"]);
        let notes = analysis["checkpoint"]["notes"].to_string();
        assert!(notes.contains("which are not quantized again"), "{name}: {notes}");
        let groups =
            analysis["layers"].as_array().expect("a list").iter().map(|layer| layer["groups"].as_u64());
        assert_eq!(groups.flatten().collect::<Vec<_>>(), [1, 8, 1, 1, 4, 1], "{name}");
    }
}

#[test]
fn prune_writes_the_same_model_with_pruned_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("pruned.onnx").display().to_string();
    let masks = folder.path().join("masks.safetensors").display().to_string();
    let model = fixture("blocks.torchscript.onnx");
    let pruning = ["--tile", "8", "--tol", "0.1", "--masks", &masks, "--json"];
    let pruned = json_output(&[&["prune", &model, "--out", &out], &pruning[..]].concat());
    let analysis = json_output(&["analyze", &out, "--tile", "8", "--json"]);
    assert!(pruned["zeros"].as_u64().expect("a number") > 0);
    assert_eq!((&pruned["zeros"], &pruned["histogram"]), (&analysis["zeros"], &analysis["histogram"]));
    assert_eq!(fs::metadata(&out).expect("there").len(), fs::metadata(&model).expect("there").len());
    assert!(fs::metadata(&masks).is_ok());
    let planes = ["--rule", "bit-planes", "--target", "2"];
    let told = usage_error(&[&["prune", &model, "--out", &out][..], &planes].concat());
    assert!(told.contains("rule (bit-planes): an ONNX model has no place for the steps"), "{told}");
    let told = usage_error(&["prune", &model, "--out", &out, "--compensate", "--model", "vgg-small"]);
    assert!(told.contains("ONNX models are pruned by their weights alone"), "{told}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a folder")).expect("makes");
    fs::copy(from, to).expect("copies");
}

#[test]
fn weights_beside_a_model_stay_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = repository().join("tests/onnx/fixtures/external");
    let there = |name: &str| folder.path().join(name);
    let text = |name: &str| there(name).display().to_string();
    copy(&source.join("small_vgg.onnx"), &there("small_vgg.onnx"));
    let told = failure(&["analyze", &text("small_vgg.onnx")]);
    assert!(told.contains("its weights are missing (weights/small_vgg.bin)"), "{told}");
    copy(&source.join("weights/small_vgg.bin"), &there("weights/small_vgg.bin"));
    json_output(&["analyze", &text("small_vgg.onnx"), "--json"]);
    let told = usage_error(&["prune", &text("small_vgg.onnx"), "--out", &text("pruned.onnx")]);
    assert!(told.contains("would overwrite the original's weights"), "{told}");
    fs::create_dir(there("pruned")).expect("makes");
    json_output(&[
        "prune",
        &text("small_vgg.onnx"),
        "--out",
        &text("pruned/small.onnx"),
        "--tol",
        "0.1",
        "--json",
    ]);
    let analysis = json_output(&["analyze", &text("pruned/small.onnx"), "--json"]);
    assert!(analysis["zeros"].as_u64().expect("a number") > 0);
    assert_eq!(
        fs::read(there("pruned/small.onnx")).expect("reads"),
        fs::read(there("small_vgg.onnx")).expect("reads")
    );
    #[cfg(unix)]
    {
        // A link that leads out of the folder is outside.
        copy(&source.join("weights/small_vgg.bin"), &there("outside.bin"));
        copy(&source.join("small_vgg.onnx"), &there("linked/small_vgg.onnx"));
        fs::create_dir(there("linked/weights")).expect("makes");
        std::os::unix::fs::symlink(there("outside.bin"), there("linked/weights/small_vgg.bin"))
            .expect("links");
        let told = failure(&["analyze", &text("linked/small_vgg.onnx")]);
        assert!(told.contains("its weights are outside its folder"), "{told}");
    }
}

#[test]
fn models_run_on_images_with_and_without_crossbars() {
    let (weights, model) = (fixture("small_vgg.torchscript.onnx"), ["--data", "builtin", "--json"]);
    let evaluated = json_output(&[&["evaluate", &weights], &model[..]].concat());
    let predicted = json_output(&[&["predict", &weights, "--range", "0..3"], &model[..]].concat());
    assert!(evaluated["images"].as_u64().expect("a number") > 100);
    let first = &predicted["predictions"][0];
    assert_eq!(first["logits"].as_array().expect("a list").len(), 10);
    // The same network by its state dict gives the same.
    let state = crossdub::onnx::OnnxModel::from_bytes(fs::read(&weights).expect("reads"), |_| unreachable!());
    let network = state.and_then(|model| model.network(&[])).expect("fits");
    assert_eq!(network.layers()[3].name, "classifier.3.weight");
    let simulation =
        ["--images", "2", "--tile", "32", "--resolution", "lossless", "--linear", "--calibration", "4"];
    let simulated = json_output(&[&["simulate", &weights], &simulation[..], &model[..]].concat());
    assert_eq!(
        (&simulated["exact"], simulated["layers"].as_array().expect("a list").len()),
        (&true.into(), 4)
    );
    assert!(simulated["conversions"].as_u64().expect("a number") > 0);
    let quantized = fixture("small_vgg.qdq.onnx");
    let simulated = json_output(&[&["simulate", &quantized], &simulation[..], &model[..]].concat());
    assert_eq!(simulated["exact"], true);
    assert_eq!(simulated["quantized_accuracy"], simulated["digital_accuracy"]);
}

#[test]
fn open_shapes_are_asked_for() {
    let model = fixture("open_shape.onnx");
    let told = usage_error(&["analyze", &model]);
    assert!(
        told.trim_end().ends_with("give one; --input-shape takes the sizes, such as 1x3x224x224"),
        "{told}"
    );
    let per_inference = ["--input-shape", "1x3x64x48", "--per-inference", "--json"];
    let analysis = json_output(&[&["analyze", &model], &per_inference[..]].concat());
    assert_eq!(analysis["inference"]["positions"], serde_json::json!([64 * 48, 32 * 24]));
}
