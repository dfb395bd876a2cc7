//! Chromium and the driver that belongs to it, for the tests only.

use std::env;
use std::path::PathBuf;

use super::{apt_install, version_in};
use crate::failure::{Failure, Result};
use crate::process::Program;
use crate::progress::Progress;
use crate::workshop::Workshop;

/// Finds or installs them, and remembers in the workshop where they are.
pub fn install(workshop: &mut Workshop, progress: &mut Progress) -> Result<String> {
    if find_chromium().is_none() || find_chromedriver().is_none() {
        apt_install(&["chromium", "chromium-driver"], progress)?;
    }
    let not_found = |what: &str| Failure::new(format!("{what} is installed but not on PATH"));
    let chromium = find_chromium().ok_or_else(|| not_found("Chromium"))?;
    let chromedriver = find_chromedriver().ok_or_else(|| not_found("chromedriver"))?;
    let major = |program: &PathBuf| {
        let answer = Program::new(program).args(["--version"]).answer()?;
        version_in(&answer)?.split('.').next().map(str::to_owned)
    };
    let (browser, driver) = (major(&chromium), major(&chromedriver));
    if browser != driver {
        let [browser, driver] = [browser, driver].map(Option::unwrap_or_default);
        let why = format!("Chromium {browser} and chromedriver {driver} don't belong together");
        return Err(Failure::default().or_by_hand(&why, "sudo apt-get install chromium chromium-driver"));
    }
    workshop.chromium = Some(chromium);
    workshop.chromedriver = Some(chromedriver);
    Ok(format!("Chromium {}", browser.unwrap_or_default()))
}

/// The installed Chromium, or a browser made from it.
fn find_chromium() -> Option<PathBuf> {
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"].into_iter().find_map(on_path)
}

fn find_chromedriver() -> Option<PathBuf> {
    env::var_os("CHROMEDRIVER")
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .or_else(|| on_path("chromedriver"))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let name = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&folders).map(|folder| folder.join(&name)).find(|path| path.is_file())
}
