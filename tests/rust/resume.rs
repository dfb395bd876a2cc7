//! A resumed run ends with the same weights as an uninterrupted one: in memory, and as a killed process.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crossdub::config::{DeviceChoice, Schedule, TrainConfig};
use crossdub::device::ComputeDevice;
use crossdub::train::checkpoint::TrainingCheckpoint;
use crossdub::train::trainer::Trainer;

use crate::training::{small_config, small_data, trainer};

fn advance(trainer: &mut Trainer, steps: usize) {
    for _ in 0..steps {
        pollster::block_on(trainer.step()).expect("trains");
    }
}

#[test]
fn resuming_from_a_checkpoint_gives_the_same_bits() {
    for schedule in [Schedule::MultiStep, Schedule::OneCycle] {
        resumes_to_the_same_bits(TrainConfig { batch_norm: true, schedule, ..small_config() });
    }
}

fn resumes_to_the_same_bits(config: TrainConfig) {
    let mut whole = trainer(config.clone());
    advance(&mut whole, 30);
    let mut part = trainer(config);
    // In the middle of the second epoch.
    advance(&mut part, 29 - 24 + 20);
    let bytes = pollster::block_on(part.checkpoint()).expect("writes");
    drop(part);
    let device = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
    let mut resumed =
        TrainingCheckpoint::read(&bytes).expect("reads").resume(small_data(), device, 1 << 32).expect("fits");
    advance(&mut resumed, 5);
    let weights = |trainer: &Trainer| pollster::block_on(trainer.weights()).expect("reads");
    assert!(weights(&whole) == weights(&resumed));
    assert_eq!(whole.history(), resumed.history());
}

#[test]
fn a_truncated_checkpoint_is_rejected() {
    let mut trainer = trainer(small_config());
    advance(&mut trainer, 1);
    let bytes = pollster::block_on(trainer.checkpoint()).expect("writes");
    for end in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        assert!(TrainingCheckpoint::read(&bytes[..end]).is_err(), "cut at {end}");
    }
}

fn train(out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
    command
        .args(["train", "--out"])
        .arg(out)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Options of a run of about a second.
pub const TINY: [&str; 5] =
    ["--plan=4 M 8 M 8 M", "--classifier=16", "--data=builtin", "--epochs=1", "--learning-rate=0.02"];

fn options() -> Vec<&'static str> {
    [&TINY[..], &["--batch=128", "--checkpoint-every=3", "--device=cpu"]].concat()
}

#[test]
fn a_killed_process_resumes_to_the_same_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    assert!(train(&whole, &options()).status().expect("runs").success());

    let mut child = train(&killed, &options()).spawn().expect("runs");
    for kill in 0..3 {
        wait_for_checkpoint(&killed, 3 * (2 + kill));
        child.kill().expect("kills");
        child.wait().expect("ends");
        child = train(&killed, &["--resume", "--checkpoint-every", "3"]).spawn().expect("runs");
    }
    assert!(child.wait().expect("ends").success());
    let weights = |run: &Path| std::fs::read(run.join("weights.safetensors")).expect("written");
    assert!(weights(&whole) == weights(&killed));
    // The metrics hold each step once, in order, with the same losses.
    assert_eq!(losses(&whole), losses(&killed));
}

/// Waits until the run has a checkpoint of this step or a later one.
pub fn wait_for_checkpoint(run: &Path, step: u64) {
    let began = Instant::now();
    while newest_checkpoint(run).is_none_or(|at| at < step) {
        assert!(began.elapsed() < Duration::from_secs(120), "no checkpoint appears");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The step of the newest checkpoint.
fn newest_checkpoint(run: &Path) -> Option<u64> {
    let files = std::fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.file_name().to_str()?.strip_prefix("step-")?.get(..9)?.parse::<u64>().ok())
        .max()
}

/// The loss of each step in `metrics.jsonl`.
pub fn losses(run: &Path) -> Vec<(u64, f64)> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).expect("written");
    let line = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        (value["step"].as_u64().expect("a step"), value["loss"].as_f64().expect("a loss"))
    };
    text.lines().map(line).collect()
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_prints_how_to_resume() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let child = train(&run, &options()).spawn().expect("runs");
    wait_for_checkpoint(&run, 3);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kills").success());
    let output = child.wait_with_output().expect("ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.lines().last().is_some_and(|line| line.starts_with("error: ") && line.contains("--resume")),
        "{stderr}"
    );
}

/// Two processes would write each other's metrics and delete each other's checkpoints.
#[cfg(unix)]
#[test]
fn one_process_at_a_time_trains_in_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, copy) = (folder.path().join("run"), folder.path().join("copy"));
    let long: Vec<&str> = options()
        .iter()
        .map(|&option| if option == "--epochs=1" { "--epochs=500" } else { option })
        .collect();
    let mut child = train(&run, &long).spawn().expect("runs");
    wait_for_checkpoint(&run, 3);
    let output = train(&run, &["--resume"]).output().expect("runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.lines().last().is_some_and(|line| line.contains("another process trains in this folder")),
        "{stderr}"
    );
    assert!(child.try_wait().expect("asks").is_none(), "the first run goes on");

    // A copy is another folder.
    std::fs::create_dir_all(copy.join("checkpoints")).expect("creates");
    std::fs::copy(run.join("config.toml"), copy.join("config.toml")).expect("copies");
    let mut copied = train(&copy, &["--resume"]).spawn().expect("runs");
    wait_for_checkpoint(&copy, 3);

    // Not waited for before the next one begins, as a shell does not.
    child.kill().expect("kills");
    let mut resumed = train(&run, &["--resume", "--checkpoint-every=3"]).spawn().expect("runs");
    child.wait().expect("ends");
    wait_for_checkpoint(&run, newest_checkpoint(&run).expect("one") + 3);
    for process in [&mut copied, &mut resumed] {
        process.kill().expect("kills");
        process.wait().expect("ends");
    }
}

#[test]
fn a_run_that_cannot_start_leaves_no_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let (missing, existing) = (folder.path().join("missing"), folder.path().join("existing"));
    std::fs::create_dir(&existing).expect("created");
    for run in [&missing, &existing] {
        for (more, code) in
            [(vec!["--data=/nowhere"], 1), ([&TINY[..], &["--batch=0"]].concat(), 2), (vec!["--resume"], 1)]
        {
            let output = train(run, &more).output().expect("runs");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{stderr}");
            assert_eq!(stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{stderr}");
        }
    }
    assert!(!missing.exists());
    // A folder that the user created stays, empty.
    assert_eq!(std::fs::read_dir(&existing).expect("exists").count(), 0);
}
