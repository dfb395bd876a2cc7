//! `cargo xtask build`: the static site in `dist/`, for any host and any sub-path.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Result, on_file};
use crate::modules::{self, Module};
use crate::notices;
use crate::process::Program;
use crate::progress::Progress;
use crate::setup;
use crate::steps::{self, Part, Step};
use crate::workshop::Workshop;

/// The npm package that holds wasm-opt.
const BINARYEN: &str = "binaryen@132.0.0";

/// What Rust's wasm may use by default, and SIMD; anything else wasm-opt must not introduce.
const WASM_FEATURES: [&str; 7] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Sets up, builds both modules, writes the site.
pub fn run(workshop: &mut Workshop, optimize: bool) -> Result<bool> {
    let mut steps = setup::for_rust();
    steps.extend(setup::for_node());
    steps.extend(setup::for_wasm());
    steps.extend([modules::build_step(Module::Cpu), modules::build_step(Module::WebGpu), site_step()]);
    if optimize {
        steps.extend([Module::Cpu, Module::WebGpu].map(optimize_step));
    }
    let summary = steps::run_all(workshop, steps);
    summary.print();
    Ok(summary.passed())
}

/// The step that writes `dist/` from the modules that are there.
pub fn site_step<'a>() -> Step<'a> {
    let work = |workshop: &mut Workshop, progress: &mut Progress| {
        workshop.npm().args(["run", "build"]).run(progress)?;
        progress.say("third-party notices");
        let path = workshop.root.join("dist/THIRD-PARTY-NOTICES.txt");
        let notices = notices::collect(workshop)?;
        fs::write(&path, &notices.text).map_err(on_file("write", &path))?;
        Ok(format!("dist/, with notices of {} third-party packages", notices.packages))
    };
    Step::new("Site", work).needs(&[Part::Node, Part::CpuModule])
}

fn optimize_step<'a>(module: Module) -> Step<'a> {
    let work = move |workshop: &mut Workshop, progress: &mut Progress| {
        let wasm_opt = find_wasm_opt(workshop, progress)?;
        let wasm = workshop.root.join("dist/pkg").join(module.name()).join("crossdub_bg.wasm");
        let smaller = wasm.with_extension("wasm.new");
        progress.say("wasm-opt -Oz, some minutes");
        let run = Program::new(wasm_opt).args(["-Oz"]).args(WASM_FEATURES).args([wasm.as_path()]);
        run.args([Path::new("--output"), smaller.as_path()]).run(progress)?;
        let size = |path: &Path| fs::metadata(path).map(|file| file.len() as f64 / 1e6).unwrap_or_default();
        let (before, after) = (size(&wasm), size(&smaller));
        fs::rename(&smaller, &wasm).map_err(on_file("move", &smaller))?;
        Ok(format!("{before:.1} MB to {after:.1} MB"))
    };
    let step = Step::new(format!("wasm-opt, {}", module.title()), work);
    match module {
        Module::Cpu => step.needs(&[Part::Node, Part::CpuModule]),
        Module::WebGpu => step.needs(&[Part::Node, Part::WebGpuModule]),
    }
}

/// The one among the page's packages, or one in the tools folder, installed there when missing.
fn find_wasm_opt(workshop: &Workshop, progress: &mut Progress) -> Result<PathBuf> {
    let folder = workshop.tools().join("binaryen");
    let in_packages = |root: &Path| root.join("node_modules/.bin/wasm-opt");
    if let Some(found) =
        [&workshop.root, &folder].map(|root| in_packages(root)).into_iter().find(|path| path.exists())
    {
        return Ok(found);
    }
    progress.say(format!("npm install {BINARYEN}"));
    fs::create_dir_all(&folder).map_err(on_file("create", &folder))?;
    let npm = workshop
        .npm()
        .args(["install", "--no-audit", "--no-fund", "--prefix"])
        .args([&folder])
        .args([BINARYEN]);
    let by_hand = format!("npm install --no-save {BINARYEN}");
    npm.run(progress).map_err(|failure| failure.or_by_hand("wasm-opt can't be installed", &by_hand))?;
    Ok(in_packages(&folder))
}
