//! Checkpoints as users bring them, and the right value of each: the files of `cases` in the shared
//! data, whose README gives the values. Files of the same kinds are made by hand in
//! `crate/src/checkpoint/tests.rs`.

use std::path::Path;

use serde_json::Value;

use crate::command_line::{failure, json_output, standard_error};
use crate::shared::shared;

/// The analysis of a case; `None`, with a line that says so, without the shared data.
fn analysis(case: &str, options: &[&str]) -> Option<Value> {
    let path = shared(&format!("cases/{case}"))?.display().to_string();
    Some(json_output(&[&["analyze", &path, "--json"], options].concat()))
}

/// The layers' names.
fn names(analysis: &Value) -> Vec<&str> {
    let layers = analysis["layers"].as_array().expect("layers").iter();
    layers.map(|layer| layer["name"].as_str().expect("a name")).collect()
}

/// Why a tensor was left out; empty if it was not.
fn why<'a>(analysis: &'a Value, name: &str) -> &'a str {
    let left_out = analysis["checkpoint"]["left_out"].as_array().expect("a list");
    let found = left_out.iter().find(|tensor| tensor["name"] == name);
    found.and_then(|tensor| tensor["why"].as_str()).unwrap_or_default()
}

fn notes(analysis: &Value) -> String {
    let notes = analysis["checkpoint"]["notes"].as_array().expect("a list").iter();
    notes.filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

/// The same figures, whatever the files are called.
fn same_figures(one: &Value, other: &Value) {
    let mut both = [one.clone(), other.clone()];
    for analysis in &mut both {
        analysis.as_object_mut().expect("an object").remove("checkpoint");
    }
    assert_eq!(both[0], both[1]);
}

#[test]
fn a_training_checkpoint_is_recognized_by_its_content() {
    let Some(analysis) = analysis("01_model_best.pth.tar", &[]) else { return };
    assert_eq!((names(&analysis).len(), analysis["weights"].as_u64()), (3, Some(93_024)));
    assert_eq!(analysis["checkpoint"]["format"], "pytorch");
    assert_eq!(analysis["checkpoint"]["network"], "state_dict");
    assert_eq!(analysis["checkpoint"]["taken"].as_array().map(Vec::len), Some(3));
    assert!(notes(&analysis).contains("optimizer"), "{}", notes(&analysis));
}

#[test]
fn pruning_masks_count_once() {
    let (Some(masked), Some(removed)) =
        (analysis("02_pruned_masked.pth", &[]), analysis("02_pruned_removed.pth", &[]))
    else {
        return;
    };
    same_figures(&masked, &removed);
    assert_eq!(names(&masked).len(), 3);
    let zero = masked["zeros"].as_f64().expect("zeros") / masked["weights"].as_f64().expect("weights");
    assert!((zero - 0.8).abs() < 5e-5, "{zero}");
}

#[test]
fn names_of_other_projects_load() {
    let Some(unnumbered) = shared("cases/03_ckpt.pth") else { return };
    let unnumbered = unnumbered.display().to_string();
    let plan = ["--plan", "16 M 32 M 64 M 64 M 64 M", "--batch-norm", "--data", "builtin", "--json"];
    let evaluation = json_output(&[&["evaluate", &unnumbered], &plan[..]].concat());
    assert!(evaluation["accuracy"].is_number());
    let prefixed = shared("cases/04_prefix_only.pth").expect("there").display().to_string();
    let evaluation =
        json_output(&["evaluate", &prefixed, "--model", "vgg-small", "--data", "builtin", "--json"]);
    assert!(evaluation["accuracy"].is_number());
    let said = failure(&["evaluate", &prefixed, "--model", "vgg11", "--data", "builtin"]);
    assert!(said.contains("the nearest name in the file is "), "{said}");
}

#[test]
fn fully_connected_layers_are_left_out_with_a_reason() {
    let Some(vit) = analysis("08_vit.safetensors", &["--tile", "64"]) else { return };
    assert_eq!(names(&vit), ["patch_embed.proj.weight"]);
    let left_out = vit["checkpoint"]["left_out"].as_array().expect("a list").iter();
    assert_eq!(left_out.filter(|tensor| tensor["why"] == "fully connected").count(), 17);
    assert!(why(&vit, "pos_embed").contains("not a layer"));
    let path = shared("cases/08_vit.safetensors").expect("there").display().to_string();
    let said = standard_error(&["analyze", &path, "--tile", "64"]);
    assert!(said.contains("left out: 17 fully connected; --linear maps them"), "{said}");
}

#[test]
fn depthwise_layers_are_seen_in_any_order() {
    let Some(mobilenet) = analysis("09_timm_mobilenet.safetensors", &["--tile", "32"]) else { return };
    let depthwise: Vec<_> = mobilenet["layers"]
        .as_array()
        .expect("layers")
        .iter()
        .filter(|layer| layer["name"].as_str().is_some_and(|name| name.contains("conv_dw")))
        .map(|layer| (layer["tiles"].as_u64(), layer["inputs"].as_u64(), layer["groups"].as_u64()))
        .collect();
    assert_eq!(depthwise, [(Some(16), Some(9), Some(16)), (Some(48), Some(9), Some(48))]);
    assert_eq!(names(&mobilenet)[0], "conv_stem.weight", "the order of the file");
}

#[test]
fn quantized_layers_are_numbers_and_are_written() {
    let Some(quantized) = analysis("10_partly_quantized.pth", &["--per-inference"]) else { return };
    assert_eq!(names(&quantized), ["conv1.weight", "conv2.weight", "conv3.weight"]);
    assert!(notes(&quantized).contains("integers"), "{}", notes(&quantized));
    assert!(why(&quantized, "conv3.scale").contains("scale"));
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("pruned.safetensors").display().to_string();
    let path = shared("cases/10_partly_quantized.pth").expect("there").display().to_string();
    let pruned = json_output(&["prune", &path, "--out", &out, "--ratios", "50,50,50", "--json"]);
    let again = json_output(&["analyze", &out, "--json"]);
    assert_eq!(names(&again), names(&quantized));
    assert_eq!(again["zeros"], pruned["zeros"]);
}

#[test]
fn small_floats_are_numbers_by_their_scales() {
    let Some(mixed) = analysis("11_fp8_mixed.safetensors", &[]) else { return };
    assert_eq!(names(&mixed), ["conv1.weight", "layers.0.weight", "layers.1.weight", "layers.2.weight"]);
    assert!(why(&mixed, "layers.0.weight_scale").contains("scale"));
}

#[test]
fn shards_are_one_network() {
    let Some(folder) = analysis("12_sharded", &[]) else { return };
    assert_eq!(names(&folder), ["conv1.weight", "conv2.weight", "conv3.weight"]);
    let index = analysis("12_sharded/model.safetensors.index.json", &[]).expect("there");
    same_figures(&folder, &index);
    let lone = analysis("12_sharded/model-00001-of-00002.safetensors", &[]).expect("there");
    assert_eq!(names(&lone).len(), 2);
    assert!(notes(&lone).contains("one of two"), "{}", notes(&lone));
}

#[test]
fn other_formats_are_named() {
    for (case, word) in [("13_lfs_pointer.safetensors", "Git LFS pointer"), ("13_web_page.pth", "web page")] {
        let Some(path) = shared(&format!("cases/{case}")) else { return };
        let said = failure(&["analyze", &path.display().to_string()]);
        assert!(said.contains(word), "{said}");
    }
    // Whether or not this build reads it, the broken model is named as such.
    let onnx = shared("cases/13_onnx.pth").expect("there").display().to_string();
    assert!(failure(&["analyze", &onnx]).contains("ONNX"));
}

#[test]
fn counters_of_batches_may_be_floats() {
    let Some(path) = shared("cases/16_float_counters.safetensors") else { return };
    let path = path.display().to_string();
    let network = ["--plan", "8 M 8 M", "--batch-norm", "--data", "builtin", "--json"];
    assert!(json_output(&[&["evaluate", &path], &network[..]].concat())["accuracy"].is_number());
    let simulated = json_output(&[&["simulate", &path, "--images", "5"], &network[..]].concat());
    assert_eq!(simulated["images"].as_u64(), Some(5));
}

#[test]
fn an_unpruned_network_saves_nothing() {
    let options = ["--tile", "64", "--per-inference", "--positions", "1024,1024,1024", "--adc", "all"];
    let Some(narrow) = analysis("17_dense_narrow.safetensors", &options) else { return };
    for model in ["paper", "lossless"] {
        assert_eq!(narrow["energy"][model]["improvement"].as_f64(), Some(1.0), "{model}");
    }
    let table = narrow["inference"]["table"].as_array().expect("a table");
    let mut mapping = Vec::new();
    for row in table {
        for count in ["per_tile", "per_inference"] {
            assert_eq!(row[count]["improvement"].as_f64(), Some(1.0), "{row}");
        }
        mapping.extend(row["mapping_per_inference"]["improvement"].as_f64());
    }
    assert!(mapping.iter().any(|&ratio| ratio > 1.2), "what the mapping leaves empty: {mapping:?}");
}

#[test]
fn transposed_and_one_dimensional_convolutions_are_layers() {
    let Some(unet) = analysis("23_unet_transposed.safetensors", &["--transposed", "up.weight"]) else {
        return;
    };
    let up = &unet["layers"][2];
    assert_eq!((up["outputs"].as_u64(), up["inputs"].as_u64()), (Some(16), Some(1024)));
    let unsaid = analysis("23_unet_transposed.safetensors", &[]).expect("there");
    assert!(notes(&unsaid).contains("up.weight may be a transposed convolution"), "{}", notes(&unsaid));
    let keyword = analysis("23_conv1d_keyword.safetensors", &[]).expect("there");
    assert_eq!(names(&keyword), ["conv1.weight", "conv2.weight"]);
}

#[test]
fn weight_normalization_gives_the_plain_weights() {
    let (Some(parts), Some(plain)) = (analysis("24_weight_norm.pth", &[]), analysis("24_plain.pth", &[]))
    else {
        return;
    };
    same_figures(&parts, &plain);
    assert_eq!((names(&parts).len(), parts["almost_zeros"].as_u64()), (2, Some(4830)));
}

#[test]
fn one_of_several_networks_is_taken() {
    let Some(first) = analysis("25_student_teacher.pth", &[]) else { return };
    assert_eq!(names(&first).len(), 2);
    let taken = first["checkpoint"]["network"].as_str().expect("a name");
    let other = if taken == "teacher" { "student" } else { "teacher" };
    assert!(notes(&first).contains(taken), "{}", notes(&first));
    let second = analysis("25_student_teacher.pth", &["--network", other]).expect("there");
    assert_eq!((names(&second).len(), second["checkpoint"]["network"].as_str()), (2, Some(other)));
    assert_eq!((first["almost_zeros"].as_u64(), second["almost_zeros"].as_u64()), (Some(50), Some(45)));
}

#[test]
fn an_analog_tile_counts_once() {
    let Some(analog) = analysis("31_aihwkit.pth", &["--linear"]) else { return };
    assert_eq!(analog["weights"].as_u64(), Some(16 * 27 + 32 * 144 + 10 * 800));
    assert_eq!(names(&analog).len(), 3);
}

#[test]
fn a_pickled_average_is_the_network() {
    let Some(yolo) = analysis("36_yolo_last.pt", &[]) else { return };
    assert_eq!(names(&yolo).len(), 2);
    assert_eq!(yolo["checkpoint"]["network"], "ema");
}

#[test]
fn tied_tensors_count_once() {
    let Some(tied) = analysis("38_tied.pt", &["--linear"]) else { return };
    assert_eq!(names(&tied), ["head.weight", "conv.weight"]);
    assert!(why(&tied, "emb.weight").contains("embedding") && notes(&tied).contains("tied"));
}

/// Ten thousand mutated inputs, each in a process of its own, when `CROSSDUB_MUTATE` says how many.
#[test]
fn mutated_checkpoints_end_in_one_line() {
    let Some(count) = std::env::var("CROSSDUB_MUTATE").ok().and_then(|count| count.parse::<usize>().ok())
    else {
        eprintln!("skipped: set CROSSDUB_MUTATE to the number of mutated files to try");
        return;
    };
    let seeds: Vec<_> = [
        "02_pruned_masked.pth",
        "08_vit.safetensors",
        "10_partly_quantized.pth",
        "11_fp8_mixed.safetensors",
        "12_sharded/model.safetensors.index.json",
        "24_weight_norm.pth",
        "25_student_teacher.pth",
        "31_aihwkit.pth",
        "36_yolo_last.pt",
        "38_tied.pt",
    ]
    .iter()
    .filter_map(|case| std::fs::read(shared(&format!("cases/{case}"))?).ok())
    .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mutated");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for at in 0..count {
        let mut bytes = seeds[at % seeds.len()].clone();
        for _ in 0..=random() % 4 {
            // Headers and pickles are where the structure is.
            let place = if random() % 4 == 0 { random() } else { random() % 4096 } % bytes.len();
            match random() % 4 {
                0 => bytes.truncate(place.max(1)),
                1 => bytes[place] = random() as u8,
                2 => bytes[place] ^= 1 << (random() % 8),
                _ => {
                    let from = random() % bytes.len();
                    let piece = bytes[from..(from + 8).min(bytes.len())].to_vec();
                    bytes.splice(place..place, piece);
                }
            }
        }
        check_one_line(&path, &bytes);
    }
}

fn check_one_line(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("writes");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_crossdub"))
        .args(["analyze", &path.display().to_string(), "--linear", "--json"])
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok()),
        Some(1) => assert!(said.starts_with("error: ") && said.lines().count() == 1, "{said}"),
        other => panic!("{other:?}: {said}"),
    }
}
