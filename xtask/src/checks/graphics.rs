//! Graphics devices outside the browser: the native binary on drivers that compute on the CPU.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cmd::Cmd;
use crate::env::{BuildEnv, Fetched};
use crate::error::{Error, Result, file_error};
use crate::progress::Progress;
use crate::steps::{Artifact, Step};

/// A short run that names no device.
const SHORT_RUN: &str = "train --data builtin --limit 32 --classifier 8 --batch 16 --epochs 1";

/// A recipe for a graphics device.
const TWO_RUNS: &str = "name = 'two'
data = 'builtin'
plan = '4 M'
classifier = '8'
limit = 64
batch = 16
device = 'webgpu'
[[stage]]
name = 'clean'
kind = 'train'
epochs = 1
";

/// Where Chromium has the file that names its SwiftShader to the Vulkan loader, if not beside its own program.
const CHROMIUM: [&str; 4] =
    ["/usr/lib/chromium", "/usr/lib64/chromium-browser", "/usr/lib/chromium-browser", "/opt/google/chrome"];
const SWIFTSHADER: &str = "vk_swiftshader_icd.json";

/// Runs the steps of `crossdub prove` that compare results, by WGSL as the page has it, on lavapipe; then trains where
/// no device is named.
pub fn wgsl<'a>() -> Step<'a> {
    let action = |env: &mut BuildEnv, progress: &mut Progress| {
        build(env, progress, "webgpu")?;
        let lavapipe = on_lavapipe(env, progress)?;
        let line = prove(env, progress, &lavapipe, "webgpu", "gradient,losses,lost")?;
        let out = env.target_dir().join("graphics").join("short");
        let trained = lavapipe
            .command(env)
            .args(SHORT_RUN.split(' '))
            .args(["--plan", "4 M", "--out"])
            .args([out])
            .run(progress)?;
        if !trained.contains(" on CPU;") {
            return Err(Error::new(format!("a run prefers a software adapter to the CPU: {trained}")));
        }
        share_device(env, progress, &lavapipe)?;
        Ok(line)
    };
    Step::new("Graphics devices, WGSL", action).needs(&[Artifact::Rust, Artifact::Lavapipe])
}

/// The same comparisons by SPIR-V, as either device takes it where there is Vulkan. The lavapipe of a stable
/// distribution may lack the extension for it (docs/gpu.md); Chromium's SwiftShader has it.
pub fn spirv<'a>() -> Step<'a> {
    let action = |env: &mut BuildEnv, progress: &mut Progress| {
        build(env, progress, "webgpu,vulkan")?;
        let fetched = env.lavapipe.as_ref().is_some_and(|lavapipe| lavapipe.fetched.is_some());
        let driver = if fetched { on_lavapipe(env, progress)? } else { on_swiftshader(env)? };
        let name = if fetched { "lavapipe" } else { "SwiftShader" };
        let vulkan = prove(env, progress, &driver, "vulkan", "gradient,losses")?;
        let webgpu = prove(env, progress, &driver, "webgpu", "gradient,losses")?;
        Ok(format!("{name}\nvulkan: {vulkan}\nwebgpu: {webgpu}"))
    };
    // Without lavapipe it runs too.
    let step = Step::new("Graphics devices, SPIR-V", action).needs(&[Artifact::Rust, Artifact::Chromium]);
    step.skip_if(!cfg!(target_os = "linux"), "Vulkan is for Linux here")
}

/// Trains two runs side by side in one process, which share the device.
fn share_device(env: &BuildEnv, progress: &mut Progress, lavapipe: &OnDriver) -> Result<()> {
    progress.status("training two runs side by side");
    let folder = env.target_dir().join("graphics");
    let recipe = folder.join("two.toml");
    fs::write(&recipe, TWO_RUNS).map_err(file_error("write", &recipe))?;
    let sweep =
        lavapipe.command(env).args([Path::new("sweep"), &recipe, Path::new("--out"), &folder.join("two")]);
    sweep.args(["--jobs", "2", "--set", "seed=0,1"]).run(progress)?;
    Ok(())
}

fn build(env: &BuildEnv, progress: &mut Progress, features: &str) -> Result<()> {
    progress.count_crates(env.native_crate_count());
    let build = env.cargo().args(["build", "--release", "--package", "crossdub", "--bin", "crossdub"]);
    build.args(["--features", features]).run(progress)?;
    Ok(())
}

/// A binary and the driver that it shall take.
struct OnDriver {
    program: PathBuf,
    variables: Vec<(&'static str, PathBuf)>,
}

impl OnDriver {
    fn command(&self, env: &BuildEnv) -> Cmd {
        let command = Cmd::new(&self.program).current_dir(&env.root);
        self.variables.iter().fold(command, |command, (name, value)| command.env(name, value))
    }
}

/// The binary that was built, on the driver that the system prefers.
fn on_default(env: &BuildEnv) -> OnDriver {
    let program = env.target_dir().join("release").join(format!("crossdub{}", env::consts::EXE_SUFFIX));
    OnDriver { program, variables: Vec::new() }
}

/// On lavapipe. Where that was fetched, a copy of the binary takes the C library beside it: the system's is too old for
/// the driver.
fn on_lavapipe(env: &BuildEnv, progress: &mut Progress) -> Result<OnDriver> {
    let mut driver = on_default(env);
    let Some(lavapipe) = &env.lavapipe else { return Ok(driver) };
    driver.variables.push(("VK_DRIVER_FILES", lavapipe.driver.clone()));
    if let Some(Fetched { root, libraries }) = &lavapipe.fetched {
        let copy = env.target_dir().join("release").join("crossdub-on-lavapipe");
        fs::copy(&driver.program, &copy).map_err(file_error("write", &copy))?;
        let files = fs::read_dir(libraries).map_err(file_error("list", libraries))?.flatten();
        let is_loader = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux"))
        };
        let loader = files.map(|entry| entry.path()).find(is_loader);
        let loader = loader.ok_or_else(|| Error::new(format!("{} has no ld-linux", libraries.display())))?;
        let patchelf = Cmd::new(&loader).args(["--library-path".as_ref(), libraries.as_os_str()]);
        let patchelf = patchelf.args([root.join("usr/bin/patchelf")]).args(["--set-interpreter"]);
        patchelf.args([&loader, &copy]).run(progress)?;
        driver.program = copy;
        driver.variables.push(("LD_LIBRARY_PATH", libraries.clone()));
    }
    Ok(driver)
}

/// On Chromium's software driver; the system's own where that is not Linux.
fn on_swiftshader(env: &BuildEnv) -> Result<OnDriver> {
    let mut driver = on_default(env);
    if cfg!(target_os = "linux") {
        let program = env.chromium.as_ref().and_then(|program| program.canonicalize().ok());
        let beside = program.as_ref().and_then(|program| program.parent()).map(Path::to_path_buf);
        let folders = beside.into_iter().chain(CHROMIUM.map(PathBuf::from));
        let found = folders.map(|folder| folder.join(SWIFTSHADER)).find(|file| file.is_file());
        let found = found.ok_or_else(|| Error::new(format!("Chromium has no {SWIFTSHADER}")))?;
        driver.variables.push(("VK_DRIVER_FILES", found));
    }
    Ok(driver)
}

/// Takes steps of `crossdub prove` in an empty folder.
fn prove(
    env: &BuildEnv,
    progress: &mut Progress,
    driver: &OnDriver,
    device: &str,
    steps: &str,
) -> Result<String> {
    progress.status(format!("checking {device}"));
    let out = env.target_dir().join("graphics");
    if out.exists() {
        fs::remove_dir_all(&out).map_err(file_error("empty", &out))?;
    }
    let prove =
        driver.command(env).args(["prove", "--device", device, "--minutes", "4", "--only", steps, "--out"]);
    all_done(&prove.args([&out]).run(progress)?)
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
