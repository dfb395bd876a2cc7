//! The build environment: the checkout, the cache, and how cargo, wasm-bindgen and npm are called in them.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use crate::cmd::Cmd;
use crate::error::{Error, Result};
use crate::modules::Module;

/// The compilation target of the modules.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// npm's program: on Windows it is a script that has to be called by its full name.
pub const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// Packages and features of every native check and test: with the remote devices, so that Burn is compiled once for all.
pub const NATIVE_ARGS: [&str; 3] = ["--workspace", "--features", "crossdub/remote,crossdub/ts"];

/// Paths, and what the set-up steps have found.
pub struct BuildEnv {
    /// The checkout.
    pub root: PathBuf,
    /// Crossdub's cache folder, outside the checkout: tools and Debian's standard library for wasm.
    pub cache: PathBuf,
    /// Variables that select the toolchain of the wasm builds, if it is not the native one.
    pub wasm_toolchain: Vec<(String, OsString)>,
    /// Chromium, once found.
    pub chromium: Option<PathBuf>,
    /// The driver of that Chromium, once found.
    pub chromedriver: Option<PathBuf>,
    /// Firefox, once found.
    pub firefox: Option<PathBuf>,
    /// Mesa's Vulkan driver for the CPU, once found.
    pub lavapipe: Option<Lavapipe>,
}

/// Mesa's Vulkan driver for the CPU.
#[derive(Clone, Debug)]
pub struct Lavapipe {
    /// Its file for the Vulkan loader.
    pub driver: PathBuf,
    /// Where it lies, if it was fetched; `None` for the system's.
    pub fetched: Option<Fetched>,
}

/// Packages of a newer system in a folder of their own.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The folder that is `/` to them.
    pub root: PathBuf,
    /// In there, the folder of their libraries, the C library among them.
    pub libraries: PathBuf,
}

impl BuildEnv {
    /// Finds the checkout and the cache folder.
    pub fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = manifest.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        let root =
            root.or_else(|| env::current_dir().ok()).filter(|root| root.join("xtask/Cargo.toml").is_file());
        let root = root.ok_or_else(|| Error::new("run `cargo xtask` inside the checkout"))?;
        Ok(Self::in_dirs(root, cache_dir()?))
    }

    /// An environment in these folders, before any set-up.
    pub fn in_dirs(root: PathBuf, cache: PathBuf) -> Self {
        Self {
            root,
            cache,
            wasm_toolchain: Vec::new(),
            chromium: None,
            chromedriver: None,
            firefox: None,
            lavapipe: None,
        }
    }

    /// The folder of tools that xtask installs for itself.
    pub fn tools_dir(&self) -> PathBuf {
        self.cache.join("tools")
    }

    /// Cargo's target folder.
    pub fn target_dir(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), |dir| self.root.join(dir))
    }

    /// Cargo with the native toolchain.
    pub fn cargo(&self) -> Cmd {
        self.with_tools("cargo")
    }

    /// Cargo with the toolchain that compiles to wasm, or a tool that calls it.
    pub fn wasm_cmd(&self, program: &str) -> Cmd {
        // RUSTFLAGS would replace those of .cargo/config.toml, and SIMD would be lost.
        let mut cmd = self.with_tools(program).env_remove("RUSTFLAGS");
        if !self.wasm_toolchain.is_empty() {
            // `cargo run` points this at the native toolchain's libraries.
            cmd = cmd.env_remove("LD_LIBRARY_PATH");
        }
        for (name, value) in &self.wasm_toolchain {
            cmd = cmd.env(name, value);
        }
        cmd
    }

    /// npm, without downloads of browsers: the tests use the installed ones.
    pub fn npm(&self) -> Cmd {
        Cmd::new(NPM)
            .current_dir(&self.root)
            .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
            .env("NO_COLOR", "1")
    }

    /// How many crates a native build of the whole workspace compiles at most.
    pub fn native_crate_count(&self) -> Option<usize> {
        let tree = self.cargo().args(["tree", "--edges", "normal,build,dev", "--prefix", "none"]);
        tree.args(NATIVE_ARGS).stdout().map(|list| count_crates(&list))
    }

    /// How many crates a module's build compiles at most.
    pub fn module_crate_count(&self, module: Module) -> Option<usize> {
        let tree = self.cargo().args(["tree", "--package", "crossdub", "--target", WASM_TARGET]);
        let tree = tree.args(["--edges", "normal,build,dev", "--prefix", "none"]);
        tree.args(module.cargo_args(self)).stdout().map(|list| count_crates(&list))
    }

    fn with_tools(&self, program: &str) -> Cmd {
        let mut path = vec![self.tools_dir().join("bin")];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let cmd = Cmd::new(program).current_dir(&self.root).env("CARGO_TERM_COLOR", "never");
        match env::join_paths(path) {
            Ok(path) => cmd.env("PATH", path),
            Err(_) => cmd,
        }
    }
}

fn cache_dir() -> Result<PathBuf> {
    let var = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || var("HOME").map(|home| home.join(".cache"));
    let dir = var("XDG_CACHE_HOME").or_else(home).or_else(|| var("LOCALAPPDATA"));
    dir.map(|dir| dir.join("crossdub")).ok_or_else(|| Error::new("neither XDG_CACHE_HOME nor HOME is set"))
}

/// The first free port from `start` on.
pub fn first_free_port(start: u16) -> Result<u16> {
    (start..start + 100).find(|port| is_free(*port)).ok_or_else(|| Error::new("no free port"))
}

/// Whether nothing listens on this port.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Counts the packages in the output of `cargo tree --prefix none`, which lists some of them several times.
fn count_crates(tree: &str) -> usize {
    let packages = tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    packages.collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_of_a_tree_is_counted_once() {
        assert_eq!(count_crates("a v1.0.0\nb v2.0.0 (*)\n\nb v2.0.0\nb v1.0.0\nm v1.0.0 (proc-macro)\n"), 4);
    }
}
