//! `cargo xtask build`: the static site in `dist/`, for any host and any sub-path.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cmd::Cmd;
use crate::env::BuildEnv;
use crate::error::{Result, file_error};
use crate::modules::{self, Module};
use crate::notices;
use crate::progress::Progress;
use crate::setup;
use crate::steps::{self, Artifact, Step};

/// The npm package that contains wasm-opt.
const BINARYEN: &str = "binaryen@132.0.0";

/// What Rust's wasm uses by default, and SIMD; wasm-opt must not introduce anything else.
const WASM_FEATURES: [&str; 7] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Sets up, builds all modules and writes the site.
pub fn run(env: &mut BuildEnv, optimize: bool) -> Result<bool> {
    let mut steps = setup::rust_steps();
    steps.extend(setup::node_steps());
    steps.extend(setup::wasm_steps());
    steps.extend(Module::ALL.map(modules::build_step));
    steps.push(site_step());
    if optimize {
        steps.extend(Module::ALL.map(optimize_step));
    }
    let summary = steps::run_all(env, steps);
    summary.print();
    Ok(summary.passed())
}

/// The step that writes `dist/` with the modules built so far.
pub fn site_step<'a>() -> Step<'a> {
    let action = |env: &mut BuildEnv, progress: &mut Progress| {
        env.npm().args(["run", "build"]).run(progress)?;
        progress.status("third-party notices");
        let path = env.root.join("dist/THIRD-PARTY-NOTICES.txt");
        let notices = notices::collect(env)?;
        fs::write(&path, &notices.text).map_err(file_error("write", &path))?;
        Ok(format!("dist/, with notices of {} third-party packages", notices.packages))
    };
    Step::new("Site", action)
        .needs(&[Artifact::Node, Artifact::CpuModule, Artifact::OnnxModule])
        .provides(Artifact::Site)
}

fn optimize_step<'a>(module: Module) -> Step<'a> {
    let action = move |env: &mut BuildEnv, progress: &mut Progress| {
        let wasm_opt = find_wasm_opt(env, progress)?;
        let wasm = env.root.join("dist/pkg").join(module.name()).join("crossdub_bg.wasm");
        let optimized = wasm.with_extension("wasm.new");
        progress.status("wasm-opt -Oz, several minutes");
        let wasm_opt = Cmd::new(wasm_opt).args(["-Oz"]).args(WASM_FEATURES);
        let wasm_opt =
            if module == Module::CpuRelaxed { wasm_opt.args(["--enable-relaxed-simd"]) } else { wasm_opt };
        let wasm_opt = wasm_opt.args([wasm.as_path()]);
        wasm_opt.args([Path::new("--output"), optimized.as_path()]).run(progress)?;
        let megabytes =
            |path: &Path| fs::metadata(path).map(|file| file.len() as f64 / 1e6).unwrap_or_default();
        let (before, after) = (megabytes(&wasm), megabytes(&optimized));
        fs::rename(&optimized, &wasm).map_err(file_error("move", &optimized))?;
        Ok(format!("{before:.1} MB to {after:.1} MB"))
    };
    let step = Step::new(format!("wasm-opt, {}", module.title()), action);
    match module {
        Module::Cpu => step.needs(&[Artifact::Site, Artifact::CpuModule]),
        Module::CpuRelaxed => step.needs(&[Artifact::Site, Artifact::CpuRelaxedModule]),
        Module::WebGpu => step.needs(&[Artifact::Site, Artifact::WebGpuModule]),
        Module::Onnx => step.needs(&[Artifact::Site, Artifact::OnnxModule]),
    }
}

/// wasm-opt from the page's packages or from the tools folder, where it is installed if missing.
fn find_wasm_opt(env: &BuildEnv, progress: &mut Progress) -> Result<PathBuf> {
    let tools = env.tools_dir().join("binaryen");
    let wasm_opt_in = |dir: &Path| dir.join("node_modules/.bin/wasm-opt");
    if let Some(found) =
        [&env.root, &tools].map(|dir| wasm_opt_in(dir)).into_iter().find(|path| path.exists())
    {
        return Ok(found);
    }
    progress.status(format!("npm install {BINARYEN}"));
    fs::create_dir_all(&tools).map_err(file_error("create", &tools))?;
    let npm =
        env.npm().args(["install", "--no-audit", "--no-fund", "--prefix"]).args([&tools]).args([BINARYEN]);
    let manual = format!("npm install --no-save {BINARYEN}");
    npm.run(progress).map_err(|error| error.with_manual_command("can't install wasm-opt", &manual))?;
    Ok(wasm_opt_in(&tools))
}
