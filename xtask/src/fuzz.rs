//! `cargo xtask fuzz`: runs the cargo-fuzz targets in `fuzz/` with the stable compiler.

use crate::cmd::Cmd;
use crate::env::BuildEnv;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::setup;
use crate::steps::{self, Artifact, Step};

/// Runs one target or all of them, each for some seconds.
pub fn run(env: &mut BuildEnv, target: Option<String>, seconds: u64) -> Result<bool> {
    let mut steps = setup::rust_steps();
    steps.push(setup::cargo_fuzz_step());
    if !steps::run_all(env, steps).passed() {
        return Ok(false);
    }
    let names = target_names(env)?;
    let names = match target {
        Some(name) if names.contains(&name) => vec![name],
        Some(name) => {
            return Err(Error::new(format!("no fuzz target `{name}`; there are {}", names.join(", "))));
        }
        None => names,
    };
    let summary = steps::run_all(env, names.into_iter().map(|name| fuzz_step(name, seconds)).collect());
    summary.print();
    Ok(summary.passed())
}

fn target_names(env: &BuildEnv) -> Result<Vec<String>> {
    let list = cargo_fuzz(env).args(["list"]).stdout();
    let list = list.ok_or_else(|| Error::new("`cargo fuzz list` failed"))?;
    Ok(list.lines().map(str::to_owned).collect())
}

fn fuzz_step<'a>(name: String, seconds: u64) -> Step<'a> {
    let target = name.clone();
    let action = move |env: &mut BuildEnv, progress: &mut Progress| {
        let run = cargo_fuzz(env).args(["run", &target, "--", &format!("-max_total_time={seconds}")]);
        let output = run.run(progress)?;
        let last = output.lines().rev().find(|line| line.starts_with("Done "));
        Ok(last.unwrap_or("ok").to_owned())
    };
    Step::new(name, action).needs(&[Artifact::CargoFuzz])
}

/// cargo-fuzz, allowed to use the compiler's unstable options for coverage and sanitizers.
fn cargo_fuzz(env: &BuildEnv) -> Cmd {
    env.cargo().args(["fuzz"]).env("RUSTC_BOOTSTRAP", "1")
}
