//! `cargo xtask test` and `cargo xtask check`: every check as a step, cheapest first.

use crate::api;
use crate::build;
use crate::checks;
use crate::env::BuildEnv;
use crate::error::Result;
use crate::modules::{self, Module};
use crate::setup;
use crate::steps::{self, Step};

const QUICK: &str = "left out by --quick";

/// Runs every check; `quick` leaves out what needs the WebGPU module, native WGSL or cargo-deny, which take minutes to build.
pub fn run(env: &mut BuildEnv, quick: bool) -> Result<bool> {
    let mut steps = setup::rust_steps();
    steps.extend(setup::node_steps());
    steps.extend(setup::wasm_steps());
    steps.push(setup::wasm_test_runner_step());
    steps.extend(setup::browser_steps());
    steps.push(setup::lavapipe_step());
    steps.push(setup::cargo_deny_step().skip_if(quick, QUICK));
    steps.push(checks::format());
    steps.extend(javascript_checks());
    steps.push(checks::dependencies().skip_if(quick, QUICK));
    steps.extend([checks::without_burn(), checks::without_burn_wasm()]);
    steps.extend([checks::clippy(), checks::documentation(), checks::package(), api::step(false)]);
    steps.extend([Module::Cpu, Module::Onnx].map(checks::wasm_clippy));
    steps.push(checks::wasm_clippy(Module::WebGpu).skip_if(quick, QUICK));
    steps.extend([checks::tests(), checks::examples()]);
    steps.push(checks::spirv());
    steps.push(checks::wgsl().skip_if(quick, QUICK));
    steps.extend([Module::Cpu, Module::CpuRelaxed, Module::Onnx].map(modules::build_step));
    steps.push(checks::wasm_tests(Module::Cpu));
    steps.push(modules::build_step(Module::WebGpu).skip_if(quick, QUICK));
    steps.push(checks::wasm_tests(Module::WebGpu).skip_if(quick, QUICK));
    steps.extend([build::site_step(), checks::chromium_tests(quick), checks::firefox_tests()]);
    let summary = steps::run_all(env, steps);
    summary.print();
    Ok(summary.passed())
}

/// Runs the checks that take seconds when little has changed.
pub fn check(env: &mut BuildEnv) -> Result<bool> {
    let mut steps = setup::rust_steps();
    steps.extend(setup::node_steps());
    steps.push(checks::format());
    steps.extend(javascript_checks());
    steps.extend([checks::without_burn(), checks::clippy(), checks::unit_tests()]);
    let summary = steps::run_all(env, steps);
    summary.print();
    Ok(summary.passed())
}

fn javascript_checks<'a>() -> [Step<'a>; 4] {
    [
        checks::npm_script("Prettier", "format:check"),
        checks::npm_script("ESLint", "lint"),
        checks::npm_script("TypeScript", "types"),
        checks::npm_script("JavaScript unit tests", "unit"),
    ]
}
