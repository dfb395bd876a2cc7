//! A toolchain that compiles to wasm: the native one with its target added, or Debian's if rustup can't add it.

use std::env;
use std::path::Path;

use super::debian;
use crate::cmd::Cmd;
use crate::env::{BuildEnv, WASM_TARGET};
use crate::error::Result;
use crate::progress::Progress;

/// Set to `debian`, this selects Debian's toolchain even if rustup has the target.
const TOOLCHAIN_VARIABLE: &str = "CROSSDUB_WASM_TOOLCHAIN";

/// Finds or installs a toolchain, and records in `env` how to call it.
pub fn install(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    if env::var(TOOLCHAIN_VARIABLE).is_ok_and(|toolchain| toolchain == "debian") {
        return debian::install(env, progress);
    }
    if native_has_target() {
        return Ok("already installed".to_owned());
    }
    // Debian's toolchain is ready from an earlier run: asking rustup's server again would only cost time.
    if debian::is_installed() {
        return debian::install(env, progress);
    }
    progress.status(format!("rustup target add {WASM_TARGET}"));
    match Cmd::new("rustup").args(["target", "add", WASM_TARGET]).run(progress) {
        Ok(_) => Ok("added by rustup".to_owned()),
        Err(rustup) => debian::install(env, progress).map_err(|error| {
            let reason = format!("{rustup}, and Debian's toolchain can't be installed either ({error})");
            error.with_manual_command(&reason, &format!("rustup target add {WASM_TARGET}"))
        }),
    }
}

fn native_has_target() -> bool {
    let sysroot = Cmd::new("rustc").args(["--print", "sysroot"]).stdout();
    sysroot.is_some_and(|sysroot| has_target(Path::new(&sysroot)))
}

/// Whether a toolchain's folder contains the target's compiled standard library.
pub fn has_target(sysroot: &Path) -> bool {
    let Ok(files) = sysroot.join("lib/rustlib").join(WASM_TARGET).join("lib").read_dir() else {
        return false;
    };
    files.flatten().any(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}
