//! The binary as a user runs it: exit codes, one-line errors, JSON fields, complete files.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crossdub::checkpoint::{Checkpoint, safetensors};
use crossdub::config::{ClassifierWidths, TrainConfig};
use crossdub::network::NetworkSpec;
use crossdub::network::spec::initialize;
use serde_json::Value;

use crate::shared::{json, repository, shared};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crossdub")).args(arguments).stdin(Stdio::null()).output().expect("runs")
}

/// The JSON object that a command prints.
pub fn json_output(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("exactly one JSON object")
}

/// What a command that succeeds prints on stderr.
pub fn standard_error(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stderr).expect("text")
}

/// The error line of a command that exits with this code and prints nothing else.
fn error_line(code: i32, arguments: &[&str]) -> String {
    let output = run(arguments);
    let line = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {line}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert!(line.starts_with("error: ") && line.trim_end().lines().count() == 1, "{arguments:?}: {line}");
    line
}

/// The error line of a command that fails.
pub fn failure(arguments: &[&str]) -> String {
    error_line(1, arguments)
}

/// The error line of a command with an invalid option value.
pub fn usage_error(arguments: &[&str]) -> String {
    error_line(2, arguments)
}

/// The small checkpoint of the golden tests.
pub fn golden_weights() -> String {
    repository().join("tests/golden/small_t16_ratio.weights.safetensors").display().to_string()
}

#[test]
fn analyze_prints_the_documented_fields() {
    let analysis = json_output(&["analyze", &golden_weights(), "--tile", "16", "--json"]);
    for field in [
        "schema_version",
        "tile",
        "weight_bits",
        "tol",
        "weights",
        "zeros",
        "almost_zeros",
        "tiles",
        "histogram",
        "almost_zero_histogram",
        "layers",
        "energy",
    ] {
        assert!(!analysis[field].is_null(), "{field}");
    }
    for field in [
        "name",
        "outputs",
        "inputs",
        "tiles",
        "weights",
        "zeros",
        "histogram",
        "almost_zero_histogram",
        "tile_sparsity",
        "tile_almost_zero_sparsity",
    ] {
        assert!(!analysis["layers"][0][field].is_null(), "{field}");
    }
    for model in ["paper", "lossless"] {
        assert_eq!(analysis["energy"][model]["improvement"].as_f64(), Some(1.0), "{model}");
    }
    assert_eq!((analysis["tiles"].as_u64(), analysis["weights"].as_u64()), (Some(58), Some(14_688)));
    assert!(run(&["analyze", &golden_weights()]).status.success(), "plain text");
}

#[test]
fn energy_reproduces_the_paper_s_headline() {
    let energy =
        json_output(&["energy", "--histogram", "61,646,827,86,767,5481,1134", "--tile", "32", "--json"]);
    assert_eq!((energy["adc"].as_str(), energy["dense"].as_f64()), (Some("paper"), Some(45_010.0)));
    assert!((energy["improvement"].as_f64().expect("a ratio") - 7.134).abs() < 1e-3);
    let nothing = json_output(&["energy", "--histogram", "0,0,0,7", "--tile", "4", "--json"]);
    assert!(nothing["improvement"].is_null() && nothing["actual"] == 0.0);
    usage_error(&["energy", "--histogram", "1,2", "--tile", "32"]);
    usage_error(&["energy", "--histogram", "1,2,3", "--tile", "1"]);
    usage_error(&["energy", "--histogram", "0,0,0,7", "--tile", "4", "--adc", "none"]);
}

#[test]
fn regularize_writes_gradients_under_the_weights_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let gradient = folder.path().join("gradient.safetensors");
    let weights = golden_weights();
    let common = ["regularize", &weights, "--tile", "16", "--lambda", "1e-3"];
    let path = gradient.display().to_string();
    let output = json_output(&[&common[..], &["--kind", "gated", "--grad", &path, "--json"]].concat());
    let cases = json(&repository().join("tests/golden/cases.json"));
    let golden = cases[0]["loss_gated"].as_f64().expect("a number");
    assert!((output["loss"].as_f64().expect("a loss") / golden - 1.0).abs() < 1e-5);
    assert_eq!((output["kind"].as_str(), output["tiles"].as_u64()), (Some("gated"), Some(58)));
    let names: Vec<_> = crate::shared::weights(&gradient).tensors.into_iter().map(|t| t.name).collect();
    let expected: Vec<_> =
        crate::shared::weights(Path::new(&weights)).tensors.into_iter().map(|t| t.name).collect();
    assert_eq!(names, expected);
    usage_error(&[&common[..], &["--kind", "gatd"]].concat());
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in
        [&["analyze"][..], &["train", "--data", "builtin"], &["energy", "--tile", "x"], &["nothing"]]
    {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert!(!run(&["completions", "bash"]).stdout.is_empty());
}

#[test]
fn invalid_values_of_fields_give_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run").display().to_string();
    let train = ["train", "--data", "builtin", "--out", &out];
    for (option, value, message) in [
        ("--model", "vgg12", "invalid model (vgg12): must be one of vgg-small, vgg-small_bn, vgg11,"),
        ("--plan", "8 M M", "invalid plan (8 M M): has two poolings in a row"),
        ("--regularizer", "l1", "invalid regularizer (l1): must be one of none, gated, ungated,"),
        ("--trainable", "none", "invalid trainable (none): must be all or convolutions"),
        ("--precision", "f16", "invalid precision (f16): must be f32 or bf16"),
        ("--device", "gpu", "invalid device (gpu): must be one of auto, cpu,"),
        ("--devices", "cpu,,cpu", "invalid device (): must be one of auto, cpu,"),
        ("--tile", "64x0", "invalid tile (64x0): must be rows, or rows and columns as in 128x64"),
        ("--epochs", "0", "invalid epochs (0): must be 1 to 100000"),
        ("--momentum", "1", "invalid momentum (1): must be 0 to below 1"),
    ] {
        let line = usage_error(&[&train[..], &[option, value]].concat());
        assert!(line.starts_with(&format!("error: {message}")), "{line}");
    }
    // clap itself explains what is not a number.
    assert_eq!(run(&[&train[..], &["--epochs", "few"]].concat()).status.code(), Some(2));
}

#[test]
fn bad_files_give_one_error_line_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("writes");
        path.display().to_string()
    };
    let whole = std::fs::read(golden_weights()).expect("reads");
    assert!(
        failure(&["analyze", &file("cut.safetensors", &whole[..whole.len() / 2])])
            .contains("cut.safetensors")
    );
    failure(&["analyze", &file("empty.pth", b"")]);
    failure(&["analyze", &file("text.pth", b"not a checkpoint")]);
    failure(&["analyze", "/nowhere/weights.pth"]);
    usage_error(&["analyze", &golden_weights(), "--tile", "16", "--weight-bits", "5"]);
    failure(&["data", "info", &file("data_batch_1.bin", &[0; 3072])]);
    failure(&["data", "info", &file("cifar-10-binary.tar.gz", &[31, 139, 8, 0, 0])]);
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).expect("makes");
    failure(&["data", "info", &empty.display().to_string()]);
    let out = folder.path().join("run").display().to_string();
    assert!(usage_error(&["train", "--data", "builtin", "--out", &out, "--plan", "M"]).contains("plan"));
    assert!(!Path::new(&out).join("config.toml").exists(), "a run that could not start can be started again");
    failure(&["evaluate", &golden_weights(), "--model", "vgg-small", "--data", "builtin"]);
}

#[test]
fn predict_and_data_read_cifar10() {
    let (Some(data), Some(weights)) =
        (shared("data/cifar-10-batches-bin"), shared("golden/models/vgg_small_dub.pth"))
    else {
        return;
    };
    let (data, weights) = (data.display().to_string(), weights.display().to_string());
    let info = json_output(&["data", "info", &data, "--json"]);
    assert_eq!(
        (info["train"]["images"].as_u64(), info["test"]["images"].as_u64()),
        (Some(50_000), Some(1_000))
    );
    let output = json_output(&[
        "predict",
        &weights,
        "--model",
        "vgg-small",
        "--data",
        &data,
        "--range",
        "0..8",
        "--json",
    ]);
    let predictions = output["predictions"].as_array().expect("a list");
    assert_eq!(predictions.len(), 8);
    assert_eq!(predictions[0]["label"].as_u64(), Some(3), "the first official test image is a cat");
    let right = predictions.iter().filter(|p| p["label"] == p["top"][0]["class"]).count();
    assert!(right >= 5, "{right} of 8 by a network of 82 %");
    assert_eq!(predictions[0]["logits"].as_array().map(Vec::len), Some(10));
    usage_error(&["predict", &weights, "--model", "vgg-small", "--data", &data, "--range", "0..2000"]);
}

#[test]
fn prune_writes_all_tensors_and_reports_what_it_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (weights, out, masks) = (golden_weights(), path("pruned.safetensors"), path("masks.safetensors"));
    let common = ["prune", &weights, "--tile", "16", "--ratios", "30,85", "--out", &out];
    let output = json_output(&[&common[..], &["--rule", "paper", "--masks", &masks, "--json"]].concat());
    let golden = &json(&repository().join("tests/golden/cases.json"))[0];
    for (field, expected) in [("zeros", "zeros_after"), ("histogram", "hist_after"), ("weights", "weights")] {
        assert_eq!(output[field], golden[expected], "{field}");
    }
    assert_eq!(
        output["forced"].as_u64().expect("a count") + output["loosened"].as_u64().expect("a count"),
        58
    );
    let (pruned, masks) =
        (crate::shared::weights(Path::new(&out)), crate::shared::weights(Path::new(&masks)));
    for (tensor, mask) in pruned.tensors.iter().zip(&masks.tensors) {
        assert!(
            tensor.data.iter().zip(&mask.data).all(|(w, m)| (*w == 0.0) == (*m == 0.0)),
            "{}",
            tensor.name
        );
    }
    usage_error(&["prune", &weights, "--tile", "16", "--ratios", "30", "--out", &path("none.safetensors")]);
    assert!(!folder.path().join("none.safetensors").exists());
}

/// Weights of a small network, in a folder of their own.
pub fn small_network() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = TrainConfig {
        plan: "4 M 6 M".parse().expect("a plan"),
        classifier: ClassifierWidths::default(),
        ..TrainConfig::default()
    };
    let weights = initialize(&NetworkSpec::from_config(&spec, 10).expect("valid"), 1);
    let path = folder.path().join("w.safetensors");
    std::fs::write(&path, safetensors::write(&weights).expect("writes")).expect("writes");
    (folder, path.display().to_string())
}

const SMALL: [&str; 6] = ["--plan", "4 M 6 M", "--data", "builtin", "--tile", "8"];

#[test]
fn simulate_prints_the_documented_fields() {
    let (_folder, weights) = small_network();
    let with =
        |more: &[&str]| json_output(&[&["simulate", &weights][..], &SMALL, more, &["--json"]].concat());
    let report = with(&["--resolution", "lossless-sliced", "--range", "2..8"]);
    assert_eq!((report["images"].as_u64(), report["exact"].as_bool()), (Some(6), Some(true)));
    assert_eq!(report["mismatched_outputs"].as_u64(), Some(0));
    assert_eq!(report["saturated_conversions"].as_u64(), Some(0));
    assert!(report["conversions"].as_u64() > Some(0));
    for field in ["accuracy", "digital_accuracy", "quantized_accuracy"] {
        assert!(report[field].as_f64().is_some_and(|percent| (0.0..=100.0).contains(&percent)), "{field}");
    }
    for field in [
        "name",
        "conversions",
        "saturated_conversions",
        "mismatched_outputs",
        "clipped_activations",
        "saturated_by_tile",
    ] {
        assert!(!report["layers"][0][field].is_null(), "{field}");
    }
    // The energy per inference counts the same conversions with separate code.
    let plan = &SMALL[..2];
    let inference = ["--tile", "8", "--per-inference", "--resolution", "lossless-sliced", "--per", "tile"];
    let analysis =
        json_output(&[&["analyze", &weights][..], plan, &inference, &["--adc", "paper", "--json"]].concat());
    let counted = analysis["inference"]["table"][0]["conversions"]["actual"].as_u64();
    assert_eq!(report["conversions"].as_u64(), counted.map(|count| 6 * count));
    let paper = with(&["--resolution", "1", "--images", "3"]);
    assert_eq!(paper["exact"].as_bool(), Some(false));
    let seeds = with(&["--resolution", "lossless", "--images", "3", "--read-noise", "0.3", "--seeds", "3"]);
    assert_eq!(seeds["seeds"]["accuracies"].as_array().map(Vec::len), Some(3));
    let text =
        run(&[&["simulate", &weights][..], &SMALL, &["--images", "2", "--subtraction", "offset"]].concat());
    assert!(String::from_utf8_lossy(&text.stdout).contains("pruning saves nothing"));
}

#[test]
fn simulate_names_invalid_options() {
    let (folder, weights) = small_network();
    let rejected = |more: &[&str]| usage_error(&[&["simulate", &weights][..], &SMALL, more].concat());
    assert!(rejected(&["--input-bits", "17"]).contains("input_bits (17)"));
    assert!(rejected(&["--cell-bits", "8"]).contains("cell_bits (8)"));
    assert!(rejected(&["--active-rows", "9"]).contains("active_rows (9)"));
    assert!(rejected(&["--read-noise", "-1"]).contains("read_noise (-1)"));
    assert!(rejected(&["--calibration", "0"]).contains("calibration (0)"));
    assert!(rejected(&["--images", "1000000"]).contains("images"));
    assert!(rejected(&["--range", "5..2"]).contains("range (5..2)"));
    let wrong = run(&[&["simulate", &weights][..], &SMALL, &["--resolution", "17"]].concat());
    assert_eq!(wrong.status.code(), Some(2));
    let resnet = failure(&["simulate", &weights, "--plan", "basic 1x4", "--data", "builtin"]);
    assert!(resnet.contains("conv1.weight is missing"), "{resnet}");
    let mut broken = Checkpoint::from_bytes(&std::fs::read(&weights).expect("readable")).expect("weights");
    broken.tensors[1].data[0] = f32::NAN;
    let path = folder.path().join("nan.safetensors");
    std::fs::write(&path, safetensors::write(&broken).expect("writes")).expect("writes");
    let path = path.display().to_string();
    let nan = failure(&[&["simulate", &path][..], &SMALL].concat());
    assert!(nan.contains("NaN") && nan.contains(&broken.tensors[1].name), "{nan}");
}

#[test]
fn a_budget_is_met_or_rejected_with_the_nearest() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("pruned.safetensors").display().to_string();
    let weights = golden_weights();
    let common = ["prune", &weights, "--tile", "16", "--rule", "budget", "--out", &out];
    let pruned = |more: &[&str]| json_output(&[&common[..], more, &["--json"]].concat());
    for (adc, target) in [("paper", "2.5"), ("lossless", "1.8")] {
        let output = pruned(&["--target", target, "--adc", adc]);
        let reached = output["energy"][adc]["improvement"].as_f64().expect("a ratio");
        let target: f64 = target.parse().expect("a number");
        assert!((target..1.1 * target).contains(&reached), "{adc}: {reached} for {target}");
        assert_eq!(output["rule"], "budget");
    }
    let physical = pruned(&["--target", "1.2", "--adc", "puma"]);
    let lossless = pruned(&["--target", "1.2", "--adc", "lossless"]);
    assert_eq!(physical["histogram"], lossless["histogram"], "PUMA's energy is linear in bits");
    let rejected = |more: &[&str]| usage_error(&[&common[..], more].concat());
    assert!(rejected(&["--target", "1e6", "--adc", "lossless"]).contains("at most"));
    assert!(rejected(&["--target", "0.5"]).contains("1 or more"));
    assert!(rejected(&["--target", "2", "--adc", "magic"]).contains("must be one of"));
    assert!(rejected(&["--target", "2", "--weighting", "per-inference"]).contains("--model"));
    assert!(rejected(&["--target", "2", "--weighting", "often"]).contains("per-inference"));
    let network = ["--weighting", "per-inference", "--model", "vgg13"];
    assert!(rejected(&[&["--target", "2"][..], &network].concat()).contains("no convolution"));
    assert!(rejected(&[]).contains("target"));
    assert!(rejected(&["--target", "2", "--importance", "input"]).contains("--data"));
    assert!(rejected(&["--target", "2", "--importance", "luck"]).contains("magnitude"));
    assert!(rejected(&["--target", "2", "--compensate"]).contains("--data"));
}

#[test]
fn the_baselines_prune_the_given_share() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("pruned.safetensors").display().to_string();
    let weights = golden_weights();
    let common = ["prune", &weights, "--tile", "16", "--out", &out, "--json"];
    let magnitude = json_output(&[&common[..], &["--rule", "magnitude", "--ratios", "50,50"]].concat());
    let share =
        magnitude["zeros"].as_f64().expect("a count") / magnitude["weights"].as_f64().expect("a count");
    assert!((share - 0.5).abs() < 1e-3, "{share}");
    let tiles = json_output(&[&common[..], &["--rule", "tiles", "--ratios", "25,50"]].concat());
    assert_eq!(tiles["zeroed_tiles"], tiles["histogram"][5]);
    let zeroed = tiles["zeroed_tiles"].as_f64().expect("a count");
    assert!((0.25 * 58.0..0.5 * 58.0).contains(&zeroed), "{zeroed} of 58");
}
