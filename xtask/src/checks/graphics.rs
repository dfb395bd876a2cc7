//! Graphics devices outside the browser: the native binary on Mesa's lavapipe.

use std::env;
use std::fs;

use crate::cmd::Cmd;
use crate::env::BuildEnv;
use crate::error::{Error, Result, file_error};
use crate::progress::Progress;
use crate::steps::{Artifact, Step};

/// One gradient against the CPU's and the authors', losses beside the CPU's, and a device that is lost.
const STEPS: &str = "gradient,losses,lost";

/// A short run that names no device.
const SHORT_RUN: &str = "train --data builtin --limit 32 --classifier 8 --batch 16 --epochs 1";

/// Runs the steps of `crossdub prove` that compare results, and trains where no device is named. By WGSL, as the
/// page has it: SPIR-V takes a newer Mesa than most distributions have (docs/gpu.md).
pub fn graphics<'a>() -> Step<'a> {
    let action = |env: &mut BuildEnv, progress: &mut Progress| {
        progress.count_crates(env.native_crate_count());
        let build = env.cargo().args(["build", "--release", "--package", "crossdub", "--bin", "crossdub"]);
        build.args(["--features", "webgpu"]).run(progress)?;
        progress.status("checking");
        let out = env.target_dir().join("graphics");
        if out.exists() {
            fs::remove_dir_all(&out).map_err(file_error("empty", &out))?;
        }
        let program = env.target_dir().join("release").join(format!("crossdub{}", env::consts::EXE_SUFFIX));
        let crossdub = || {
            let command = Cmd::new(&program).current_dir(&env.root);
            match &env.lavapipe {
                Some(driver) => command.env("VK_DRIVER_FILES", driver),
                None => command,
            }
        };
        let prove =
            crossdub().args(["prove", "--device", "webgpu", "--minutes", "4", "--only", STEPS, "--out"]);
        let line = all_done(&prove.args([&out]).run(progress)?)?;
        let trained = crossdub()
            .args(SHORT_RUN.split(' '))
            .args(["--plan", "4 M", "--out"])
            .args([out.join("short")])
            .run(progress)?;
        if !trained.contains(" on CPU;") {
            return Err(Error::new(format!("a run prefers a software adapter to the CPU: {trained}")));
        }
        Ok(line)
    };
    Step::new("Graphics devices", action).needs(&[Artifact::Rust, Artifact::Lavapipe])
}

/// The line that counts the steps, if all were done.
fn all_done(printed: &str) -> Result<String> {
    let line = printed.lines().find(|line| line.contains(" done, ") && line.contains(" out of time"));
    match line {
        Some(line) if line.contains(" 0 failed, 0 skipped, 0 out of time") => Ok(line.to_owned()),
        Some(line) => Err(Error::new(format!("not all steps are done: {line}"))),
        None => Err(Error::new("crossdub prove counted no steps")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_was_not_done_is_an_error() {
        assert!(all_done("[1/1] a\n3 steps: 3 done, 0 failed, 0 skipped, 0 out of time\n").is_ok());
        for line in [
            "2 steps: 1 done, 1 failed, 0 skipped, 0 out of time",
            "2 steps: 1 done, 0 failed, 1 skipped, 0 out of time",
            "",
        ] {
            assert!(all_done(line).is_err(), "{line}");
        }
    }
}
