//! The two WebAssembly modules: built by wasm-pack, put into `pkg/` whole.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Result, on_file};
use crate::process::Program;
use crate::progress::Progress;
use crate::steps::{Part, Step};
use crate::workshop::Workshop;

/// One of the two modules that come from the one crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// Burn's portable CPU backend: what the page loads at once.
    Cpu,
    /// Burn's WebGPU backend: what it loads when the browser has an adapter.
    WebGpu,
}

impl Module {
    /// Its folder in `pkg/`, and its Cargo feature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::WebGpu => "webgpu",
        }
    }

    /// How it is called on the terminal.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::WebGpu => "WebGPU",
        }
    }

    /// What its build gives to later steps.
    pub fn part(self) -> Part {
        match self {
            Self::Cpu => Part::CpuModule,
            Self::WebGpu => Part::WebGpuModule,
        }
    }

    /// Cargo's options, features and profile: the same for the page, its tests, clippy and `wasm-pack test`, so that Burn
    /// is compiled once.
    pub fn options(self, workshop: &Workshop) -> Vec<OsString> {
        let features = match self {
            Self::Cpu => "web,cpu",
            Self::WebGpu => "web,webgpu",
        };
        let profile = workshop.root.join("crate/wasm-profile.toml").into_os_string();
        vec!["--config".into(), profile, "--no-default-features".into(), "--features".into(), features.into()]
    }
}

/// The step that builds a module.
pub fn build_step<'a>(module: Module) -> Step<'a> {
    Step::new(format!("{} module", module.title()), move |workshop, progress| {
        build(workshop, progress, module)
    })
    .needs(&[Part::Rust, Part::WasmTarget, Part::WasmTools])
    .gives(module.part())
}

/// Builds a module. wasm-pack writes beside the old one, which is then replaced: an open page never loads half of it.
fn build(workshop: &Workshop, progress: &mut Progress, module: Module) -> Result<String> {
    progress.crates_at_most(workshop.module_crates(module));
    let pkg = workshop.root.join("pkg");
    let new = pkg.join(format!(".{}-new", module.name()));
    remove(&new)?;
    wasm_pack_build(workshop, &new, module).run(progress)?;
    replace(&new, &pkg.join(module.name()))?;
    let wasm = pkg.join(module.name()).join("crossdub_bg.wasm");
    let size = fs::metadata(&wasm).map_err(on_file("read", &wasm))?.len();
    Ok(format!("pkg/{}, {:.1} MB", module.name(), size as f64 / 1e6))
}

fn wasm_pack_build(workshop: &Workshop, out: &Path, module: Module) -> Program {
    let wasm_pack =
        workshop.wasm("wasm-pack").args(["build", "crate", "--release", "--target", "web", "--out-dir"]);
    let wasm_pack = wasm_pack.args([out]).args(["--out-name", "crossdub", "--mode", "no-install"]);
    wasm_pack.args(["--no-pack", "--no-opt", "--no-gitignore", "--"]).args(module.options(workshop))
}

/// Puts a new folder in an old one's place.
pub fn replace(new: &Path, place: &Path) -> Result<()> {
    let mut aside = place.as_os_str().to_owned();
    aside.push(".old");
    let aside = PathBuf::from(aside);
    remove(&aside)?;
    if place.exists() {
        fs::rename(place, &aside).map_err(on_file("move", place))?;
    }
    fs::rename(new, place).map_err(on_file("move", new))?;
    remove(&aside)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() { fs::remove_dir_all(folder).map_err(on_file("remove", folder)) } else { Ok(()) }
}
