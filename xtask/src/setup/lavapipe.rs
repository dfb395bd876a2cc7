//! Mesa's lavapipe: a Vulkan driver that computes on the CPU, for the tests of the shaders outside the browser.
//!
//! Burn's SPIR-V needs an extension that Mesa 25 still lacked (docs/gpu.md), and stable distributions are behind it. On
//! Debian, this fetches the driver of the coming release with all its libraries, down to the C library, into a folder of
//! its own; nothing of the system changes, and no root is needed. Elsewhere it takes the driver of the system.

use std::fs;
use std::path::{Path, PathBuf};

use super::apt;
use crate::cmd::Cmd;
use crate::env::{BuildEnv, Fetched, Lavapipe};
use crate::error::{Error, Result, file_error};
use crate::progress::Progress;

/// Where drivers name themselves to the Vulkan loader.
const DRIVERS: &str = "usr/share/vulkan/icd.d";
/// The loader.
const LOADERS: [&str; 2] = ["/usr/lib/x86_64-linux-gnu/libvulkan.so.1", "/usr/lib64/libvulkan.so.1"];

/// What is fetched; patchelf makes a program use the C library beside the driver.
const PACKAGES: [&str; 3] = ["mesa-vulkan-drivers", "libvulkan1", "patchelf"];
/// Debian's coming release.
const SUITE: &str = "testing";
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Fetched folders are called this and the version.
const PREFIX: &str = "lavapipe-";

/// Finds or fetches the driver and the loader, where there is Vulkan.
pub fn install(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    if !cfg!(target_os = "linux") {
        return Ok("the system's own driver".to_owned());
    }
    let tools = env.tools_dir();
    let root = match (find_fetched(&tools), debian_archive()) {
        (Some(root), _) => Some(root),
        (None, Some(archive)) => Some(fetch(&tools, &archive, progress)?),
        (None, None) => None,
    };
    let (lavapipe, line) = match root {
        Some(root) => {
            let name = root.file_name().unwrap_or_default().to_string_lossy().replacen(PREFIX, "Mesa ", 1);
            (in_folder(&root)?, name)
        }
        None => (of_the_system(progress)?, "the system's".to_owned()),
    };
    env.lavapipe = Some(lavapipe);
    Ok(line)
}

/// What an earlier run has fetched.
fn find_fetched(tools: &Path) -> Option<PathBuf> {
    let folders = fs::read_dir(tools).ok()?.flatten().map(|entry| entry.path());
    folders
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)))
        .max()
}

/// The address of Debian's archive from which this system takes its packages.
fn debian_archive() -> Option<String> {
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let files = folder.map(|entry| entry.path()).chain([PathBuf::from("/etc/apt/sources.list")]);
    files.filter_map(|file| fs::read_to_string(file).ok()).find_map(|text| archive_in(&text))
}

/// That address in a list of sources of either form.
fn archive_in(sources: &str) -> Option<String> {
    let lines = sources.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(str::split_whitespace);
    let is_archive =
        |word: &&str| word.starts_with("http") && word.trim_end_matches('/').ends_with("/debian");
    words.find(is_archive).map(str::to_owned)
}

/// Fetches the packages and all they need, as apt would for an empty system, and unpacks them.
fn fetch(tools: &Path, archive: &str, progress: &mut Progress) -> Result<PathBuf> {
    progress.status(format!("fetching Mesa of Debian's {SUITE} suite, 70 MB, once"));
    let work = tools.join("lavapipe.part");
    if work.exists() {
        fs::remove_dir_all(&work).map_err(file_error("empty", &work))?;
    }
    for folder in ["lists/partial", "archives/partial", "root"] {
        let folder = work.join(folder);
        fs::create_dir_all(&folder).map_err(file_error("create", &folder))?;
    }
    let write = |name: &str, text: &str| {
        let path = work.join(name);
        fs::write(&path, text).map_err(file_error("write", &path))
    };
    write("status", "")?;
    write("sources.list", &format!("deb [signed-by={KEYS}] {archive} {SUITE} main\n"))?;
    let within = |option: &str, name: &str| format!("{option}={}", work.join(name).display());
    let options = [
        within("Dir::Etc::SourceList", "sources.list"),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        within("Dir::State::Lists", "lists"),
        within("Dir::State::status", "status"),
        within("Dir::Cache", ""),
        // As root, apt would fetch as a user who may not write here.
        "APT::Sandbox::User=".to_owned(),
        "Acquire::Languages=none".to_owned(),
    ];
    let apt_get = || Cmd::new("apt-get").args(options.iter().flat_map(|option| ["-o", option]));
    apt_get().args(["update"]).run(progress)?;
    let install = apt_get().args(["install", "--yes", "--download-only", "--no-install-recommends"]);
    install.args(PACKAGES).run(progress)?;

    let (root, archives) = (work.join("root"), work.join("archives"));
    let mut version = None;
    for entry in fs::read_dir(&archives).map_err(file_error("list", &archives))?.flatten() {
        let (package, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.ends_with(".deb") {
            let unpack =
                Cmd::new("dpkg-deb").args(["--extract".as_ref(), package.as_os_str(), root.as_os_str()]);
            unpack.run(progress)?;
        }
        if let Some(rest) = name.strip_prefix("mesa-vulkan-drivers_") {
            version = rest.split('_').next().map(str::to_owned);
        }
    }
    let version = version.ok_or_else(|| Error::new("apt-get fetched no mesa-vulkan-drivers"))?;
    let place = tools.join(format!("{PREFIX}{version}"));
    fs::rename(&root, &place).map_err(file_error("move to", &place))?;
    fs::remove_dir_all(&work).map_err(file_error("remove", &work))?;
    Ok(place)
}

/// The driver in a fetched folder.
fn in_folder(root: &Path) -> Result<Lavapipe> {
    let missing =
        |what: &str| Error::new(format!("{} has no {what}; remove it and try again", root.display()));
    let driver = find_driver(root).ok_or_else(|| missing("driver"))?;
    let folders =
        fs::read_dir(root.join("usr/lib")).into_iter().flatten().flatten().map(|entry| entry.path());
    let libraries = folders.into_iter().find(|folder| folder.join("libvulkan.so.1").exists());
    let libraries = libraries.ok_or_else(|| missing("libvulkan.so.1"))?;
    Ok(Lavapipe { driver, fetched: Some(Fetched { root: root.to_path_buf(), libraries }) })
}

/// The driver of the system, installed if apt-get can.
fn of_the_system(progress: &mut Progress) -> Result<Lavapipe> {
    let system = Path::new("/");
    if find_driver(system).is_none() || !LOADERS.iter().any(|loader| Path::new(loader).exists()) {
        apt::install(&["mesa-vulkan-drivers", "libvulkan1"], progress)?;
    }
    let driver = find_driver(system).ok_or_else(|| Error::new(format!("lavapipe is not in /{DRIVERS}")))?;
    Ok(Lavapipe { driver, fetched: None })
}

/// The driver's file for the loader.
fn find_driver(root: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(root.join(DRIVERS)).ok()?.flatten().map(|entry| entry.path());
    files
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lvp_icd")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_found_in_either_form_of_sources() {
        let lines =
            "# deb http://old.example/debian woody main\ndeb [arch=amd64] http://a.example/debian sid main\n";
        assert_eq!(archive_in(lines).as_deref(), Some("http://a.example/debian"));
        let fields = "Types: deb\nURIs: https://b.example/debian/\nSuites: trixie\n";
        assert_eq!(archive_in(fields).as_deref(), Some("https://b.example/debian/"));
        assert_eq!(
            archive_in("URIs: http://c.example/debian-security\nURIs: http://d.example/ubuntu\n"),
            None
        );
    }
}
