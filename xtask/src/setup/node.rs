//! Node, and the packages listed in package-lock.json.

use std::fs;

use super::{apt, find_version, major_minor};
use crate::cmd::Cmd;
use crate::env::{BuildEnv, NPM};
use crate::error::{Error, Result, file_error};
use crate::progress::Progress;

/// What the page's build tool needs; `engines` in package.json says the same.
const OLDEST_NODE: (u32, u32) = (20, 19);

/// Installs what is missing.
pub fn install(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    let node_version = || Cmd::new("node").args(["--version"]).stdout();
    let npm_version = || Cmd::new(NPM).args(["--version"]).stdout();
    if node_version().is_none() || npm_version().is_none() {
        apt::install(&["nodejs", "npm"], progress)?;
    }
    let version = node_version().unwrap_or_default();
    if find_version(&version).and_then(major_minor).is_none_or(|found| found < OLDEST_NODE) {
        let (major, minor) = OLDEST_NODE;
        let message = format!(
            "Node {version} is too old; install {major}.{minor} or later: https://nodejs.org/download"
        );
        return Err(Error::new(message));
    }
    let lock = env.root.join("package-lock.json");
    let wanted = fs::read(&lock).map_err(file_error("read", &lock))?;
    // A copy of the lock file that was installed; file times mean nothing in a fresh checkout.
    let stamp = env.root.join("node_modules/.installed-from.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok("already installed".to_owned());
    }
    progress.status("npm ci");
    let ci = env.npm().args(["ci", "--no-audit", "--no-fund"]).run(progress);
    ci.map_err(|error| error.with_manual_command("can't install the Node packages", "npm ci"))?;
    fs::write(&stamp, &wanted).map_err(file_error("write", &stamp))?;
    Ok("installed".to_owned())
}
