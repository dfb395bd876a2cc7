//! Mesa's lavapipe: a Vulkan driver that computes on the CPU, for the tests of the shaders outside the browser.
//!
//! Burn's SPIR-V needs an extension that Mesa 25 still lacked (docs/gpu.md), and stable distributions are behind it. On
//! Debian, this fetches the driver of the coming release with all its libraries, down to the C library, into a folder of
//! its own; nothing of the system changes, and no root is needed. Elsewhere it takes the driver of the system.

use std::fs::{self, File, TryLockError};
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
    let fetched = match (find_fetched(&tools), debian_archive()) {
        (Some(root), _) => Some(Ok(root)),
        (None, Some(archive)) => Some(fetch(&tools, &archive, progress)),
        (None, None) => None,
    };
    let (lavapipe, line) = match fetched {
        Some(Ok(root)) => {
            let name = root.file_name().unwrap_or_default().to_string_lossy().replacen(PREFIX, "Mesa ", 1);
            (in_folder(&root)?, name)
        }
        // Offline, or from a mirror without that suite: the system's driver has all but SPIR-V.
        Some(Err(why)) => match of_the_system(progress) {
            Ok(lavapipe) => (lavapipe, format!("the system's, since Debian's {SUITE} has failed: {why}")),
            Err(_) => return Err(why),
        },
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

/// The address of the archive from which this system takes Debian's packages; `None` if it is not Debian.
fn debian_archive() -> Option<String> {
    let system = fs::read_to_string("/etc/os-release").ok()?;
    if !system.lines().any(|line| line == "ID=debian") {
        return None;
    }
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let is_read = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "list" || kind == "sources");
    let mut files: Vec<_> = folder.map(|entry| entry.path()).filter(is_read).collect();
    files.sort();
    files.insert(0, PathBuf::from("/etc/apt/sources.list"));
    files.into_iter().filter_map(|file| fs::read_to_string(file).ok()).find_map(|text| archive_in(&text))
}

/// That address in a list of sources of either form: one source a line, or fields between empty lines.
fn archive_in(sources: &str) -> Option<String> {
    let lines = sources.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let mut entries = vec![String::new()];
    for line in lines {
        let last = entries.len() - 1;
        if line.is_empty() || line.starts_with("deb") {
            entries.push(line.to_owned());
        } else {
            entries[last] = format!("{} {line}", entries[last]);
        }
    }
    entries.iter().find_map(|entry| archive_of(entry))
}

/// The address in one source, if it is of Debian's own packages: others have addresses of this form too, but their own
/// components or keys.
fn archive_of(entry: &str) -> Option<String> {
    let mut words = entry.split([' ', '\t', '[', ']']).filter(|word| !word.is_empty());
    let has_other_key = entry.to_lowercase().contains("signed-by") && !entry.contains("debian-archive");
    if has_other_key || !words.clone().any(|word| word == "main") {
        return None;
    }
    let is_archive =
        |word: &&str| word.starts_with("http") && word.trim_end_matches('/').ends_with("/debian");
    words.find(is_archive).map(str::to_owned)
}

/// Fetches the packages and all they need, as apt would for an empty system, and unpacks them.
fn fetch(tools: &Path, archive: &str, progress: &mut Progress) -> Result<PathBuf> {
    fs::create_dir_all(tools).map_err(file_error("create", tools))?;
    // Two first runs at once: the second waits here, and takes what the first has fetched. Where files can't be
    // locked, neither waits.
    let lock = File::create(tools.join("lavapipe.lock")).ok();
    if lock.as_ref().is_some_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock))) {
        progress.status("waiting for another set-up, which fetches Mesa".to_owned());
        let _ = lock.as_ref().map(File::lock);
    }
    if let Some(root) = find_fetched(tools) {
        return Ok(root);
    }
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
        // Nothing of the system's preferences for its own suite.
        "APT::Default-Release=".to_owned(),
        "Dir::Etc::Preferences=/dev/null".to_owned(),
        "Dir::Etc::PreferencesParts=/dev/null".to_owned(),
        // Offline it would warn, and the next call fail for a reason that says nothing.
        "APT::Update::Error-Mode=any".to_owned(),
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
        let fields = "Types: deb\nURIs: https://b.example/debian/\nSuites: trixie\nComponents: main\n\
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
        assert_eq!(archive_in(fields).as_deref(), Some("https://b.example/debian/"));
        let others = "URIs: http://c.example/debian-security\nComponents: main\n\n\
            URIs: http://d.example/ubuntu\nComponents: main\n";
        assert_eq!(archive_in(others), None);
    }

    /// Their addresses look like Debian's.
    #[test]
    fn other_sources_are_not_taken_for_debian() {
        let docker = "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://e.example/linux/debian trixie stable";
        assert_eq!(archive_in(docker), None);
        let box_of = "deb https://f.example/virtualbox/debian trixie contrib";
        assert_eq!(archive_in(box_of), None);
        let scale =
            "deb [signed-by=/usr/share/keyrings/scale.gpg] https://g.example/stable/debian trixie main";
        assert_eq!(archive_in(scale), None);
        let all = format!("{docker}\n{box_of}\n{scale}\ndeb http://a.example/debian trixie main");
        assert_eq!(archive_in(&all).as_deref(), Some("http://a.example/debian"));
    }
}
