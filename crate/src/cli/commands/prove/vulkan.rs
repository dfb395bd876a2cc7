//! The Vulkan loader and its drivers: what is there, what is missing, and what the bundle can add.
//!
//! Compute machines often have a card's driver without the loader, or without the file that names the driver to it.
//! The bundle brings the loader, and files for NVIDIA's driver.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Where loaders look for libraries and drivers on Linux.
const LIBRARIES: [&str; 9] = [
    "/usr/lib/x86_64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/usr/lib64",
    "/lib64",
    "/usr/lib",
    "/usr/local/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/lib/wsl/lib",
];
const DRIVERS: [&str; 4] = [
    "/usr/share/vulkan/icd.d",
    "/etc/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/usr/local/etc/vulkan/icd.d",
];
const LOADER: &str = "libvulkan.so.1";

/// What a process needs to find Vulkan, and what stands in its way.
#[derive(Debug, Default, PartialEq)]
pub struct VulkanSetup {
    /// Variables for processes that use Vulkan.
    pub variables: Vec<(&'static str, OsString)>,
    /// The loader, if there is one.
    pub loader: Option<PathBuf>,
    /// The files that name drivers.
    pub drivers: Vec<PathBuf>,
    /// What is missing, on one line.
    pub problem: Option<String>,
}

impl VulkanSetup {
    /// Looks around on this machine and in the bundle.
    pub fn find(bundle: &Path) -> Self {
        // Other systems come with a loader, or use another graphics API.
        if !cfg!(target_os = "linux") {
            return Self::default();
        }
        let nvidia = Path::new("/proc/driver/nvidia/version").exists() || Path::new("/dev/nvidia0").exists();
        let mut libraries: Vec<PathBuf> =
            env::var_os("LD_LIBRARY_PATH").map(|list| env::split_paths(&list).collect()).unwrap_or_default();
        libraries.extend(LIBRARIES.iter().map(PathBuf::from));
        let variable = |name: &'static str| Some((name, env::var_os(name)?));
        let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].into_iter().find_map(variable);
        let drivers = match &named {
            Some((_, list)) => env::split_paths(list).filter(|file| file.is_file()).collect(),
            None => DRIVERS.iter().flat_map(|folder| manifests(Path::new(folder))).collect(),
        };
        let mut setup = Self::choose(&libraries, drivers, &bundle.join("lib"), nvidia);
        if let (Some((variable, _)), true, Some(problem)) =
            (&named, setup.drivers.is_empty(), &mut setup.problem)
        {
            *problem = format!("{problem}; {variable} is set and names no file that is there");
        }
        setup
    }

    /// The same for these folders of libraries and these drivers.
    fn choose(libraries: &[PathBuf], drivers: Vec<PathBuf>, ours: &Path, nvidia: bool) -> Self {
        let find = |name: &str| libraries.iter().map(|folder| folder.join(name)).find(|file| file.exists());
        let mut setup = Self { loader: find(LOADER), drivers, ..Self::default() };
        if setup.loader.is_none() && ours.join(LOADER).exists() {
            setup.loader = Some(ours.join(LOADER));
            let mut path = vec![ours.to_owned()];
            path.extend(env::var_os("LD_LIBRARY_PATH").iter().flat_map(env::split_paths));
            if let Ok(path) = env::join_paths(path) {
                setup.variables.push(("LD_LIBRARY_PATH", path));
            }
        }
        let lists_nvidia = setup.drivers.iter().any(|file| file.to_string_lossy().contains("nvidia"));
        if nvidia && !lists_nvidia {
            // The first needs the X client libraries, the second does without.
            let with_x = find("libGLX_nvidia.so.0").filter(|_| find("libX11.so.6").is_some());
            let without = find("libEGL_nvidia.so.0");
            let file = with_x.map(|_| ours.join("nvidia_glx.json"));
            let file = file.or_else(|| without.map(|_| ours.join("nvidia_egl.json")));
            if let Some(file) = file.filter(|file| file.is_file()) {
                setup.drivers.push(file);
                if let Ok(list) = env::join_paths(&setup.drivers) {
                    setup.variables.push(("VK_DRIVER_FILES", list));
                }
            }
        }
        let lists_nvidia = setup.drivers.iter().any(|file| file.to_string_lossy().contains("nvidia"));
        setup.problem = if setup.loader.is_none() {
            Some(format!("the Vulkan loader {LOADER} is missing (Debian and Ubuntu: libvulkan1)"))
        } else if nvidia && !lists_nvidia {
            let why = "NVIDIA's driver is here without its Vulkan part (libGLX_nvidia.so.0 or libEGL_nvidia.so.0; in a \
                       container: NVIDIA_DRIVER_CAPABILITIES=all)";
            Some(why.to_owned())
        } else if setup.drivers.is_empty() {
            Some("no Vulkan driver is found (on most systems in /usr/share/vulkan/icd.d)".to_owned())
        } else {
            None
        };
        setup
    }

    /// The drivers' files, for people.
    pub fn driver_names(&self) -> String {
        let names = self.drivers.iter().filter_map(|file| file.file_stem()?.to_str());
        names.collect::<Vec<_>>().join(", ")
    }
}

/// The `.json` files of a folder.
fn manifests(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|e| e == "json"))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine's libraries and a bundle, and what is chosen there.
    fn chosen(libraries: &[&str], drivers: &[&str], nvidia: bool) -> VulkanSetup {
        let root = tempfile::tempdir().expect("a folder");
        let (system, ours) = (root.path().join("system"), root.path().join("bundle/lib"));
        for folder in [&system, &ours] {
            fs::create_dir_all(folder).expect("made");
        }
        for file in libraries {
            fs::write(system.join(file), "").expect("written");
        }
        for file in [LOADER, "nvidia_glx.json", "nvidia_egl.json"] {
            fs::write(ours.join(file), "").expect("written");
        }
        VulkanSetup::choose(&[system], drivers.iter().map(PathBuf::from).collect(), &ours, nvidia)
    }

    fn names(setup: &VulkanSetup) -> Vec<&'static str> {
        setup.variables.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn a_complete_machine_needs_nothing() {
        let setup = chosen(&[LOADER], &["/usr/share/vulkan/icd.d/nvidia_icd.json"], true);
        assert!(setup.variables.is_empty() && setup.problem.is_none(), "{setup:?}");
    }

    #[test]
    fn the_bundle_adds_loader_and_driver_file() {
        let headless = chosen(&["libEGL_nvidia.so.0", "libGLX_nvidia.so.0"], &[], true);
        assert_eq!(names(&headless), ["LD_LIBRARY_PATH", "VK_DRIVER_FILES"]);
        assert_eq!(headless.driver_names(), "nvidia_egl", "without X the other can't be loaded");
        let desktop = chosen(&[LOADER, "libGLX_nvidia.so.0", "libX11.so.6"], &[], true);
        assert_eq!(
            (names(&desktop), desktop.driver_names().as_str()),
            (vec!["VK_DRIVER_FILES"], "nvidia_glx")
        );
    }

    #[test]
    fn missing_parts_are_named() {
        let problem = |setup: VulkanSetup| setup.problem.expect("a problem");
        assert!(problem(chosen(&[LOADER], &[], false)).contains("no Vulkan driver"));
        assert!(problem(chosen(&[LOADER], &["lvp_icd.json"], true)).contains("without its Vulkan part"));
        let bare = VulkanSetup::choose(&[], Vec::new(), Path::new("/nowhere"), false);
        assert!(problem(bare).contains("libvulkan1"));
    }
}
