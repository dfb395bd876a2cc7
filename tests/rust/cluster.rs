//! The Slurm script, with a stand-in for Slurm's own command: warned by SIGTERM, back into the queue, gone on with.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::recipes::write_recipe;
use crate::shared::repository;

/// A node's programs: `crossdub`, and a `scontrol` that notes what it is told.
fn programs(folder: &Path) -> std::path::PathBuf {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    symlink(env!("CARGO_BIN_EXE_crossdub"), bin.join("crossdub")).expect("links");
    let scontrol = bin.join("scontrol");
    let told = folder.join("told");
    let script = format!("#!/bin/sh\necho \"$@\" >> '{}'\n", told.display());
    std::fs::write(&scontrol, script).expect("writes");
    std::fs::set_permissions(&scontrol, std::fs::Permissions::from_mode(0o755)).expect("permits");
    bin
}

fn job(folder: &Path, out: &str) -> Command {
    let mut job = Command::new("bash");
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let recipe = folder.join("tiny.toml");
    job.arg(repository().join("recipes/slurm.sh")).arg(recipe);
    job.args(["--checkpoint-every", "1", "--out", &folder.join(out).display().to_string()]);
    job.env("PATH", path).env("SLURM_CPUS_PER_TASK", "1").env("SLURM_JOB_ID", "42");
    job.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    job
}

/// Whether a stage of the run has a checkpoint.
fn has_checkpoint(out: &Path) -> bool {
    let stages = std::fs::read_dir(out.join("stages")).into_iter().flatten().flatten();
    stages.into_iter().any(|stage| {
        std::fs::read_dir(stage.path().join("checkpoints")).is_ok_and(|mut files| files.next().is_some())
    })
}

fn finished(mut job: std::process::Child) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = job.try_wait().expect("waits") {
            return status;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "the job does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_job_that_is_warned_saves_itself_and_goes_on_in_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    programs(folder);
    write_recipe(folder);
    assert!(job(folder, "whole").status().expect("runs").success());
    assert!(!folder.join("told").exists(), "a job that ends is not put back");

    let warned = job(folder, "warned").spawn().expect("runs");
    let out = folder.join("warned");
    let began = Instant::now();
    while !has_checkpoint(&out) {
        assert!(began.elapsed() < Duration::from_secs(120), "no checkpoint appears");
        std::thread::sleep(Duration::from_millis(2));
    }
    let told = Command::new("kill").args(["-TERM", &warned.id().to_string()]).status().expect("kills");
    assert!(told.success() && finished(warned).success());
    assert_eq!(std::fs::read_to_string(folder.join("told")).expect("told"), "requeue 42\n");
    assert!(!out.join("report.json").exists(), "it was stopped before its end");
    let next = job(folder, "warned").spawn().expect("runs");
    assert!(finished(next).success());
    let weights = |out: &str| std::fs::read(folder.join(out).join("weights.safetensors")).expect("written");
    assert!(weights("whole") == weights("warned"));

    // What fails is not put back: it would fail again.
    std::fs::write(folder.join("tiny.toml"), "data = 'nowhere'").expect("writes");
    assert!(!finished(job(folder, "broken").spawn().expect("runs")).success());
    assert_eq!(std::fs::read_to_string(folder.join("told")).expect("told"), "requeue 42\n");
}
