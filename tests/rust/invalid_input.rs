//! Invalid commands end with one line that names the mistake, and lose nothing.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crossdub::checkpoint::{Checkpoint, NamedTensor, safetensors};
use serde_json::Value;

use crate::recipes::write_recipe;
use crate::resume::{TINY, losses};
use crate::shared::repository;

fn crossdub(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
    command.args(arguments).stdin(Stdio::null()).output().expect("runs")
}

/// A file of the repository.
fn in_repository(path: &str) -> String {
    repository().join(path).display().to_string()
}

/// The error line of a command that exits with this code; a run prints its progress above it.
fn error_line(code: i32, arguments: &[&str]) -> String {
    let output = crossdub(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    let last = text.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("error: ") && text.matches("error: ").count() == 1, "{text}");
    assert!(!text.contains('\u{1b}'), "no colours without a terminal: {text}");
    last
}

/// The error line of a command that fails.
fn failure(arguments: &[&str]) -> String {
    error_line(1, arguments)
}

/// The error line of a command with an invalid option value.
fn usage_error(arguments: &[&str]) -> String {
    error_line(2, arguments)
}

/// Writes a checkpoint of one layer with this name, all weights equal to `value`.
fn write_layer(path: &Path, name: &str, value: f32) -> String {
    let tensor = NamedTensor { name: name.to_owned(), shape: vec![4, 4, 3, 3], data: vec![value; 144] };
    std::fs::write(path, safetensors::write(&Checkpoint::new(vec![tensor])).expect("writes"))
        .expect("writes");
    path.display().to_string()
}

#[test]
fn a_run_resumes_only_with_its_own_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run").display().to_string();
    let begin =
        [&["train", "--out", &run][..], &TINY, &["--device=cpu", "--limit=512", "--batch=128"]].concat();
    assert!(crossdub(&begin).status.success());
    let resume = |more: &[&'static str]| [&["train", "--out", &run, "--resume"][..], more].concat();
    let message = usage_error(&resume(&["--epochs", "6"]));
    assert!(message.contains("epochs (6)") && message.contains("started with 1"), "{message}");
    assert!(usage_error(&resume(&["--seed", "9"])).contains("seed (9)"));
    assert!(usage_error(&resume(&["--weights", "other.pth"])).contains("weights_path"));
    // The same settings, or other devices, are accepted.
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
    assert!(failure(&[&["train", "--out", &out][..], &plan, &rate].concat()).contains("diverged"));
    assert!(!losses(&run).is_empty());
}

#[test]
fn overflow_of_32_bit_floats_is_an_error() {
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
    assert!(failure(&arguments).contains("conv"));
    assert!(!gradient.exists());
}

#[test]
fn two_outputs_are_never_the_same_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = write_layer(&folder.path().join("w.safetensors"), "conv", 1.0);
    let out = folder.path().join("out.safetensors").display().to_string();
    let same = folder.path().join(".").join("out.safetensors").display().to_string();
    assert!(usage_error(&["prune", &weights, "--out", &out, "--masks", &same]).contains("masks"));
    assert!(!Path::new(&out).exists());
}

#[test]
fn control_characters_in_names_are_escaped() {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = write_layer(&folder.path().join("w.safetensors"), "a\u{1b}[31m\nred\u{202e}", 1.0);
    let output = crossdub(&["analyze", &weights]);
    let message = String::from_utf8_lossy(&output.stdout);
    assert!(message.contains("a\\u{1b}[31m\\u{a}red\\u{202e}"), "{message}");
    assert!(!message.contains('\u{1b}') && !message.contains('\u{202e}'), "{message}");
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
    let (beyond, message) = marked(&["--extrapolate"]);
    assert!(beyond == Value::Bool(true) && message.contains("extrapolated"), "{message}");
    let (within, message) = marked(&["--resolution", "8"]);
    assert!(within == Value::Bool(false) && !message.contains("extrapolated"), "{message}");
}

#[test]
fn a_sweep_continues_after_an_unreachable_target() {
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
    // A missing weight file is noticed before anything is trained.
    let missing = ["sweep", &recipe, "--out", &out, "--set", "finetune.weights=nowhere.pth", "--json"];
    assert!(failure(&missing).contains("nowhere.pth"));
}

#[test]
fn a_bad_field_in_a_file_is_not_a_usage_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writes");
        path.display().to_string()
    };
    let good = std::fs::read_to_string(write_recipe(folder.path())).expect("readable");
    let bad = write("bad.toml", &good.replace("tile = 8", "tile = 1"));
    let recipe = write("good.toml", &good);
    let line = failure(&["run", &bad]);
    assert!(line.contains("bad.toml") && line.contains("tile (1)"), "{line}");
    failure(&["sweep", &bad, "--count"]);
    assert!(usage_error(&["run", &recipe, "--set", "tile=1"]).contains("invalid tile (1)"));
    assert!(usage_error(&["sweep", &recipe, "--set", "tile=1,8"]).contains("invalid tile (1)"));
    let list = write("list.txt", "tile=1\n");
    assert!(failure(&["sweep", &recipe, "--list", &list]).contains("list.txt"));
    let config = write("config.toml", "batch = 0\ndata_path = \"builtin\"\n");
    let out = folder.path().join("out").display().to_string();
    let train = ["train", "--config", &config, "--data", "builtin", "--out", &out];
    assert!(failure(&train).contains("config.toml"));
    assert!(usage_error(&[&train[..], &["--batch", "0"]].concat()).contains("invalid batch (0)"));
    // The stored configuration of a run is a file too.
    let run = folder.path().join("run");
    std::fs::create_dir(&run).expect("creates");
    let stored = write("run/config.toml", "batch = 0\ndata_path = \"builtin\"\n");
    let resume = ["train", "--out", &run.display().to_string(), "--resume"].map(str::to_owned);
    let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
    let line = failure(&resume);
    assert!(line.contains(&stored) && line.contains("invalid batch (0)"), "{line}");
    write("run/config.toml", "batch = 64\ndata_path = \"builtin\"\n");
    assert!(usage_error(&[&resume[..], &["--batch", "8"]].concat()).contains("invalid batch (8)"));
}

#[test]
fn errors_end_with_the_option_that_helps() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("linear.safetensors");
    let tensor = NamedTensor { name: "fc".to_owned(), shape: vec![4, 4], data: vec![1.0; 16] };
    std::fs::write(&path, safetensors::write(&Checkpoint::new(vec![tensor])).expect("writes"))
        .expect("writes");
    let linear = path.display().to_string();
    assert!(failure(&["analyze", &linear]).contains("--linear"));
    let out = folder.path().join("p.safetensors").display().to_string();
    assert!(!failure(&["prune", &linear, "--out", &out]).contains("--linear"), "prune has no such option");
    assert!(usage_error(&["adc", "--model", "isaac", "--bits", "11"]).contains("--extrapolate"));
}

/// What a file says badly is the file's fault, and an option that another kind of file has no use for is named.
#[test]
fn files_and_options_are_blamed_for_what_is_theirs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let weights = in_repository("tests/golden/small_t16_ratio.weights.safetensors");
    let mut named = std::fs::read(&weights).expect("reads");
    // A note that another tool may write into the header, which is padded with spaces.
    let length = u64::from_le_bytes(named[..8].try_into().expect("eight bytes"));
    let header = String::from_utf8(named[8..8 + length as usize].to_vec()).expect("text");
    let header = header.replacen('{', r#"{"__metadata__":{"standardize":"zscore"},"#, 1);
    let rest = named.split_off(8 + length as usize);
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &rest].concat();
    std::fs::write(path("zscore.safetensors"), bytes).expect("writes");
    let evaluate = ["evaluate", &path("zscore.safetensors"), "--model", "vgg-small", "--data", "builtin"];
    let line = failure(&[&evaluate[..], &["--standardize", "image"]].concat());
    assert!(line.contains("zscore.safetensors") && line.contains("zscore"), "{line}");

    // Whatever a command that looks at no pixels finds wrong, it is not that.
    let analyze = crossdub(&["analyze", evaluate[1], "--plan", "4 M", "--per-inference"]);
    let line = String::from_utf8_lossy(&analyze.stderr);
    assert!(!line.contains("standardize"), "{line}");
    let line = failure(&["analyze", &weights, "--tile", "16", "--adc", &path("missing.toml")]);
    assert!(line.contains("missing.toml") && !line.contains("small_t16"), "{line}");

    let train = ["train", "--model", "custom", "--data", "builtin", "--out", &path("custom")];
    assert!(usage_error(&train).contains("needs a plan"));

    let model = in_repository("tests/onnx/fixtures/small_vgg.torchscript.onnx");
    for (command, option) in [
        (&["analyze"][..], ["--groups", "conv=4"]),
        (&["analyze"], ["--network", "x"]),
        (&["evaluate", "--data", "builtin"], ["--device", "cuda"]),
        (&["prune", "--out", &path("p.onnx")], ["--transposed", "conv"]),
    ] {
        let line = usage_error(&[&[command[0], &model], &command[1..], &option].concat());
        assert!(line.contains("ONNX"), "{command:?}: {line}");
    }

    // No output takes the place of what is read.
    let read = path("read.safetensors");
    std::fs::copy(&weights, &read).expect("copies");
    let masks = ["prune", &read, "--tile", "16", "--out", &path("p.safetensors"), "--masks", &read];
    assert!(usage_error(&masks).contains("same file as weights"));
    #[cfg(unix)]
    {
        let (link, out) = (path("link.safetensors"), path("p.safetensors"));
        std::os::unix::fs::symlink(&read, &link).expect("links");
        let masks = ["prune", &read, "--tile", "16", "--out", &out, "--masks", &link];
        assert!(usage_error(&masks).contains("same file as weights"));
    }
    assert!(usage_error(&["export", &read, "--out", &read]).contains("same file as weights"));
}

/// A run that was killed before it wrote its settings begins, if the options say with what.
#[test]
fn a_run_that_had_not_begun_resumes_from_its_options() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run").display().to_string();
    let options =
        ["--data", "builtin", "--plan", "4 M", "--classifier", "8", "--limit", "64", "--batch", "16"];
    let resume = ["train", "--out", &out, "--resume", "--epochs", "1", "--device=cpu", "--json"];
    assert!(
        failure(&[&resume[..], &options].concat()).contains("config.toml"),
        "a wrong name begins nothing"
    );
    assert!(!folder.path().join("run").exists());
    std::fs::create_dir_all(folder.path().join("run/checkpoints")).expect("creates");
    let output = crossdub(&[&resume[..], &options].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = crossdub(&[&resume[..], &options].concat());
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
}
