//! Debian's Rust for wasm, where rustup's server can't be reached. Debian has the compiler but no compiled
//! standard library for wasm, so that is built once from Debian's own source and put beside the native one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::{env, io};

use super::{apt_install, wasm_target};
use crate::failure::{Failure, Result, on_file};
use crate::process::Program;
use crate::progress::Progress;
use crate::workshop::{WASM_TARGET, Workshop};

/// Debian's toolchain for browsers; lld-22 is its linker for wasm.
const PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy", "lld-22"];
const PREFIX: &str = "/usr";

/// Whether an earlier run did everything.
pub fn is_ready() -> bool {
    packages_are_there() && wasm_target::has_target(Path::new(PREFIX))
}

/// Installs what is missing and makes the workshop's wasm builds use it.
pub fn install(workshop: &mut Workshop, progress: &mut Progress) -> Result<String> {
    if !packages_are_there() {
        apt_install(&PACKAGES, progress)?;
    }
    if !wasm_target::has_target(Path::new(PREFIX)) {
        let built = build_std(workshop, progress)?;
        copy_std(&built)?;
    }
    workshop.wasm_toolchain = select(progress)?;
    Ok("Debian's toolchain".to_owned())
}

fn packages_are_there() -> bool {
    let files = [
        "bin/rustc",
        "bin/cargo",
        "bin/cargo-clippy",
        "bin/wasm-ld-22",
        "lib/rustlib/src/rust/library/std/Cargo.toml",
    ];
    files.iter().all(|file| Path::new(PREFIX).join(file).exists())
}

/// Builds the standard library through an empty crate; returns the folder with its compiled files.
fn build_std(workshop: &Workshop, progress: &mut Progress) -> Result<PathBuf> {
    progress.say("building the standard library, about a minute");
    let dir = workshop.cache.join("debian-std");
    let source = dir.join("src");
    fs::create_dir_all(&source).map_err(on_file("create", &source))?;
    write(
        &dir.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n",
    )?;
    write(&source.join("lib.rs"), "")?;
    let target = dir.join("target");
    Program::new("/usr/bin/cargo")
        .args(["build", "-Zbuild-std=std,panic_abort,test", "--target", WASM_TARGET, "--release"])
        .dir(&dir)
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", &target)
        .without_env("RUSTUP_TOOLCHAIN")
        .without_env("RUSTFLAGS")
        .without_env("LD_LIBRARY_PATH")
        .run(progress)?;
    Ok(target.join(WASM_TARGET).join("release/deps"))
}

/// Copies it to where the compiler looks; only root may write there.
fn copy_std(built: &Path) -> Result<()> {
    let place = Path::new(PREFIX).join("lib/rustlib").join(WASM_TARGET).join("lib");
    let copied = fs::create_dir_all(&place).and_then(|()| copy_rlibs(built, &place));
    copied.map_err(|error| {
        let (from, to) = (built.display(), place.display());
        let message = format!("can't write the standard library ({error}); run by hand: sudo mkdir -p {to}");
        Failure::new(format!("{message} && sudo cp {from}/*.rlib {to}/ && sudo rm {to}/libempty-*.rlib"))
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
fn select(progress: &mut Progress) -> Result<Vec<(String, OsString)>> {
    let native = Program::new("rustc").args(["--print", "sysroot"]).answer();
    if native.as_deref() == Some(PREFIX) {
        return Ok(Vec::new());
    }
    let Some(toolchains) = Program::new("rustup").args(["toolchain", "list"]).answer() else {
        // No rustup: whatever cargo is first on PATH gives way to Debian's.
        let mut path = OsString::from("/usr/bin:");
        path.push(env::var_os("PATH").unwrap_or_default());
        return Ok(vec![("PATH".to_owned(), path), ("RUSTC".to_owned(), "/usr/bin/rustc".into())]);
    };
    if !toolchains.lines().any(|line| line.split_whitespace().next() == Some("debian")) {
        Program::new("rustup").args(["toolchain", "link", "debian", PREFIX]).run(progress)?;
    }
    Ok(vec![("RUSTUP_TOOLCHAIN".to_owned(), "debian".into())])
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(on_file("write", path))
}
