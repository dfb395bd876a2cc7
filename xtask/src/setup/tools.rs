//! wasm-bindgen of exactly the version in Cargo.lock, and wasm-pack. What the machine does not have goes
//! into Crossdub's own tools folder, never over someone's installed version.

use std::fs;

use crate::failure::{Failure, Result, on_file};
use crate::progress::Progress;
use crate::workshop::Workshop;

const WASM_PACK: &str = "0.15.1";

/// Installs what is missing: some minutes each, once.
pub fn install(workshop: &mut Workshop, progress: &mut Progress) -> Result<String> {
    let path = workshop.root.join("Cargo.lock");
    let lock = fs::read_to_string(&path).map_err(on_file("read", &path))?;
    let wasm_bindgen = locked_version(&lock, "wasm-bindgen")
        .ok_or_else(|| Failure::new("Cargo.lock names no single version of wasm-bindgen"))?;
    // Without --locked: this release's own lock file names a withdrawn package. It works on whole modules, so it
    // is worth some optimizing; wasm-pack only calls other programs.
    let installed = [
        install_tool(workshop, progress, "wasm-bindgen", "wasm-bindgen-cli", wasm_bindgen, &[], "1")?,
        install_tool(workshop, progress, "wasm-pack", "wasm-pack", WASM_PACK, &["--locked"], "0")?,
    ];
    let leftovers = workshop.tools().join("target");
    if leftovers.exists() {
        fs::remove_dir_all(&leftovers).map_err(on_file("remove", &leftovers))?;
    }
    Ok(if installed == [false, false] { "already there".to_owned() } else { "installed".to_owned() })
}

/// Installs one tool unless it is there in this version; says whether it had to.
fn install_tool(
    workshop: &Workshop,
    progress: &mut Progress,
    program: &str,
    package: &str,
    version: &str,
    options: &[&str],
    opt_level: &str,
) -> Result<bool> {
    let answer = workshop.wasm(program).args(["--version"]).answer();
    if answer.as_deref().and_then(super::version_in) == Some(version) {
        return Ok(false);
    }
    progress.say(format!("installing {package} {version}, some minutes, once"));
    progress.crates_at_most(None);
    let tools = workshop.tools();
    let root = tools.display();
    let by_hand = format!("cargo install {package} --version {version} --root {root} {}", options.join(" "));
    let cargo = workshop.cargo().args(["install", package, "--version", version, "--force"]).args(options);
    let cargo = cargo.args(["--root".as_ref(), tools.as_os_str()]).without_env("RUSTFLAGS");
    // One target folder for both, so that what they share is compiled once.
    let cargo = cargo.env("CARGO_TARGET_DIR", tools.join("target")).env("CARGO_PROFILE_RELEASE_LTO", "off");
    let cargo = cargo
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", opt_level)
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "64");
    let result = cargo.env("CARGO_PROFILE_RELEASE_BUILD_OVERRIDE_OPT_LEVEL", "0").run(progress);
    result.map_err(|failure| {
        failure.or_by_hand(&format!("{package} {version} can't be installed"), by_hand.trim())
    })?;
    Ok(true)
}

/// The version of a package in a Cargo.lock, if there is exactly one.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut versions = lock.split("[[package]]").filter_map(|entry| {
        let mut lines = entry.lines().map(str::trim);
        lines.find(|line| *line == name)?;
        lines.find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
    });
    let version = versions.next()?;
    versions.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\ndependencies = [\n \
                        \"once_cell\",\n]\n\n[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"0.2.1\"\n\n\
                        [[package]]\nname = \"rand\"\nversion = \"0.9.0\"\n\n[[package]]\nname = \"rand\"\nversion = \"0.10.0\"\n";

    #[test]
    fn the_locked_version_is_the_packages_own() {
        assert_eq!(locked_version(LOCK, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(LOCK, "wasm-bindgen-macro"), Some("0.2.1"));
    }

    #[test]
    fn none_or_two_versions_are_no_answer() {
        assert_eq!(locked_version(LOCK, "serde"), None);
        assert_eq!(locked_version(LOCK, "rand"), None);
    }
}
