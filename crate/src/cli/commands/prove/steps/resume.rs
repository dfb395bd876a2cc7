//! A run that is killed and resumed, against one that is not.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::{DONE, StepOutcome, failed, out_of_time};
use crate::cli::commands::prove::context::{Context, wait_for};
use crate::cli::commands::prove::record::Recorder;
use crate::cli::files;
use crate::error::{Error, Result};
use crate::train::self_test::{exceeds, relative_error};

/// A run of seconds.
const RUN: [&str; 8] = [
    "--plan=4 M 8 M 8 M",
    "--classifier=16",
    "--data=builtin",
    "--epochs=1",
    "--learning-rate=0.02",
    "--batch=128",
    "--checkpoint-every=3",
    "--json",
];
/// The step at whose checkpoint the run is killed.
const KILLED_AFTER: u64 = 6;
/// Losses of the two runs may differ by this part: products of a graphics processor need not repeat to the bit.
const ALLOWED: f64 = 1e-3;

/// Runs both.
pub fn compare(context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    let folder = context.fresh_folder()?;
    let (whole, killed) = (folder.join("whole"), folder.join("killed"));
    let start = |out: &Path, more: &[&str]| -> Result<_> {
        let mut command = context.crossdub(&["train"])?;
        command.args(more).arg("--out").arg(out).stdout(Stdio::null());
        command.spawn().map_err(|why| Error::operation("starting", "crossdub train", why))
    };
    let device = format!("--device={}", context.device);
    let fresh = [&RUN[..], &[&device]].concat();
    let finish = |mut child: std::process::Child| wait_for(&mut child, context.seconds_until(1.0));
    match finish(start(&whole, &fresh)?)? {
        Some(status) if status.success() => {}
        Some(status) => return Ok(failed(format!("the run fails: {status}"))),
        None => return Ok(out_of_time("the run did not end in time")),
    }
    let mut child = start(&killed, &fresh)?;
    while newest_checkpoint(&killed) < KILLED_AFTER {
        let ended = child.try_wait().map_err(|why| Error::operation("waiting for", "crossdub train", why))?;
        if let Some(status) = ended {
            return Ok(failed(format!("the run ended before it could be killed: {status}")));
        }
        if context.seconds_until(1.0) <= 0.0 {
            drop(child.kill());
            drop(child.wait());
            return Ok(out_of_time("no checkpoint appeared in time"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // SIGKILL.
    drop(child.kill());
    drop(child.wait());
    let at = newest_checkpoint(&killed);
    record.figure("killed", "step of the checkpoint that the killed run left", at as f64, "steps", 1)?;
    match finish(start(&killed, &["--resume", "--json"])?)? {
        Some(status) if status.success() => {}
        Some(status) => return Ok(failed(format!("the killed run does not resume: {status}"))),
        None => return Ok(out_of_time("the resumed run did not end in time")),
    }
    let (one, other) = (losses(&whole)?, losses(&killed)?);
    if one.len() != other.len() {
        return Ok(failed(format!("{} steps, and {} with the kill", one.len(), other.len())));
    }
    let losses = relative_error(&other, &one);
    record.figure(
        "losses",
        "largest relative difference of the losses from the uninterrupted run",
        losses,
        "relative",
        one.len(),
    )?;
    let read = |run: &Path| files::read_weights(&run.join("weights.safetensors"));
    let (one, other) = (flat(&read(&whole)?), flat(&read(&killed)?));
    let weights = relative_error(&other, &one);
    record.figure(
        "weights",
        "largest relative difference of the final weights",
        weights,
        "relative",
        one.len(),
    )?;
    record.fact("to the bit", if one == other { "yes" } else { "no" })?;
    if exceeds(losses, ALLOWED) {
        return Ok(failed(format!("the resumed run's losses differ by {losses:.1e}")));
    }
    Ok(DONE)
}

fn flat(weights: &crate::checkpoint::Checkpoint) -> Vec<f32> {
    weights.tensors.iter().flat_map(|tensor| tensor.data.iter().copied()).collect()
}

/// The step of a run's newest checkpoint; 0 without one.
pub fn newest_checkpoint(run: &Path) -> u64 {
    let files = std::fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let step = |name: &str| name.strip_prefix("step-")?.split('.').next()?.parse::<u64>().ok();
    files.filter_map(|file| step(file.file_name().to_str()?)).max().unwrap_or(0)
}

/// Each step's loss.
fn losses(run: &Path) -> Result<Vec<f32>> {
    let text = files::read("reading metrics", &run.join("metrics.jsonl"))?;
    let text = String::from_utf8_lossy(&text);
    let loss = |line: &str| Some(serde_json::from_str::<Value>(line).ok()?["loss"].as_f64()? as f32);
    Ok(text.lines().filter_map(loss).collect())
}
