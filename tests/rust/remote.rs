//! Remote workers on loopback: the same losses as one device, tokens, and a worker that is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::resume::{TINY, wait_for_checkpoint};

const TOKEN: &str = "a token of these tests";

/// A worker process and the name of its device.
struct Worker {
    process: Child,
    device: String,
}

impl Worker {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
        command.args(["worker", "--device", "cpu"]).env("CROSSDUB_TOKEN", TOKEN);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("runs");
        let mut device = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut device).expect("prints its address");
        let device = device.trim().to_owned();
        assert!(device.starts_with("remote:ws://127.0.0.1:"), "{device}");
        Self { process, device }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A run of about a second, limited so that an epoch has 20 steps.
fn small() -> Vec<&'static str> {
    [&TINY[..], &["--batch=30", "--limit=600", "--checkpoint-every=2"]].concat()
}

fn train(out: &Path, more: &[&str], token: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
    command.args(["train", "--out"]).arg(out).args(more).env("CROSSDUB_TOKEN", token);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The error line of a failed run, which must be the only one.
fn error(output: &Output) -> String {
    let stderr = stderr(output);
    let lines: Vec<&str> =
        stderr.lines().filter(|line| line.contains("error") || line.contains("panic")).collect();
    assert!(
        output.status.code() == Some(1) && lines.len() == 1 && lines[0].starts_with("error: "),
        "{stderr}"
    );
    lines[0].to_owned()
}

#[test]
fn two_workers_train_as_one_device() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let output = train(&one, &[&small()[..], &["--device=cpu"]].concat(), "").output().expect("runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let workers = [Worker::start(), Worker::start()];
    let devices = workers.each_ref().map(|worker| worker.device.clone()).join(",");
    let output =
        train(&two, &[&small()[..], &["--devices", &devices]].concat(), TOKEN).output().expect("runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let losses = |run: &Path| crate::resume::losses(run);
    let (one, two) = (losses(&one), losses(&two));
    assert!(one.len() >= 20 && two.len() == one.len(), "{} and {}", one.len(), two.len());
    for ((step, loss), (_, other)) in one.iter().zip(&two) {
        assert!((loss - other).abs() < 1e-4, "step {step}: {loss} and {other}");
    }
}

#[test]
fn a_wrong_token_is_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let worker = Worker::start();
    let out = folder.path().join("run");
    let output =
        train(&out, &[&small()[..], &["--device", &worker.device]].concat(), "wrong").output().expect("runs");
    let line = error(&output);
    assert!(line.contains("remote:ws://127.0.0.1") && line.contains("rejected the credential"), "{line}");
    assert!(!out.join("config.toml").exists());
}

#[test]
fn a_run_that_loses_a_worker_can_be_resumed() {
    for first in [true, false] {
        lose_a_worker(first);
    }
}

/// Kills the first worker, which holds the network, or else the other one, which computes part of each batch.
fn lose_a_worker(first: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let (stays, mut dies) = (Worker::start(), Worker::start());
    let order = if first { [&dies, &stays] } else { [&stays, &dies] };
    let devices = order.map(|worker| worker.device.clone()).join(",");
    let long = ["--epochs", "40", "--devices", &devices];
    let shared: Vec<&str> = small().into_iter().filter(|option| !option.starts_with("--epochs")).collect();
    let child = train(&out, &[&shared[..], &long].concat(), TOKEN).spawn().expect("runs");
    wait_for_checkpoint(&out, 4);
    dies.process.kill().expect("kills");
    let line = error(&child.wait_with_output().expect("ends"));
    assert!(line.contains("device"), "{line}");
    // Resumes on this machine, for a few epochs: the checkpoint is complete.
    let mut child = train(&out, &["--resume", "--device=cpu"], "").spawn().expect("runs");
    wait_for_checkpoint(&out, 40);
    assert!(child.try_wait().expect("waits").is_none(), "training continues");
    child.kill().expect("kills");
    child.wait().expect("ends");
}
