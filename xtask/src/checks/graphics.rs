//! Graphics devices outside the browser: the native binary on drivers that compute on the CPU.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cmd::Cmd;
use crate::env::BuildEnv;
use crate::error::{Error, Result, file_error};
use crate::progress::Progress;
use crate::steps::{Artifact, Step};

/// A short run that names no device.
const SHORT_RUN: &str = "train --data builtin --limit 32 --classifier 8 --batch 16 --epochs 1";

/// Where Chromium has the file that names its SwiftShader to the Vulkan loader, if not beside its own program.
const CHROMIUM: [&str; 4] =
    ["/usr/lib/chromium", "/usr/lib64/chromium-browser", "/usr/lib/chromium-browser", "/opt/google/chrome"];
const SWIFTSHADER: &str = "vk_swiftshader_icd.json";

/// Runs the steps of `crossdub prove` that compare results, by WGSL as the page has it, on lavapipe; then trains where
/// no device is named.
pub fn graphics<'a>() -> Step<'a> {
    let action = |env: &mut BuildEnv, progress: &mut Progress| {
        build(env, progress, "webgpu")?;
        let driver = env.lavapipe.clone();
        let line = prove(env, progress, "webgpu", "gradient,losses,lost", driver.as_deref())?;
        let out = env.target_dir().join("graphics").join("short");
        let trained = crossdub(env, driver.as_deref())
            .args(SHORT_RUN.split(' '))
            .args(["--plan", "4 M", "--out"])
            .args([out])
            .run(progress)?;
        if !trained.contains(" on CPU;") {
            return Err(Error::new(format!("a run prefers a software adapter to the CPU: {trained}")));
        }
        Ok(line)
    };
    Step::new("Graphics devices, WGSL", action).needs(&[Artifact::Rust, Artifact::Lavapipe])
}

/// The same comparisons by SPIR-V, on the driver that Chromium brings: lavapipe of most distributions lacks an extension
/// (docs/gpu.md).
pub fn vulkan<'a>() -> Step<'a> {
    let action = |env: &mut BuildEnv, progress: &mut Progress| {
        let driver = swiftshader(env)?;
        build(env, progress, "webgpu,vulkan")?;
        prove(env, progress, "vulkan", "gradient,losses", driver.as_deref())
    };
    Step::new("Graphics devices, SPIR-V", action).needs(&[
        Artifact::Rust,
        Artifact::Lavapipe,
        Artifact::Chromium,
    ])
}

fn build(env: &BuildEnv, progress: &mut Progress, features: &str) -> Result<()> {
    progress.count_crates(env.native_crate_count());
    let build = env.cargo().args(["build", "--release", "--package", "crossdub", "--bin", "crossdub"]);
    build.args(["--features", features]).run(progress)?;
    Ok(())
}

/// The binary, with this driver if one is given.
fn crossdub(env: &BuildEnv, driver: Option<&Path>) -> Cmd {
    let program = env.target_dir().join("release").join(format!("crossdub{}", env::consts::EXE_SUFFIX));
    let command = Cmd::new(program).current_dir(&env.root);
    match driver {
        Some(driver) => command.env("VK_DRIVER_FILES", driver),
        None => command,
    }
}

/// Takes steps of `crossdub prove` in an empty folder.
fn prove(
    env: &BuildEnv,
    progress: &mut Progress,
    device: &str,
    steps: &str,
    driver: Option<&Path>,
) -> Result<String> {
    progress.status("checking");
    let out = env.target_dir().join("graphics");
    if out.exists() {
        fs::remove_dir_all(&out).map_err(file_error("empty", &out))?;
    }
    let prove = crossdub(env, driver).args(["prove", "--device", device, "--minutes", "4", "--only", steps]);
    all_done(&prove.args(["--out"]).args([&out]).run(progress)?)
}

/// Chromium's software driver; `None` where the system has its own.
fn swiftshader(env: &BuildEnv) -> Result<Option<PathBuf>> {
    if !cfg!(target_os = "linux") {
        return Ok(None);
    }
    let program = env.chromium.as_ref().and_then(|program| program.canonicalize().ok());
    let beside = program.as_ref().and_then(|program| program.parent()).map(Path::to_path_buf);
    let folders = beside.into_iter().chain(CHROMIUM.map(PathBuf::from));
    let found = folders.map(|folder| folder.join(SWIFTSHADER)).find(|file| file.is_file());
    found.map(Some).ok_or_else(|| Error::new(format!("Chromium has no {SWIFTSHADER}")))
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
