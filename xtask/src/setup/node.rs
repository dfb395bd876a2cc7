//! Node, and the packages that package-lock.json names.

use std::fs;

use super::{apt_install, major_minor, version_in};
use crate::failure::{Failure, Result, on_file};
use crate::process::Program;
use crate::progress::Progress;
use crate::workshop::{NPM, Workshop};

/// What the page's build tool needs; package.json says the same to npm.
const OLDEST_NODE: (u32, u32) = (20, 19);

/// Installs what is missing.
pub fn install(workshop: &mut Workshop, progress: &mut Progress) -> Result<String> {
    let version = || Program::new("node").args(["--version"]).answer();
    let npm = || Program::new(NPM).args(["--version"]).answer();
    if version().is_none() || npm().is_none() {
        apt_install(&["nodejs", "npm"], progress)?;
    }
    let version = version().unwrap_or_default();
    if version_in(&version).and_then(major_minor).is_none_or(|found| found < OLDEST_NODE) {
        let (major, minor) = OLDEST_NODE;
        let message = format!(
            "Node {version} is too old, {major}.{minor} or later is needed: https://nodejs.org/download"
        );
        return Err(Failure::new(message));
    }
    let lock = workshop.root.join("package-lock.json");
    let wanted = fs::read(&lock).map_err(on_file("read", &lock))?;
    // A copy of the lock file says what was installed from: times of a fresh checkout mean nothing.
    let stamp = workshop.root.join("node_modules/.installed-from.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok("already there".to_owned());
    }
    progress.say("npm ci");
    let ci = workshop.npm().args(["ci", "--no-audit", "--no-fund"]).run(progress);
    ci.map_err(|failure| failure.or_by_hand("Node packages can't be installed", "npm ci"))?;
    fs::write(&stamp, &wanted).map_err(on_file("write", &stamp))?;
    Ok("installed".to_owned())
}
