//! Mesa's lavapipe: a Vulkan driver that computes on the CPU, for the tests of the shaders outside the browser.

use std::fs;
use std::path::PathBuf;

use super::apt;
use crate::env::BuildEnv;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Where drivers name themselves to the Vulkan loader.
const DRIVERS: &str = "/usr/share/vulkan/icd.d";
/// The loader.
const LOADERS: [&str; 2] = ["/usr/lib/x86_64-linux-gnu/libvulkan.so.1", "/usr/lib64/libvulkan.so.1"];

/// Finds or installs the driver and the loader, where there is Vulkan.
pub fn install(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    if !cfg!(target_os = "linux") {
        return Ok("the system's own driver".to_owned());
    }
    if find().is_none() || !LOADERS.iter().any(|loader| PathBuf::from(loader).exists()) {
        apt::install(&["mesa-vulkan-drivers", "libvulkan1"], progress)?;
    }
    let driver = find().ok_or_else(|| Error::new(format!("lavapipe is not in {DRIVERS}")))?;
    env.lavapipe = Some(driver);
    Ok("ok".to_owned())
}

/// Its file for the loader.
fn find() -> Option<PathBuf> {
    let files = fs::read_dir(DRIVERS).ok()?.flatten().map(|entry| entry.path());
    files
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lvp_icd")))
}
