//! rustfmt and clippy, which a minimal Rust lacks, and the packages listed in Cargo.lock.
//! Cargo itself checks the Rust version: it does not compile xtask with an older one.

use super::{apt, find_version};
use crate::cmd::Cmd;
use crate::env::{BuildEnv, WASM_TARGET};
use crate::error::Result;
use crate::progress::Progress;

/// Installs what is missing.
pub fn install(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    let has = |tool: &str| env.cargo().args([tool, "--version"]).stdout().is_some();
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter_map(|(tool, component)| (!has(tool)).then_some(component))
        .collect();
    if !missing.is_empty() {
        add_components(&missing, progress)?;
    }
    progress.status("fetching packages");
    let fetch = env.cargo().args(["fetch", "--locked", "--target", WASM_TARGET]);
    let fetch = match host() {
        Some(host) => fetch.args(["--target".to_owned(), host]),
        None => fetch,
    };
    let fetched = fetch.run(progress);
    fetched.map_err(|error| error.with_manual_command("can't fetch packages", "cargo fetch --locked"))?;
    let version = Cmd::new("rustc").args(["--version"]).stdout().unwrap_or_default();
    Ok(find_version(&version).unwrap_or("ok").to_owned())
}

fn add_components(missing: &[&str], progress: &mut Progress) -> Result<()> {
    let add = Cmd::new("rustup").args(["component", "add"]).args(missing).run(progress);
    if add.is_ok() {
        return Ok(());
    }
    // The packages that belong to Debian's rustc-web.
    let package = |component: &&str| if *component == "clippy" { "rust-web-clippy" } else { "rustfmt-web" };
    let packages: Vec<&str> = missing.iter().map(package).collect();
    let manual = format!("rustup component add {}", missing.join(" "));
    let reason = format!("can't install {}", missing.join(" and "));
    apt::install(&packages, progress).map_err(|error| error.with_manual_command(&reason, &manual))
}

/// The native target, such as `x86_64-unknown-linux-gnu`.
fn host() -> Option<String> {
    let output = Cmd::new("rustc").args(["-vV"]).stdout()?;
    output.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}
