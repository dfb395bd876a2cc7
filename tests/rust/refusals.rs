//! What can't be had is refused in one line, by name, and nothing is lost by asking.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crossdub::checkpoint::{Checkpoint, NamedTensor, safetensors};
use serde_json::Value;

use crate::recipes::write_recipe;
use crate::resume::{TINY, losses};

fn crossdub(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
    command.args(arguments).stdin(Stdio::null()).output().expect("runs")
}

/// The one line of a refusal.
fn refusal(arguments: &[&str]) -> String {
    let output = crossdub(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("error: ") && said.matches("error: ").count() == 1, "{said}");
    assert!(!said.contains('\u{1b}'), "no colours where no terminal is: {said}");
    last
}

/// Weights of one layer under this name, all of this value.
fn write_layer(path: &Path, name: &str, value: f32) -> String {
    let tensor = NamedTensor { name: name.to_owned(), shape: vec![4, 4, 3, 3], data: vec![value; 144] };
    std::fs::write(path, safetensors::write(&Checkpoint::new(vec![tensor])).expect("writes"))
        .expect("writes");
    path.display().to_string()
}

#[test]
fn a_run_goes_on_as_it_was_begun_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run").display().to_string();
    let begin =
        [&["train", "--out", &run][..], &TINY, &["--device=cpu", "--limit=512", "--batch=128"]].concat();
    assert!(crossdub(&begin).status.success());
    let resume = |more: &[&'static str]| [&["train", "--out", &run, "--resume"][..], more].concat();
    let said = refusal(&resume(&["--epochs", "6"]));
    assert!(said.contains("epochs (6)") && said.contains("begun with 1"), "{said}");
    assert!(refusal(&resume(&["--seed", "9"])).contains("seed (9)"));
    assert!(refusal(&resume(&["--weights", "other.pth"])).contains("weights_path"));
    // The same again, or other devices, is no change.
    let again = resume(&[&TINY[..], &["--limit=512", "--batch=128", "--device=auto"]].concat());
    assert!(crossdub(&again).status.success());
}

#[test]
fn a_diverged_run_keeps_the_curve_that_explains_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let out = run.display().to_string();
    let rate = ["--learning-rate=900", "--device=cpu", "--batch=128", "--epochs=3"];
    let plan = ["--plan=4 M 8 M 8 M", "--classifier=16", "--data=builtin"];
    assert!(refusal(&[&["train", "--out", &out][..], &plan, &rate].concat()).contains("diverged"));
    assert!(!losses(&run).is_empty());
}

#[test]
fn numbers_beyond_32_bit_floats_are_no_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = write_layer(&folder.path().join("huge.safetensors"), "conv", 3e38);
    let gradient = folder.path().join("gradient.safetensors");
    let arguments = [
        "regularize",
        &weights,
        "--kind",
        "gated",
        "--lambda",
        "1",
        "--grad",
        &gradient.display().to_string(),
    ];
    assert!(refusal(&arguments).contains("conv"));
    assert!(!gradient.exists());
}

#[test]
fn two_outputs_are_never_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = write_layer(&folder.path().join("w.safetensors"), "conv", 1.0);
    let out = folder.path().join("out.safetensors").display().to_string();
    let same = folder.path().join(".").join("out.safetensors").display().to_string();
    assert!(refusal(&["prune", &weights, "--out", &out, "--masks", &same]).contains("masks"));
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_stranger_s_name_moves_no_cursor() {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = write_layer(&folder.path().join("w.safetensors"), "a\u{1b}[31m\nred\u{202e}", 1.0);
    let output = crossdub(&["analyze", &weights]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("a\\u{1b}[31m\\u{a}red\\u{202e}"), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{said}");
}

#[test]
fn energies_beyond_a_model_s_range_are_marked() {
    let histogram = ["energy", "--histogram", "1,2,3,4,5,6,7", "--tile", "32", "--adc", "accelergy"];
    let marked = |more: &[&str]| -> (Value, String) {
        let text = crossdub(&[&histogram[..], more].concat()).stdout;
        let json = crossdub(&[&histogram[..], more, &["--json"]].concat()).stdout;
        (
            serde_json::from_slice::<Value>(&json).expect("JSON")["extrapolated"].clone(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let (beyond, said) = marked(&["--extrapolate"]);
    assert!(beyond == Value::Bool(true) && said.contains("extrapolated"), "{said}");
    let (within, said) = marked(&["--resolution", "8"]);
    assert!(within == Value::Bool(false) && !said.contains("extrapolated"), "{said}");
}

#[test]
fn a_sweep_goes_on_past_a_target_out_of_reach() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = write_recipe(folder.path()).display().to_string();
    let out = folder.path().join("sweep").display().to_string();
    let values = ["--set", "prune.rule=budget", "--set", "prune.target=5000,1.5"];
    let arguments = [&["sweep", &recipe, "--out", &out, "--json", "--resume"][..], &values].concat();
    let output = crossdub(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let states: Vec<_> = answer["runs"].as_array().expect("runs").iter().map(|run| &run["state"]).collect();
    assert_eq!(states, ["failed", "done"]);
    // A file that a stage starts from is missed before anything is trained.
    let missing = ["sweep", &recipe, "--out", &out, "--set", "finetune.weights=nowhere.pth", "--json"];
    assert!(refusal(&missing).contains("nowhere.pth"));
}
