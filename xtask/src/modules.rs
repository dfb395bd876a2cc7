//! The four WebAssembly modules: Cargo and wasm-bindgen build them, and each replaces its folder in `pkg/` in one go.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cmd::Cmd;
use crate::env::{BuildEnv, WASM_TARGET};
use crate::error::{Result, file_error};
use crate::progress::Progress;
use crate::steps::{Artifact, Step};

/// One of the modules built from the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// Burn's portable CPU backend, which the page loads first, for every browser.
    Cpu,
    /// The same for browsers with relaxed SIMD, which loads instead where it is there.
    CpuRelaxed,
    /// Burn's WebGPU backend, which the page loads if the browser has an adapter.
    WebGpu,
    /// The reader of ONNX models, which the page loads when one is opened. Without Burn.
    Onnx,
}

impl Module {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cpu, Self::CpuRelaxed, Self::WebGpu, Self::Onnx];

    /// Its folder in `pkg/`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::CpuRelaxed => "cpu-relaxed",
            Self::WebGpu => "webgpu",
            Self::Onnx => "onnx",
        }
    }

    /// Its name in messages.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::CpuRelaxed => "CPU, relaxed SIMD",
            Self::WebGpu => "WebGPU",
            Self::Onnx => "ONNX",
        }
    }

    /// What its build provides to later steps.
    pub fn artifact(self) -> Artifact {
        match self {
            Self::Cpu => Artifact::CpuModule,
            Self::CpuRelaxed => Artifact::CpuRelaxedModule,
            Self::WebGpu => Artifact::WebGpuModule,
            Self::Onnx => Artifact::OnnxModule,
        }
    }

    /// Cargo's features and profile, the same for the page, its tests and clippy, so that Burn is compiled once.
    pub fn cargo_args(self, env: &BuildEnv) -> Vec<OsString> {
        let features = match self {
            Self::Cpu => "web,cpu",
            Self::CpuRelaxed => "web,cpu,relaxed-simd",
            Self::WebGpu => "web,webgpu",
            Self::Onnx => "web-onnx",
        };
        let profile = env.root.join("crate/wasm-profile.toml").into_os_string();
        let mut args = vec!["--config".into(), profile];
        // 7 % smaller, for about 40 seconds more. The page starts with a CPU module, and shows something only then.
        if self != Self::WebGpu {
            args.extend(["--config".into(), "profile.release.lto=\"fat\"".into()]);
        }
        args.extend(["--no-default-features".into(), "--features".into(), features.into()]);
        args
    }
}

/// The step that builds a module.
pub fn build_step<'a>(module: Module) -> Step<'a> {
    Step::new(format!("{} module", module.title()), move |env, progress| build(env, progress, module))
        .needs(&[Artifact::Rust, Artifact::WasmTarget])
        .provides(module.artifact())
}

/// Builds beside the old module, then swaps: an open page never loads half of a module.
fn build(env: &BuildEnv, progress: &mut Progress, module: Module) -> Result<String> {
    progress.count_crates(env.module_crate_count(module));
    let pkg = env.root.join("pkg");
    let new = pkg.join(format!(".{}-new", module.name()));
    remove_dir(&new)?;
    compile(env, module).run(progress)?;
    bind(env, &new, progress)?;
    replace_dir(&new, &pkg.join(module.name()))?;
    let wasm = pkg.join(module.name()).join("crossdub_bg.wasm");
    let size = fs::metadata(&wasm).map_err(file_error("read", &wasm))?.len();
    Ok(format!("pkg/{}, {:.1} MB", module.name(), size as f64 / 1e6))
}

/// Cargo's part. The crate is a plain library: link-time optimization works only where nothing but the module is built.
fn compile(env: &BuildEnv, module: Module) -> Cmd {
    let cargo = env.wasm_cmd("cargo").args(["rustc", "--release", "--package", "crossdub", "--lib"]);
    let cargo = cargo.args(["--crate-type", "cdylib", "--target", WASM_TARGET]).args(module.cargo_args(env));
    // Constructors (CubeCL registers its operations in some) run once, by `tools/bind-module`: unless they are exported, the
    // linker lets every exported function call them all, a third of a training step on WebGPU.
    let cargo = cargo.args(["--", "-Clink-arg=--export=__wasm_call_ctors"]);
    // Without the functions' names, a tenth of what a visitor downloads; wasm-bindgen reads in the one section that stays
    // which instructions it may use.
    cargo.args(["-Clink-arg=--strip-all", "-Clink-arg=--keep-section=target_features"])
}

/// wasm-bindgen's part: the module, JavaScript around it and its types, in the folder `out`.
fn bind(env: &BuildEnv, out: &Path, progress: &mut Progress) -> Result<()> {
    let build = env.cargo().args(["build", "--release", "--locked", "--manifest-path"]);
    let build = build.args([env.root.join("tools/bind-module/Cargo.toml")]);
    build.env("CARGO_TARGET_DIR", env.target_dir()).run(progress)?;
    let compiled = env.target_dir().join(WASM_TARGET).join("release/crossdub.wasm");
    let bind = Cmd::new(env.target_dir().join("release/crossdub-bind-module"));
    bind.args([compiled.as_path(), out]).run(progress).map(drop)
}

/// Moves the folder `new` to `place`, which it replaces.
fn replace_dir(new: &Path, place: &Path) -> Result<()> {
    let mut old = place.as_os_str().to_owned();
    old.push(".old");
    let old = PathBuf::from(old);
    remove_dir(&old)?;
    if place.exists() {
        fs::rename(place, &old).map_err(file_error("move", place))?;
    }
    fs::rename(new, place).map_err(file_error("move", new))?;
    remove_dir(&old)
}

/// Removes a folder if it exists.
pub fn remove_dir(dir: &Path) -> Result<()> {
    if dir.exists() { fs::remove_dir_all(dir).map_err(file_error("remove", dir)) } else { Ok(()) }
}
