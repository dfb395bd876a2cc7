//! The checkout, the caches beside it, and how cargo, wasm-pack and npm are called in them.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::modules::Module;
use crate::process::Program;

/// The compilation target of both modules.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// npm's program: on Windows it is a script that has to be called by its full name.
pub const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// What native checks and tests are built with: with the remote devices, so that Burn is compiled once for them and all else.
pub const NATIVE: [&str; 3] = ["--workspace", "--features", "crossdub/remote"];

/// Where everything is, and what the set-up steps found out.
pub struct Workshop {
    /// The checkout.
    pub root: PathBuf,
    /// Crossdub's own cache folder: tools and Debian's standard library for wasm.
    pub cache: PathBuf,
    /// Variables that select the toolchain of the wasm builds, where it is not the native one.
    pub wasm_toolchain: Vec<(String, OsString)>,
    /// The browser, once found.
    pub chromium: Option<PathBuf>,
    /// The driver that belongs to the browser, once found.
    pub chromedriver: Option<PathBuf>,
}

impl Workshop {
    /// Finds the checkout and the cache folder.
    pub fn open() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = manifest.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        let root =
            root.or_else(|| env::current_dir().ok()).filter(|root| root.join("xtask/Cargo.toml").is_file());
        let root = root.ok_or_else(|| Failure::new("run this as `cargo xtask` inside the checkout"))?;
        Ok(Self {
            root,
            cache: cache_folder()?,
            wasm_toolchain: Vec::new(),
            chromium: None,
            chromedriver: None,
        })
    }

    /// The folder that holds tools no one else on this machine installed.
    pub fn tools(&self) -> PathBuf {
        self.cache.join("tools")
    }

    /// Cargo with the native toolchain.
    pub fn cargo(&self) -> Program {
        Program::new("cargo").dir(&self.root).env("CARGO_TERM_COLOR", "never")
    }

    /// A program that may compile to wasm: Cargo with that toolchain, or a tool that calls it.
    pub fn wasm(&self, program: &str) -> Program {
        let mut path = vec![self.tools().join("bin")];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        // RUSTFLAGS would replace those of .cargo/config.toml, and SIMD would be lost.
        let mut program = Program::new(program).dir(&self.root).without_env("RUSTFLAGS");
        if let Ok(path) = env::join_paths(path) {
            program = program.env("PATH", path);
        }
        program = program.env("CARGO_TERM_COLOR", "never");
        if !self.wasm_toolchain.is_empty() {
            // `cargo run` points this at the native toolchain's libraries.
            program = program.without_env("LD_LIBRARY_PATH");
        }
        for (name, value) in &self.wasm_toolchain {
            program = program.env(name, value);
        }
        program
    }

    /// npm, which must not download browsers: the tests use the installed one.
    pub fn npm(&self) -> Program {
        Program::new(NPM).dir(&self.root).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1").env("NO_COLOR", "1")
    }

    /// How many crates a native build of the whole workspace may compile.
    pub fn native_crates(&self) -> Option<usize> {
        let tree =
            self.cargo().args(["tree", "--edges", "normal,build,dev", "--prefix", "none"]).args(NATIVE);
        tree.answer().map(|list| count_crates(&list))
    }

    /// How many crates a module's build may compile.
    pub fn module_crates(&self, module: Module) -> Option<usize> {
        let tree = self.cargo().args(["tree", "--package", "crossdub", "--target", WASM_TARGET]);
        let tree = tree.args(["--edges", "normal,build,dev", "--prefix", "none"]).args(module.options(self));
        tree.answer().map(|list| count_crates(&list))
    }
}

fn cache_folder() -> Result<PathBuf> {
    let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || given("HOME").map(|home| home.join(".cache"));
    let folder = given("XDG_CACHE_HOME").or_else(home).or_else(|| given("LOCALAPPDATA"));
    folder
        .map(|folder| folder.join("crossdub"))
        .ok_or_else(|| Failure::new("neither XDG_CACHE_HOME nor HOME is set"))
}

/// The first port from this one on that no one listens on.
pub fn first_free_port(from: u16) -> Result<u16> {
    (from..from + 100).find(|port| is_free(*port)).ok_or_else(|| Failure::new("no free port"))
}

/// Whether no one listens on this port.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Counts the packages of `cargo tree --prefix none`, which names some more than once.
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
    fn crates_of_a_tree_are_counted_once() {
        assert_eq!(count_crates("a v1.0.0\nb v2.0.0 (*)\n\nb v2.0.0\nb v1.0.0\nm v1.0.0 (proc-macro)\n"), 4);
    }
}
