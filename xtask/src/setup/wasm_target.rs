//! A toolchain that compiles to wasm: the native one with its target added, or Debian's where rustup can't.

use std::env;
use std::path::Path;

use super::debian;
use crate::failure::Result;
use crate::process::Program;
use crate::progress::Progress;
use crate::workshop::{WASM_TARGET, Workshop};

/// Set to `debian`, this takes Debian's toolchain even where rustup has the target.
const CHOICE: &str = "CROSSDUB_WASM_TOOLCHAIN";

/// Finds or installs one, and remembers in the workshop how to call it.
pub fn install(workshop: &mut Workshop, progress: &mut Progress) -> Result<String> {
    if env::var(CHOICE).is_ok_and(|choice| choice == "debian") {
        return debian::install(workshop, progress);
    }
    if native_has_target() {
        return Ok("already there".to_owned());
    }
    // Ready from an earlier run: asking rustup's server again would only cost time.
    if debian::is_ready() {
        return debian::install(workshop, progress);
    }
    progress.say(format!("rustup target add {WASM_TARGET}"));
    match Program::new("rustup").args(["target", "add", WASM_TARGET]).run(progress) {
        Ok(_) => Ok("added by rustup".to_owned()),
        Err(rustup) => debian::install(workshop, progress).map_err(|failure| {
            let why = format!("{rustup}, and Debian's way failed too ({failure})");
            failure.or_by_hand(&why, &format!("rustup target add {WASM_TARGET}"))
        }),
    }
}

fn native_has_target() -> bool {
    let sysroot = Program::new("rustc").args(["--print", "sysroot"]).answer();
    sysroot.is_some_and(|sysroot| has_target(Path::new(&sysroot)))
}

/// Whether a toolchain's folder holds the target's compiled standard library.
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
