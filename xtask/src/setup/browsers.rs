//! Chromium with its driver, and Firefox, for the tests of the page.

use std::env;
use std::path::{Path, PathBuf};

use super::{apt, find_version};
use crate::cmd::Cmd;
use crate::env::BuildEnv;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Finds or installs Chromium and chromedriver.
pub fn install_chromium(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    if find_chromium().is_none() || find_chromedriver().is_none() {
        apt::install(&["chromium", "chromium-driver"], progress)?;
    }
    let chromium = find_chromium().ok_or_else(|| not_on_path("Chromium"))?;
    let chromedriver = find_chromedriver().ok_or_else(|| not_on_path("chromedriver"))?;
    let (browser, driver) = (major_version(&chromium), major_version(&chromedriver));
    if browser != driver {
        let [browser, driver] = [browser, driver].map(Option::unwrap_or_default);
        let reason = format!("Chromium {browser} and chromedriver {driver} have different versions");
        let manual = "sudo apt-get install chromium chromium-driver";
        return Err(Error::default().with_manual_command(&reason, manual));
    }
    env.chromium = Some(chromium);
    env.chromedriver = Some(chromedriver);
    Ok(format!("Chromium {}", browser.unwrap_or_default()))
}

/// Finds or installs Firefox.
pub fn install_firefox(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    if find_firefox().is_none() {
        apt::install(&["firefox-esr"], progress)?;
    }
    let firefox = find_firefox().ok_or_else(|| not_on_path("Firefox"))?;
    let version = major_version(&firefox).unwrap_or_default();
    env.firefox = Some(firefox);
    Ok(format!("Firefox {version}"))
}

/// The installed Chromium, or a browser built from it.
fn find_chromium() -> Option<PathBuf> {
    let from_env = file_from_env("CROSSDUB_CHROMIUM");
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    from_env.or_else(|| names.into_iter().find_map(find_on_path))
}

fn find_chromedriver() -> Option<PathBuf> {
    file_from_env("CHROMEDRIVER").or_else(|| find_on_path("chromedriver"))
}

fn find_firefox() -> Option<PathBuf> {
    let from_env = file_from_env("CROSSDUB_FIREFOX");
    from_env.or_else(|| ["firefox-esr", "firefox"].into_iter().find_map(find_on_path))
}

fn file_from_env(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file())
}

fn find_on_path(program: &str) -> Option<PathBuf> {
    let dirs = env::var_os("PATH")?;
    let name = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&dirs).map(|dir| dir.join(&name)).find(|path| path.is_file())
}

fn major_version(program: &Path) -> Option<String> {
    let output = Cmd::new(program).args(["--version"]).stdout()?;
    find_version(&output)?.split('.').next().map(str::to_owned)
}

fn not_on_path(program: &str) -> Error {
    Error::new(format!("{program} is installed but not on PATH"))
}
