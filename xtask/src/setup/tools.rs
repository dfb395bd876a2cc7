//! Cargo tools: wasm-bindgen's test runner of exactly the version in Cargo.lock, cargo-deny and cargo-fuzz. What is
//! missing is installed in Crossdub's own tools folder and never replaces an installed version.

use std::fs;

use super::find_version;
use crate::env::BuildEnv;
use crate::error::{Error, Result, file_error};
use crate::modules::remove_dir;
use crate::progress::Progress;

/// A program to install from crates.io.
struct Tool<'a> {
    package: &'a str,
    version: &'a str,
    options: &'a [&'a str],
    /// Installing should be quick, but a tool that works on large files is worth optimizing a little.
    opt_level: &'a str,
}

const CARGO_DENY: Tool<'_> =
    Tool { package: "cargo-deny", version: "0.20.2", options: &["--locked"], opt_level: "0" };
const CARGO_FUZZ: Tool<'_> =
    Tool { package: "cargo-fuzz", version: "0.13.2", options: &["--locked"], opt_level: "0" };

/// Installs wasm-bindgen's test runner if missing.
pub fn install_wasm_test_runner(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    let path = env.root.join("Cargo.lock");
    let lock = fs::read_to_string(&path).map_err(file_error("read", &path))?;
    let version = locked_version(&lock, "wasm-bindgen")
        .ok_or_else(|| Error::new("Cargo.lock does not contain exactly one version of wasm-bindgen"))?;
    // Without --locked: the lock file of this release contains a yanked package.
    let wasm_bindgen = Tool { package: "wasm-bindgen-cli", version, options: &[], opt_level: "1" };
    let runner = env.wasm_cmd("wasm-bindgen-test-runner").args(["--version"]).stdout();
    let installed = runner.as_deref().and_then(find_version) == Some(version);
    if !installed {
        install(env, progress, &wasm_bindgen)?;
        remove_dir(&env.tools_dir().join("target"))?;
    }
    Ok(describe(installed))
}

/// Installs cargo-deny if missing.
pub fn install_cargo_deny(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    install_cargo_command(env, progress, "deny", &CARGO_DENY)
}

/// Installs cargo-fuzz if missing.
pub fn install_cargo_fuzz(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    install_cargo_command(env, progress, "fuzz", &CARGO_FUZZ)
}

/// Any installed version of a cargo command will do.
fn install_cargo_command(
    env: &BuildEnv,
    progress: &mut Progress,
    command: &str,
    tool: &Tool<'_>,
) -> Result<String> {
    let installed = env.cargo().args([command, "--version"]).stdout().is_some();
    if !installed {
        install(env, progress, tool)?;
        remove_dir(&env.tools_dir().join("target"))?;
    }
    Ok(describe(installed))
}

fn describe(already_installed: bool) -> String {
    (if already_installed { "already installed" } else { "installed" }).to_owned()
}

fn install(env: &BuildEnv, progress: &mut Progress, tool: &Tool<'_>) -> Result<()> {
    let Tool { package, version, options, opt_level } = tool;
    progress.status(format!("installing {package} {version}, several minutes, once"));
    progress.count_crates(None);
    let tools = env.tools_dir();
    let cargo = env.cargo().args(["install", package, "--version", version, "--force"]).args(*options);
    let cargo = cargo.args(["--root".as_ref(), tools.as_os_str()]).env_remove("RUSTFLAGS");
    let cargo = cargo.env("CARGO_TARGET_DIR", tools.join("target"));
    let cargo = cargo
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", opt_level)
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "64")
        .env("CARGO_PROFILE_RELEASE_BUILD_OVERRIDE_OPT_LEVEL", "0");
    let root = tools.display();
    let manual = format!("cargo install {package} --version {version} --root {root} {}", options.join(" "));
    let reason = format!("can't install {package} {version}");
    cargo.run(progress).map(drop).map_err(|error| error.with_manual_command(&reason, manual.trim()))
}

/// The version of a package in a Cargo.lock that contains exactly one.
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
    fn locked_version_matches_the_whole_name() {
        assert_eq!(locked_version(LOCK, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(LOCK, "wasm-bindgen-macro"), Some("0.2.1"));
    }

    #[test]
    fn missing_or_ambiguous_package_has_no_locked_version() {
        assert_eq!(locked_version(LOCK, "serde"), None);
        assert_eq!(locked_version(LOCK, "rand"), None);
    }
}
