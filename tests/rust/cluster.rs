//! The Slurm script with a stand-in for `scontrol`: SIGTERM requeues the job, and the next one resumes it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::recipes::write_recipe;
use crate::shared::repository;

/// A node's programs: `crossdub`, and a `scontrol` that records its arguments.
fn programs(folder: &Path) -> std::path::PathBuf {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    symlink(env!("CARGO_BIN_EXE_crossdub"), bin.join("crossdub")).expect("links");
    let scontrol = bin.join("scontrol");
    let requests = folder.join("requests");
    let script = format!("#!/bin/sh\necho \"$@\" >> '{}'\n", requests.display());
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
fn a_terminated_job_requeues_itself_and_the_next_job_resumes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    programs(folder);
    write_recipe(folder);
    assert!(job(folder, "whole").status().expect("runs").success());
    assert!(!folder.join("requests").exists(), "a finished job is not requeued");

    let terminated = job(folder, "terminated").spawn().expect("runs");
    let out = folder.join("terminated");
    let began = Instant::now();
    while !has_checkpoint(&out) {
        assert!(began.elapsed() < Duration::from_secs(120), "no checkpoint appears");
        std::thread::sleep(Duration::from_millis(2));
    }
    let signalled =
        Command::new("kill").args(["-TERM", &terminated.id().to_string()]).status().expect("kills");
    assert!(signalled.success() && finished(terminated).success());
    assert_eq!(std::fs::read_to_string(folder.join("requests")).expect("recorded"), "requeue 42\n");
    assert!(!out.join("report.json").exists(), "it was stopped before its end");
    let next = job(folder, "terminated").spawn().expect("runs");
    assert!(finished(next).success());
    let weights = |out: &str| std::fs::read(folder.join(out).join("weights.safetensors")).expect("written");
    assert!(weights("whole") == weights("terminated"));

    // A failed job is not requeued: it would fail again.
    std::fs::write(folder.join("tiny.toml"), "data = 'nowhere'").expect("writes");
    assert!(!finished(job(folder, "broken").spawn().expect("runs")).success());
    assert_eq!(std::fs::read_to_string(folder.join("requests")).expect("recorded"), "requeue 42\n");
}
