//! The wasm modules: clippy, and their tests in a browser.

use super::{DENY_WARNINGS, step, test_totals};
use crate::cmd::Cmd;
use crate::env::{BuildEnv, WASM_TARGET};
use crate::modules::Module;
use crate::progress::Progress;
use crate::steps::{Artifact, Step};

/// Clippy of a module and its tests.
pub fn clippy<'a>(module: Module) -> Step<'a> {
    let check = move |env: &BuildEnv, progress: &mut Progress| {
        progress.count_crates(env.module_crate_count(module));
        let clippy = env.wasm_cmd("cargo").args(["clippy", "--release", "--package", "crossdub"]);
        let clippy = clippy.args(["--target", WASM_TARGET, "--lib"]);
        // The tests train.
        let clippy = if module == Module::Onnx { clippy } else { clippy.args(["--test", "wasm"]) };
        clippy.args(module.cargo_args(env)).args(DENY_WARNINGS).run(progress).map(drop)
    };
    step(format!("Clippy, wasm, {}", module.title()), check).needs(&[Artifact::Rust, Artifact::WasmTarget])
}

/// The tests in `tests/wasm`, in headless Chromium.
pub fn tests<'a>(module: Module) -> Step<'a> {
    let action = move |env: &mut BuildEnv, progress: &mut Progress| {
        progress.count_crates(env.module_crate_count(module));
        Ok(test_totals(&browser_test(env, module).run(progress)?))
    };
    let step = Step::new(format!("Tests in Chromium, {}", module.title()), action);
    // After the module's own build, which compiles most of what the tests need.
    match module {
        Module::Cpu => step.needs(&[Artifact::WasmTestRunner, Artifact::Chromium, Artifact::CpuModule]),
        Module::CpuRelaxed => {
            step.needs(&[Artifact::WasmTestRunner, Artifact::Chromium, Artifact::CpuRelaxedModule])
        }
        Module::WebGpu => step.needs(&[Artifact::WasmTestRunner, Artifact::Chromium, Artifact::WebGpuModule]),
        Module::Onnx => step.needs(&[Artifact::WasmTestRunner, Artifact::Chromium, Artifact::OnnxModule]),
    }
}

fn browser_test(env: &BuildEnv, module: Module) -> Cmd {
    let test =
        env.wasm_cmd("cargo").args(["test", "--release", "--package", "crossdub", "--target", WASM_TARGET]);
    let test = test.args(module.cargo_args(env)).args(["--test", "wasm"]);
    let test = test.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", "wasm-bindgen-test-runner");
    let test = test.env("CHROMEDRIVER", env.chromedriver.clone().unwrap_or_default());
    // A software WebGPU adapter takes long to compile its first shaders.
    test.env("WASM_BINDGEN_TEST_TIMEOUT", "900")
}
