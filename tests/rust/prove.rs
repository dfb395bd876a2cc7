//! `crossdub prove` with the CPU as the device under test: steps, a kill, the second call, the report, bad input.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::shared::{json, repository};

/// A folder with what the bundle holds beside the binary.
fn bundle(folder: &Path) -> std::path::PathBuf {
    let bundle = folder.join("bundle");
    fs::create_dir_all(bundle.join("golden")).expect("made");
    for file in fs::read_dir(repository().join("tests/golden")).expect("lists").flatten() {
        if file.path().is_file() {
            fs::copy(file.path(), bundle.join("golden").join(file.file_name())).expect("copied");
        }
    }
    fs::copy(repository().join("bundle/peers.py"), bundle.join("peers.py")).expect("copied");
    bundle
}

fn prove(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
    command.arg("prove").arg("--bundle").arg(bundle(folder)).arg("--out").arg(folder.join("proof"));
    command.args(args).env_remove("VK_DRIVER_FILES").stdin(Stdio::null());
    command
}

fn step(folder: &Path, name: &str) -> Value {
    json(&folder.join("proof/steps").join(format!("{name}.json")))
}

fn figure<'a>(step: &'a Value, id: &str) -> &'a Value {
    let figures = step["figures"].as_array().expect("a list");
    figures.iter().find(|figure| figure["id"] == id).unwrap_or_else(|| panic!("{id}: {step}"))
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes whose arguments name this folder.
fn processes_in(folder: &Path) -> usize {
    let name = folder.display().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let args = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    args.filter(|args| String::from_utf8_lossy(args).contains(&name)).count()
}

#[test]
fn a_killed_proof_goes_on_and_reports() {
    let folder = tempfile::tempdir().expect("a folder");
    let only = "--only=machine,device,gradient,training-vgg-small-b64-f32,resume";
    let args = ["--device=cpu", "--minutes=2", "--python=/nowhere/python3", only];
    let mut first =
        prove(folder.path(), &args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
    let training = folder.path().join("proof/steps/training-vgg-small-b64-f32-cpu.json");
    let has_figure = || fs::read_to_string(&training).is_ok_and(|text| text.contains("\"first\""));
    wait_until("the training step begins", has_figure);
    first.kill().expect("kills");
    first.wait().expect("ends");
    if cfg!(target_os = "linux") {
        wait_until("the step ends with the process that started it", || processes_in(folder.path()) == 0);
    }
    assert_eq!(step(folder.path(), "training-vgg-small-b64-f32-cpu")["status"], "running");
    let gradient = step(folder.path(), "gradient-cpu");
    assert_eq!(gradient["status"], "done", "{gradient}");

    let second = prove(folder.path(), &args).output().expect("runs");
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(second.status.success(), "{said}");
    assert!(!said.contains("gradient-cpu"), "what is there is not repeated: {said}");
    assert_eq!(step(folder.path(), "gradient-cpu"), gradient);

    // The CPU against itself is exact, and against the authors' code close.
    assert_eq!(figure(&gradient, "gradient")["value"].as_f64(), Some(0.0));
    let golden = figure(&gradient, "golden-gated-gradient")["value"].as_f64().expect("measured");
    assert!((0.0..1e-4).contains(&golden), "{golden:e}");
    let training = step(folder.path(), "training-vgg-small-b64-f32-cpu");
    assert_eq!(training["status"], "done", "{training}");
    for id in ["first", "step", "gated", "forward", "backward", "regularizer", "update", "upload", "data"] {
        let figure = figure(&training, id);
        // The regularizer's time is the difference of two, which a busy machine can hide.
        let least = if id == "regularizer" { 0.0 } else { f64::MIN_POSITIVE };
        assert!(figure["value"].as_f64().is_some_and(|ms| ms >= least), "{id}: {figure}");
        assert!(figure["unit"] == "ms" && figure["n"].as_u64() >= Some(1), "{id}: {figure}");
    }
    let pytorch = figure(&training, "pytorch-cpu")["not_measured"].as_str().expect("no such Python");
    assert!(pytorch.contains("/nowhere/python3"), "{pytorch}");
    let resume = step(folder.path(), "resume-cpu");
    assert_eq!(resume["status"], "done", "{resume}");
    assert_eq!(figure(&resume, "weights")["value"].as_f64(), Some(0.0), "on the CPU to the bit");

    let report = fs::read_to_string(folder.path().join("proof/report.md")).expect("written");
    for expected in ["5 done, 0 failed", "vgg-small, batch 64, f32, cpu", "not measured", "golden case"] {
        assert!(report.contains(expected), "{expected}:\n{report}");
    }
    let again =
        prove(folder.path(), &["--device=cpu", "--minutes=1", "--only=machine"]).output().expect("runs");
    assert!(again.status.success());
    let report = json(&folder.path().join("proof/report.json"));
    assert_eq!((report["schema_version"].as_u64(), report["software"].as_bool()), (Some(1), Some(false)));
    assert_eq!(report["steps"].as_array().map(Vec::len), Some(5), "what earlier calls found stays");
}

#[test]
fn a_missing_device_is_one_clear_line_and_costs_no_other_step() {
    if cfg!(feature = "webgpu") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["--device=webgpu", "--minutes=1", "--only=device,gradient,losses"];
    let output = prove(folder.path(), &args).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(matches!(errors.as_slice(), [one] if one.contains("device-webgpu")), "{said}");
    assert_eq!(step(folder.path(), "device-webgpu")["status"], "failed");
    for name in ["gradient-webgpu", "losses-webgpu"] {
        let step = step(folder.path(), name);
        assert_eq!(step["status"], "skipped");
        assert!(step["why"].as_str().expect("why").contains("there is no device webgpu"), "{step}");
    }
}

#[test]
fn wrong_usage_and_too_little_time_are_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    for (args, code, expected) in [
        (&["--minutes=0"][..], 2, "minutes"),
        (&["--minutes=nan"], 2, "minutes"),
        (&["--data=/nowhere/at/all"], 1, "not a folder that can be read"),
        (&["--device=gpu"], 2, "must be one of"),
        (&["--device=vulkan-autotune"], 2, "crossdub-autotune"),
        (&["--device=cpu", "--minutes=0.0001"], 1, "nothing was measured"),
    ] {
        let output = prove(folder.path(), args).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.lines().any(|line| line.starts_with("error: ") && line.contains(expected)), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let report = fs::read_to_string(folder.path().join("proof/report.md")).expect("written");
    assert!(report.contains("not started"), "{report}");
}

#[test]
fn images_may_be_packed_and_missing_ones_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("made");
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&[7; 3073 * 20]).expect("packs");
    fs::write(data.join("data_batch_3.bin.gz"), packer.finish().expect("packs")).expect("written");
    let args = ["--device=cpu", "--minutes=1", "--only=machine", "--data"];
    let output = prove(folder.path(), &args).arg(&data).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let images = step(folder.path(), "machine")["facts"].to_string();
    let expected = "CIFAR-10: 20 images in 1 of 5 training files, and no test file; 4 are missing";
    assert!(images.contains(expected), "{images}");
}
