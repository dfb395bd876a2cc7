//! Installs Debian packages.

use crate::cmd::Cmd;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Installs packages if this is root; a build should never ask for a password.
pub fn install(packages: &[&str], progress: &mut Progress) -> Result<()> {
    let names = packages.join(" ");
    let manual = format!("sudo apt-get install -y {names}");
    if Cmd::new("apt-get").args(["--version"]).stdout().is_none() {
        let message = format!("apt-get is missing; install the equivalent of these Debian packages: {names}");
        return Err(Error::new(message));
    }
    if Cmd::new("id").args(["-u"]).stdout().as_deref() != Some("0") {
        return Err(Error::new(format!("installing packages needs root; run by hand: {manual}")));
    }
    progress.status(format!("apt-get install {names}"));
    let apt_get = || Cmd::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive");
    let install = |progress: &mut Progress| apt_get().args(["install", "-y"]).args(packages).run(progress);
    if install(progress).is_ok() {
        return Ok(());
    }
    // The usual reason on a fresh machine: its package lists are missing or old.
    let update = apt_get().args(["update"]).run(progress);
    update.map_err(|error| error.with_manual_command("can't update the package lists", &manual))?;
    let installed = install(progress);
    installed.map(drop).map_err(|error| error.with_manual_command("apt-get failed", &manual))
}
