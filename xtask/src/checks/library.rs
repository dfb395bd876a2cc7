//! The library as others use it: without Burn, packaged, with acceptable dependencies.

use std::fs;
use std::path::{Path, PathBuf};

use super::{DENY_WARNINGS, step};
use crate::cmd::Cmd;
use crate::env::{BuildEnv, WASM_TARGET};
use crate::error::{Error, Result, file_error};
use crate::modules::remove_dir;
use crate::progress::Progress;
use crate::steps::{Artifact, Step};

/// The packages that are published; all of the workspace share a version.
const PACKAGES: [&str; 2] = ["crossdub-kernels", "crossdub"];
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How cargo reports that it can't reach the registry.
const NETWORK_ERRORS: [&str; 3] = ["spurious network error", "failed to download", "Could not resolve host"];

/// Checks that Burn is not a dependency without features, and that the library compiles like that.
pub fn without_burn<'a>() -> Step<'a> {
    let check = |env: &BuildEnv, progress: &mut Progress| {
        let tree = env.cargo().args(["tree", "--package", "crossdub", "--no-default-features"]);
        let tree = tree.args(["--edges", "normal", "--prefix", "none"]).run(progress)?;
        match tree.lines().find(|line| line.starts_with("burn")) {
            Some(package) => Err(Error::new(format!("without features, crossdub depends on {package}"))),
            None => clippy_without_features(env.cargo(), progress),
        }
    };
    step("Library without Burn, native", check).needs(&[Artifact::Rust])
}

/// Checks that the library compiles to wasm without features.
pub fn without_burn_wasm<'a>() -> Step<'a> {
    let check = |env: &BuildEnv, progress: &mut Progress| {
        clippy_without_features(env.wasm_cmd("cargo").env("CARGO_BUILD_TARGET", WASM_TARGET), progress)
    };
    step("Library without Burn, wasm", check).needs(&[Artifact::Rust, Artifact::WasmTarget])
}

fn clippy_without_features(cargo: Cmd, progress: &mut Progress) -> Result<()> {
    progress.count_crates(None);
    let clippy =
        cargo.args(["clippy", "--release", "--package", "crossdub", "--lib", "--no-default-features"]);
    clippy.args(DENY_WARNINGS).run(progress).map(drop)
}

/// Checks the packages as `cargo publish` would upload them: manifests by a dry run, contents by compiling them
/// outside the checkout, where a file left out of the package is missing.
pub fn package<'a>() -> Step<'a> {
    let action = |env: &mut BuildEnv, progress: &mut Progress| {
        let names = PACKAGES.iter().flat_map(|name| ["--package", name]);
        let args: Vec<&str> = names.chain(["--allow-dirty", "--no-verify"]).collect();
        env.cargo().args(["package", "--offline"]).args(&args).run(progress)?;
        for name in PACKAGES {
            unpack(env, progress, name)?;
        }
        let manifest = package_dir(env, "crossdub").join("Cargo.toml");
        // The features of the other native checks, so that no dependency is compiled again.
        let check = env.cargo().args(["check", "--release", "--all-targets", "--features", "remote"]);
        let check = check.args(["--offline", "--manifest-path"]).args([manifest]);
        check.env("CARGO_TARGET_DIR", env.target_dir()).run(progress)?;
        match env.cargo().args(["publish", "--dry-run"]).args(&args).run(progress) {
            Ok(_) => Ok("ok".to_owned()),
            Err(error) if NETWORK_ERRORS.iter().any(|text| error.output.contains(text)) => {
                Ok("ok, but the registry can't be reached for a dry run of `cargo publish`".to_owned())
            }
            Err(error) => Err(error),
        }
    };
    Step::new("Package", action).needs(&[Artifact::Rust])
}

/// Licences and sources of all dependencies, as deny.toml allows them. Advisories are left out: they would make the
/// result depend on the day.
pub fn dependencies<'a>() -> Step<'a> {
    let check = |env: &BuildEnv, progress: &mut Progress| {
        env.cargo().args(["deny", "check", "licenses", "bans", "sources"]).run(progress).map(drop)
    };
    step("Dependencies", check).needs(&[Artifact::Rust, Artifact::CargoDeny])
}

/// Unpacks what `cargo package` wrote, and makes it a workspace of its own with the checkout's profiles, which takes the
/// other package from beside it.
fn unpack(env: &BuildEnv, progress: &mut Progress, name: &str) -> Result<()> {
    let packages = env.target_dir().join("package");
    let unpacked = package_dir(env, name);
    remove_dir(&unpacked)?;
    let archive = packages.join(format!("{name}-{VERSION}.crate"));
    // The files in it are dated 2006: with that date Cargo would take what it compiled of an earlier package for fresh.
    let tar = Cmd::new("tar").args(["-xzmf".as_ref(), archive.as_os_str()]);
    tar.args(["-C".as_ref(), packages.as_os_str()]).run(progress)?;
    let workspace = read(&env.root.join("Cargo.toml"))?;
    let manifest = unpacked.join("Cargo.toml");
    let mut text = format!("{}\n[workspace]\n\n{}", read(&manifest)?, profiles(&workspace));
    if name == "crossdub" {
        let beside = format!("{{ path = \"../crossdub-kernels-{VERSION}\" }}");
        text = format!("{text}\n[patch.crates-io]\ncrossdub-kernels = {beside}\n");
    }
    fs::write(&manifest, text).map_err(file_error("write", &manifest))
}

fn package_dir(env: &BuildEnv, name: &str) -> PathBuf {
    env.target_dir().join("package").join(format!("{name}-{VERSION}"))
}

/// The profiles, which are the last tables of the workspace's manifest.
fn profiles(manifest: &str) -> &str {
    manifest.find("[profile.").map_or("", |start| &manifest[start..])
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(file_error("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_taken_from_the_manifest() {
        assert_eq!(
            profiles("[workspace]\n\n[profile.release]\nopt-level = 3\n"),
            "[profile.release]\nopt-level = 3\n"
        );
        assert_eq!(profiles("[workspace]\n"), "");
    }
}
