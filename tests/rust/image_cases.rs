//! Pictures as users bring them (`shared/cases`), each with what is right for it.

use std::process::Command;

use serde_json::Value;

use crate::command_line::json_output;
use crate::shared::{numbers, shared};

/// A case's path; `None` if the shared data is absent.
fn case(name: &str) -> Option<String> {
    shared(&format!("cases/{name}")).map(|path| path.display().to_string())
}

fn info(path: &str) -> Value {
    json_output(&["data", "info", path, "--json"])
}

/// Numbers of classes, training and evaluation images.
fn counts(info: &Value) -> (usize, u64, u64) {
    let images = |part: &str| info[part]["images"].as_u64().expect("a count");
    (info["classes"].as_array().expect("a list").len(), images("train"), images("test"))
}

fn notes(info: &Value) -> String {
    info["notes"].to_string()
}

/// Standard error of a command that succeeds.
fn stderr(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_crossdub")).args(arguments).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

#[test]
fn case_05_numeric_folders_are_in_number_order() {
    let Some(path) = case("05_numeric_folders") else { return };
    let info = info(&path);
    assert_eq!(counts(&info), (12, 0, 24));
    assert_eq!((info["classes"][9].as_str(), info["classes"][10].as_str()), (Some("9"), Some("10")));
    assert!(notes(&info).contains("10 is the class after 9"), "{}", notes(&info));
}

#[test]
fn case_06_tiny_imagenet_is_read() {
    let Some(path) = case("06_tiny_imagenet") else { return };
    let info = info(&path);
    assert_eq!(counts(&info), (3, 12, 4));
    assert_eq!(info["test"]["per_class"].to_string(), "[1,2,1]");
}

#[test]
fn case_07_wordnet_ids_mean_imagenet_s_classes() {
    let (Some(path), Some(weights)) = (case("07_imagenette"), case("07_thousand_classes.safetensors")) else {
        return;
    };
    let network = ["--plan", "8 M 8 M 8 M", "--side", "32", "--data", &path];
    let said = stderr(&[&["evaluate", &weights], &network[..]].concat());
    assert!(said.contains("10 of ImageNet's 1000 classes"), "{said}");
    let predictions = json_output(&[&["predict", &weights], &network[..], &["--json"]].concat());
    let label = |id: &str| {
        let list = predictions["predictions"].as_array().expect("a list");
        let found = list.iter().find(|one| one["image"].as_str().is_some_and(|image| image.starts_with(id)));
        found.and_then(|one| one["label"].as_u64())
    };
    assert_eq!((label("n01440764"), label("n02979186"), label("n03888257")), (Some(0), Some(482), Some(701)));
}

#[test]
fn case_14_cifar_is_recognized_by_its_content() {
    for (name, data, expected) in [
        ("14_cifar-10-binary.tar", "cifar10", (10, 50, 10)),
        ("14_cifar-10-batches-py", "cifar10", (10, 50, 10)),
        ("14_cifar-100-binary", "cifar100", (100, 20, 20)),
    ] {
        let Some(path) = case(name) else { return };
        let info = info(&path);
        assert_eq!((info["data"].as_str(), counts(&info)), (Some(data), expected), "{name}");
    }
}

#[test]
fn case_20_what_cannot_be_read_is_named_and_dot_files_are_no_images() {
    let Some(path) = case("20_real_folder") else { return };
    let info = info(&path);
    assert!(notes(&info).contains("._n01_0.JPEG"), "{}", notes(&info));
    assert!(notes(&info).contains("webp_inside.jpg: it is a WebP picture"), "{}", notes(&info));
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run").display().to_string();
    let network = ["--plan", "8 M 8", "--side", "32", "--batch", "8", "--epochs", "1", "--max-bad", "10"];
    let said = stderr(&[&["train", "--data", &path, "--out", &out], &network[..]].concat());
    let skipped: Vec<&str> = said.lines().filter(|line| line.contains("passed over ")).collect();
    assert_eq!(skipped.len(), 3, "{said}");
    for file in ["webp_inside.jpg", "cut.JPEG", "empty.JPEG"] {
        assert!(skipped.iter().any(|line| line.contains(file)), "{file}: {said}");
    }
}

#[test]
fn case_21_webdataset_shards_of_others() {
    for (name, expected) in [("21_wds_mac", (2, 4, 4)), ("21_wds_json", (2, 4, 0))] {
        let Some(path) = case(name) else { return };
        assert_eq!(counts(&info(&path)), expected, "{name}");
    }
}

#[test]
fn case_22_labels_from_one_are_noticed() {
    let Some(path) = case("22_labels_from_one") else { return };
    let notes = notes(&info(&path));
    assert!(notes.contains("no image is of class 0") && notes.contains("may count from 1"), "{notes}");
}

#[test]
fn case_29_own_pictures_keep_their_names() {
    let Some(path) = case("29_own_pictures") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run").display().to_string();
    let settings = ["--model", "vgg-small", "--side", "32", "--batch", "4", "--epochs", "1"];
    stderr(&[&["train", "--data", &path, "--out", &out], &settings[..]].concat());
    let weights = format!("{out}/weights.safetensors");
    let picture = format!("{path}/val/star/0.png");
    let output = json_output(&["predict", &weights, "--model", "vgg-small", &picture, "--json"]);
    let top = output["predictions"][0]["top"].as_array().expect("a list");
    let mut names: Vec<&str> = top.iter().filter_map(|class| class["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["circle", "square", "star"]);
    // The same input as in the evaluation of the folder.
    let whole = json_output(&["predict", &weights, "--model", "vgg-small", "--data", &path, "--json"]);
    let list = whole["predictions"].as_array().expect("a list");
    let same =
        list.iter().find(|one| one["image"] == "0.png" && one["label"] == 2).expect("the same picture");
    let (whole, alone) = (numbers(&same["logits"]), numbers(&output["predictions"][0]["logits"]));
    assert_eq!(whole.len(), alone.len());
    // Rounding depends on the size of the batch.
    assert!(whole.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-5), "{whole:?} and {alone:?}");
}

#[test]
fn case_39_a_network_trained_on_plain_values_needs_them() {
    let (Some(weights), Some(data)) = (case("39_as_it_is.pth"), shared("data/cifar-10-batches-bin")) else {
        return;
    };
    // The shared test file has a thousand images, so the value of the first two thousand is met only about.
    let accuracy = |standardize: &str| {
        let network = ["evaluate", &weights, "--model", "vgg-small", "--data"];
        let data = data.display().to_string();
        let output = json_output(&[&network[..], &[&data, "--standardize", standardize, "--json"]].concat());
        output["accuracy"].as_f64().expect("a number")
    };
    let (plain, image) = (accuracy("none"), accuracy("image"));
    assert!((plain - 37.0).abs() < 4.0 && (image - 20.0).abs() < 4.0, "{plain} % and {image} %");
}

/// What weights say about standardization is followed, and an option overrules it.
#[test]
fn saved_weights_bring_their_standardization() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run").display().to_string();
    let plan = ["--plan", "8 M 8 M", "--data", "builtin"];
    let settings = ["--standardize", "half", "--epochs", "1", "--limit", "256", "--out", &out];
    stderr(&[&["train"], &plan[..], &settings].concat());
    let weights = format!("{out}/weights.safetensors");
    let bytes = std::fs::read(&weights).expect("readable");
    let metadata = crossdub::checkpoint::safetensors::metadata(&bytes).expect("valid");
    assert_eq!(metadata.get("standardize").map(String::as_str), Some("0.5,0.5,0.5/0.5,0.5,0.5"));
    let loss = |more: &[&str]| {
        let output = json_output(&[&["evaluate", &weights], &plan[..], more, &["--json"]].concat());
        output["loss"].as_f64().expect("a number")
    };
    let followed = loss(&[]);
    assert!((followed - loss(&["--standardize", "half"])).abs() < 1e-12);
    assert!((followed - loss(&["--standardize", "0.5/0.5"])).abs() < 1e-12);
    assert!((followed - loss(&["--standardize", "image"])).abs() > 1e-6);
}
