//! Debian's Rust for wasm, for machines that can't reach rustup's server. Debian ships the compiler but no compiled
//! standard library for wasm, so this builds one from Debian's source, once, and puts it beside the native one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::{env, io};

use super::{apt, wasm_target};
use crate::cmd::Cmd;
use crate::env::{BuildEnv, WASM_TARGET};
use crate::error::{Error, Result, file_error};
use crate::progress::Progress;

/// Debian's toolchain for browsers; lld-22 is its linker for wasm.
const PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy", "lld-22"];
const PREFIX: &str = "/usr";

/// Whether an earlier run has installed everything.
pub fn is_installed() -> bool {
    packages_are_installed() && wasm_target::has_target(Path::new(PREFIX))
}

/// Installs what is missing and selects this toolchain for wasm builds.
pub fn install(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    if !packages_are_installed() {
        apt::install(&PACKAGES, progress)?;
    }
    if !wasm_target::has_target(Path::new(PREFIX)) {
        let built = build_std(env, progress)?;
        install_std(&built)?;
    }
    env.wasm_toolchain = select(env, progress)?;
    Ok("Debian's toolchain".to_owned())
}

fn packages_are_installed() -> bool {
    let files = [
        "bin/rustc",
        "bin/cargo",
        "bin/cargo-clippy",
        "bin/wasm-ld-22",
        "lib/rustlib/src/rust/library/std/Cargo.toml",
    ];
    files.iter().all(|file| Path::new(PREFIX).join(file).exists())
}

/// Builds the standard library as a dependency of an empty crate; returns the folder of compiled files.
fn build_std(env: &BuildEnv, progress: &mut Progress) -> Result<PathBuf> {
    progress.status("building the standard library, about a minute");
    let dir = env.cache.join("debian-std");
    let source = dir.join("src");
    fs::create_dir_all(&source).map_err(file_error("create", &source))?;
    let manifest = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";
    write(&dir.join("Cargo.toml"), manifest)?;
    write(&source.join("lib.rs"), "")?;
    let target = dir.join("target");
    Cmd::new("/usr/bin/cargo")
        .args(["build", "-Zbuild-std=std,panic_abort,test", "--target", WASM_TARGET, "--release"])
        .current_dir(&dir)
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTFLAGS")
        .env_remove("LD_LIBRARY_PATH")
        .run(progress)?;
    Ok(target.join(WASM_TARGET).join("release/deps"))
}

/// Copies the standard library to where the compiler looks for it, which needs root.
fn install_std(built: &Path) -> Result<()> {
    let place = Path::new(PREFIX).join("lib/rustlib").join(WASM_TARGET).join("lib");
    let copied = fs::create_dir_all(&place).and_then(|()| copy_rlibs(built, &place));
    copied.map_err(|error| {
        let (from, to) = (built.display(), place.display());
        let manual =
            format!("sudo mkdir -p {to} && sudo cp {from}/*.rlib {to}/ && sudo rm {to}/libempty-*.rlib");
        Error::default().with_manual_command(&format!("can't write the standard library ({error})"), &manual)
    })
}

fn copy_rlibs(from: &Path, to: &Path) -> io::Result<()> {
    for entry in from.read_dir()? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".rlib") && !text.starts_with("libempty-") {
            fs::copy(from.join(&name), to.join(&name))?;
        }
    }
    Ok(())
}

/// The variables that make cargo, and tools that call it, use this toolchain.
fn select(env: &BuildEnv, progress: &mut Progress) -> Result<Vec<(String, OsString)>> {
    let native = Cmd::new("rustc").args(["--print", "sysroot"]).stdout();
    if native.as_deref() == Some(PREFIX) {
        return Ok(Vec::new());
    }
    let Some(toolchains) = Cmd::new("rustup").args(["toolchain", "list"]).stdout() else {
        // Without rustup, Debian's cargo must precede whichever cargo is first on PATH.
        let mut path = OsString::from("/usr/bin:");
        path.push(env.tools_dir().join("bin"));
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        return Ok(vec![("PATH".to_owned(), path), ("RUSTC".to_owned(), "/usr/bin/rustc".into())]);
    };
    if !toolchains.lines().any(|line| line.split_whitespace().next() == Some("debian")) {
        Cmd::new("rustup").args(["toolchain", "link", "debian", PREFIX]).run(progress)?;
    }
    Ok(vec![("RUSTUP_TOOLCHAIN".to_owned(), "debian".into())])
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(file_error("write", path))
}
