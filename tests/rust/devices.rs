//! Devices by name, and training on several: batches are split, and the losses are those of one device.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crossdub::config::{DeviceList, TrainConfig};
use crossdub::train::trainer::Trainer;
use serde_json::Value;

use crate::resume::{TINY, wait_for_checkpoint};
use crate::training::{small_config, trainer};

fn losses(trainer: &mut Trainer, steps: usize) -> Vec<f64> {
    (0..steps).map(|_| pollster::block_on(trainer.step()).expect("trains").loss).collect()
}

/// Largest difference of the losses of two runs, and of their final weights.
fn differences(config: &TrainConfig, devices: &str, steps: usize) -> (f64, f32) {
    let mut one = trainer(config.clone());
    let mut several = trainer(TrainConfig { devices: devices.parse().expect("known"), ..config.clone() });
    let pairs = losses(&mut one, steps).into_iter().zip(losses(&mut several, steps));
    let loss = pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f64::max);
    let weights = |trainer: &Trainer| pollster::block_on(trainer.weights()).expect("reads");
    let (one, several) = (weights(&one), weights(&several));
    let tensors = one.tensors.iter().zip(&several.tensors);
    let weight =
        tensors.flat_map(|(one, other)| one.data.iter().zip(&other.data).map(|(a, b)| (a - b).abs()));
    (loss, weight.fold(0.0, f32::max))
}

#[test]
fn several_devices_train_as_one() {
    // Dropout is at work, and batches of 50 leave a last one of 34 from 384 images.
    let config = TrainConfig { batch: 50, dropout: 0.3, lambda: 1e-2, ..small_config() };
    for devices in ["cpu,cpu", "cpu,cpu,cpu"] {
        let (loss, weight) = differences(&config, devices, 20);
        assert!(loss < 1e-4 && weight < 1e-4, "{devices}: {loss:e}, {weight:e}");
    }
    let few = TrainConfig { batch: 2, ..small_config() };
    let (loss, _) = differences(&few, "cpu,cpu,cpu,cpu,cpu", 5);
    assert!(loss < 1e-4, "more devices than images: {loss:e}");
}

#[test]
fn half_a_batch_trains_differently() {
    // The comparison above means something: half of a batch trains otherwise.
    let config = TrainConfig { batch: 48, ..small_config() };
    let mut whole = trainer(config.clone());
    let mut half = trainer(TrainConfig { batch: 24, ..config });
    let differ =
        losses(&mut whole, 5).into_iter().zip(losses(&mut half, 5)).any(|(a, b)| (a - b).abs() > 1e-3);
    assert!(differ, "what the test above compares does differ between batches");
}

/// Each device normalizes its own part; the running statistics are the first device's, whichever is faster.
#[test]
fn batch_norm_on_several_devices_is_reproducible() {
    let trained = |config: TrainConfig| {
        let mut trainer = trainer(config);
        let losses = losses(&mut trainer, 6);
        (losses, pollster::block_on(trainer.weights()).expect("reads"))
    };
    let config = TrainConfig {
        batch: 48,
        batch_norm: true,
        devices: "cpu,cpu,cpu".parse().expect("known"),
        ..small_config()
    };
    let first = trained(config.clone());
    assert!(first == trained(config.clone()), "another order of the threads gives other statistics");
    // One step with a rate of 0: what the first part alone leaves.
    let after_one = |config: TrainConfig| {
        let mut trainer = trainer(TrainConfig { learning_rate: 0.0, ..config });
        losses(&mut trainer, 1);
        let weights = pollster::block_on(trainer.weights()).expect("reads");
        weights.get("features.1.running_mean").expect("normalized").data.clone()
    };
    let (of_three, of_part) = (
        after_one(config.clone()),
        after_one(TrainConfig { batch: 16, devices: DeviceList::default(), ..config }),
    );
    assert!(crate::shared::relative_difference(&of_three, &of_part) < 1e-5);
}

fn crossdub(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
    command.args(arguments).env_remove("CROSSDUB_TOKEN").stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    crossdub(arguments).output().expect("runs")
}

/// The error line of a command that exits with this code.
fn error_line(output: &Output, code: i32) -> String {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors: Vec<&str> = message.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(output.status.code() == Some(code) && errors.len() == 1, "{message}");
    errors[0].to_owned()
}

#[test]
fn devices_are_listed_and_unknown_ones_rejected() {
    let listed = output(&["devices", "--json"]);
    let answer: Value = serde_json::from_slice(&listed.stdout).expect("one JSON object");
    assert_eq!(answer["devices"][0]["device"], "cpu");
    assert!(answer["devices"][0]["memory"].as_u64() > Some(1 << 28), "{answer}");
    let lacking: Vec<&str> = answer["lacking"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|kind| kind["feature"].as_str())
        .collect();
    assert!(lacking.contains(&"cuda"), "{lacking:?}");
    let text = String::from_utf8_lossy(&output(&["devices"]).stdout).into_owned();
    assert!(text.contains("--features cuda"), "{text}");

    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run").display().to_string();
    let train = |device: &[&str]| output(&[&["train", "--data", "builtin", "--out", &out], device].concat());
    for (device, code, word) in [
        (["--device", "cuda"], 1, "--features cuda"),
        (["--device", "gpu"], 2, "must be one of"),
        (["--devices", "cpu,tch"], 1, "--features tch"),
        (["--devices", "cpu,,cpu"], 2, "must be one of"),
    ] {
        let message = error_line(&train(&device), code);
        assert!(message.contains(word), "{message}");
    }
}

/// A run of about a second; the limit makes an epoch 20 steps.
fn small() -> Vec<&'static str> {
    [&TINY[..], &["--batch=30", "--limit=600", "--checkpoint-every=3", "--json"]].concat()
}

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("weights.safetensors")).expect("written")
}

/// Starts a run and kills it after a checkpoint.
fn killed(out: &Path, devices: &[&str], token: Option<&str>) {
    let out_ = out.display().to_string();
    let mut command = crossdub(&[&["train", "--out", &out_], &small()[..], devices].concat());
    command.envs(token.map(|token| ("CROSSDUB_TOKEN", token))).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("runs");
    wait_for_checkpoint(out, 6);
    child.kill().expect("kills");
    child.wait().expect("ends");
}

#[test]
fn a_killed_run_on_two_devices_resumes_on_two_or_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let train = |name: &str, more: &[&str]| {
        let out = path(name).display().to_string();
        let output = output(&[&["train", "--out", &out], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    train("whole", &[&small()[..], &["--devices", "cpu,cpu"]].concat());
    killed(&path("killed"), &["--devices", "cpu,cpu"], None);
    train("killed", &["--resume"]);
    assert!(weights(&path("whole")) == weights(&path("killed")));
    killed(&path("moved"), &["--devices", "cpu,cpu"], None);
    train("moved", &["--resume", "--device", "cpu"]);
    let read = |name: &str| crate::shared::weights(&path(name).join("weights.safetensors"));
    let (whole, moved) = (read("whole"), read("moved"));
    for (one, other) in whole.tensors.iter().zip(&moved.tensors) {
        let difference = crate::shared::relative_difference(&other.data, &one.data);
        assert!(difference < 1e-3, "{}: {difference:e}", one.name);
    }
}
