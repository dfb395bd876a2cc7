//! Training and simulation in Chromium beside TensorFlow.js: `bench/browser`.

use std::env;
use std::path::PathBuf;

use super::report::{Report, parse_output};
use crate::cmd::Cmd;
use crate::env::BuildEnv;
use crate::error::Result;
use crate::progress::Progress;

/// Not a dependency of the page, hence not in package.json.
const PEERS: [&str; 3] =
    ["@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-webgpu@4.22.0", "@jax-js/jax@0.1.25"];

/// Measures with what is installed and built; installs only TensorFlow.js and jax-js, outside the checkout.
pub fn measure(env: &BuildEnv, progress: &mut Progress) -> Result<Report> {
    let mut report = Report::default();
    if let Some(reason) = missing_requirement(env) {
        report.missing.push(format!("Not measured in the browser: {reason}."));
        return Ok(report);
    }
    if !env.root.join("pkg/webgpu/crossdub.js").is_file() {
        report.missing.push("Not measured on WebGPU: pkg/webgpu is not built.".to_owned());
    }
    let folder = env.cache.join("bench");
    if let Err(error) = install_peers(env, progress) {
        // Our own times are useful without it.
        report.missing.push(format!("TensorFlow.js and jax-js can't be installed: {error}."));
    }
    progress.status("measuring");
    let node = Cmd::new("node").current_dir(&env.root).args(["bench/browser/measure.mjs", "--tensorflow"]);
    let node = node.args([&folder]).env("CROSSDUB_CHROMIUM", chromium());
    report.append(Report::from_json(&parse_output(node.run(progress)?)?)?);
    Ok(report)
}

/// Installs TensorFlow.js and jax-js, unless they are there. Returns the folder of the packages.
///
/// # Errors
/// When npm is missing or fails.
pub fn install_peers(env: &BuildEnv, progress: &mut Progress) -> Result<PathBuf> {
    let folder = env.cache.join("bench");
    let packages = folder.join("node_modules");
    let there = |name: &str| packages.join(name).is_dir();
    if !(there("@tensorflow/tfjs-backend-webgpu") && there("@jax-js/jax")) {
        progress.status("installing TensorFlow.js and jax-js");
        let npm = env.npm().args(["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]);
        npm.args(["--prefix"]).args([&folder]).args(PEERS).run(progress)?;
    }
    Ok(packages)
}

/// The first requirement that is missing; a benchmark installs no browser and builds no module.
fn missing_requirement(env: &BuildEnv) -> Option<&'static str> {
    if Cmd::new("node").args(["--version"]).stdout().is_none() {
        Some("Node is not installed")
    } else if !env.root.join("node_modules/@playwright/test").is_dir() {
        Some("the Node packages are not installed (npm ci)")
    } else if !chromium().is_file() {
        Some("there is no Chromium at /usr/bin/chromium or CROSSDUB_CHROMIUM")
    } else if !env.root.join("pkg/cpu/crossdub.js").is_file() {
        Some("pkg/cpu is not built (cargo xtask build)")
    } else {
        None
    }
}

/// Where the page's tests look for the browser.
fn chromium() -> PathBuf {
    env::var_os("CROSSDUB_CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from)
}
