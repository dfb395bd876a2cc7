//! rustfmt and clippy, which a minimal Rust lacks, and the packages that Cargo.lock names.
//! The Rust version itself is checked by Cargo, which refuses to compile xtask with an older one.

use crate::failure::Result;
use crate::process::Program;
use crate::progress::Progress;
use crate::workshop::{WASM_TARGET, Workshop};

/// Adds what is missing.
pub fn install(workshop: &mut Workshop, progress: &mut Progress) -> Result<String> {
    let has = |tool: &str| workshop.cargo().args([tool, "--version"]).answer().is_some();
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter_map(|(tool, component)| (!has(tool)).then_some(component))
        .collect();
    if !missing.is_empty() {
        add_components(&missing, progress)?;
    }
    progress.say("fetching packages");
    let fetch = workshop.cargo().args(["fetch", "--locked", "--target", WASM_TARGET]);
    let fetch = match host() {
        Some(host) => fetch.args(["--target".to_owned(), host]),
        None => fetch,
    };
    fetch
        .run(progress)
        .map_err(|failure| failure.or_by_hand("packages are missing", "cargo fetch --locked"))?;
    let version = Program::new("rustc").args(["--version"]).answer().unwrap_or_default();
    Ok(super::version_in(&version).unwrap_or("ok").to_owned())
}

fn add_components(missing: &[&str], progress: &mut Progress) -> Result<()> {
    let add = Program::new("rustup").args(["component", "add"]).args(missing).run(progress);
    if add.is_ok() {
        return Ok(());
    }
    // Debian's rustc-web comes with its own two.
    let packages: Vec<&str> = missing
        .iter()
        .map(|component| if *component == "clippy" { "rust-web-clippy" } else { "rustfmt-web" })
        .collect();
    let by_hand = format!("rustup component add {}", missing.join(" "));
    let why = format!("{} can't be installed", missing.join(" and "));
    super::apt_install(&packages, progress).map_err(|failure| failure.or_by_hand(&why, &by_hand))
}

/// The machine's own target, such as `x86_64-unknown-linux-gnu`.
fn host() -> Option<String> {
    let answer = Program::new("rustc").args(["-vV"]).answer()?;
    answer.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}
