//! `cargo xtask test` and `cargo xtask check`: every check as a step, cheapest first.

use crate::build;
use crate::failure::Result;
use crate::modules::{self, Module};
use crate::process::Program;
use crate::progress::Progress;
use crate::setup;
use crate::steps::{self, Part, Step};
use crate::workshop::{NATIVE, WASM_TARGET, Workshop, first_free_port};

const FIRST_TEST_PORT: u16 = 4187;
const CLIPPY_STRICT: [&str; 3] = ["--", "--deny", "warnings"];

/// Everything; `quick` leaves out what needs the WebGPU module.
pub fn run(workshop: &mut Workshop, quick: bool) -> Result<bool> {
    let mut steps = setup::for_rust();
    steps.extend(setup::for_node());
    steps.extend(setup::for_wasm());
    steps.extend(setup::for_browser());
    steps.extend([format(), types(), clippy_native()]);
    steps.extend([clippy_wasm(Module::Cpu), clippy_wasm(Module::WebGpu).left_out_if(quick)]);
    steps.push(rust_tests("Rust tests", &["--no-fail-fast"]));
    steps.extend([modules::build_step(Module::Cpu), wasm_tests(Module::Cpu)]);
    steps.push(modules::build_step(Module::WebGpu).left_out_if(quick));
    steps.push(wasm_tests(Module::WebGpu).left_out_if(quick));
    steps.extend([build::site_step(), page_tests(quick)]);
    let summary = steps::run_all(workshop, steps);
    summary.print();
    Ok(summary.passed())
}

/// What takes seconds when warm.
pub fn check(workshop: &mut Workshop) -> Result<bool> {
    let mut steps = setup::for_rust();
    steps.extend(setup::for_node());
    steps.extend([format(), types(), clippy_native(), rust_tests("Rust unit tests", &["--lib", "--bins"])]);
    let summary = steps::run_all(workshop, steps);
    summary.print();
    Ok(summary.passed())
}

fn format<'a>() -> Step<'a> {
    let work = |workshop: &mut Workshop, progress: &mut Progress| {
        workshop.cargo().args(["fmt", "--all", "--check"]).run(progress)?;
        Ok("ok".to_owned())
    };
    Step::new("Format", work).needs(&[Part::Rust])
}

fn types<'a>() -> Step<'a> {
    let work = |workshop: &mut Workshop, progress: &mut Progress| {
        workshop.npm().args(["run", "types"]).run(progress)?;
        Ok("ok".to_owned())
    };
    Step::new("Types", work).needs(&[Part::Node])
}

/// In the release profile, whose build scripts and macros the later steps use as well.
fn clippy_native<'a>() -> Step<'a> {
    let work = |workshop: &mut Workshop, progress: &mut Progress| {
        progress.crates_at_most(workshop.native_crates());
        let clippy = workshop.cargo().args(["clippy", "--release", "--all-targets"]).args(NATIVE);
        clippy.args(CLIPPY_STRICT).run(progress)?;
        Ok("ok".to_owned())
    };
    Step::new("Clippy, native", work).needs(&[Part::Rust])
}

fn clippy_wasm<'a>(module: Module) -> Step<'a> {
    let work = move |workshop: &mut Workshop, progress: &mut Progress| {
        progress.crates_at_most(workshop.module_crates(module));
        let clippy = workshop.wasm("cargo").args([
            "clippy",
            "--release",
            "--package",
            "crossdub",
            "--target",
            WASM_TARGET,
        ]);
        clippy
            .args(["--lib", "--test", "wasm"])
            .args(module.options(workshop))
            .args(CLIPPY_STRICT)
            .run(progress)?;
        Ok("ok".to_owned())
    };
    Step::new(format!("Clippy, wasm, {}", module.title()), work).needs(&[Part::Rust, Part::WasmTarget])
}

fn rust_tests<'a>(name: &'static str, options: &'static [&'static str]) -> Step<'a> {
    let work = move |workshop: &mut Workshop, progress: &mut Progress| {
        progress.crates_at_most(workshop.native_crates());
        let output = workshop.cargo().args(["test", "--release"]).args(NATIVE).args(options).run(progress)?;
        Ok(closing_lines(&output))
    };
    Step::new(name, work).needs(&[Part::Rust])
}

fn wasm_tests<'a>(module: Module) -> Step<'a> {
    let work = move |workshop: &mut Workshop, progress: &mut Progress| {
        progress.crates_at_most(workshop.module_crates(module));
        let output = wasm_pack_test(workshop, module).run(progress)?;
        Ok(closing_lines(&output))
    };
    let step = Step::new(format!("wasm-pack test, {}", module.title()), work);
    // After the module's own build, which is the larger part of this one.
    match module {
        Module::Cpu => step.needs(&[Part::Browser, Part::CpuModule]),
        Module::WebGpu => step.needs(&[Part::Browser, Part::WebGpuModule]),
    }
}

fn wasm_pack_test(workshop: &Workshop, module: Module) -> Program {
    let driver = workshop.chromedriver.clone().unwrap_or_default();
    let test =
        workshop.wasm("wasm-pack").args(["test", "--headless", "--chrome", "--chromedriver"]).args([driver]);
    let test = test.args(["--mode", "no-install", "--release", "crate"]).args(module.options(workshop));
    // A software WebGPU adapter takes long over its first shaders.
    test.args(["--test", "wasm"]).env("WASM_BINDGEN_TEST_TIMEOUT", "900")
}

fn page_tests<'a>(quick: bool) -> Step<'a> {
    let work = move |workshop: &mut Workshop, progress: &mut Progress| {
        // Someone else's tests may run on this machine too.
        let port = first_free_port(FIRST_TEST_PORT)?.to_string();
        let mut tests = workshop.npm().args(["test"]).env("CROSSDUB_TEST_PORT", port);
        if let Some(chromium) = &workshop.chromium {
            tests = tests.env("CROSSDUB_CHROMIUM", chromium);
        }
        if quick {
            tests = tests.env("CROSSDUB_QUICK", "1");
        }
        Ok(closing_lines(&tests.run(progress)?))
    };
    let step = Step::new("Page tests", work);
    match quick {
        true => step.needs(&[Part::Node, Part::Browser, Part::CpuModule]),
        false => step.needs(&[Part::Node, Part::Browser, Part::CpuModule, Part::WebGpuModule]),
    }
}

/// The test runners' own last words: `test result: ...` of Rust's, `12 passed (1.2m)` of Playwright's.
fn closing_lines(output: &str) -> String {
    let counted = ["passed", "failed", "skipped", "flaky", "interrupted", "did not run"];
    let closing = output.lines().map(str::trim).filter(|line| {
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        line.starts_with("test result:")
            || (rest.len() < line.len() && counted.iter().any(|word| rest.starts_with(word)))
    });
    let lines: Vec<&str> = closing.collect();
    if lines.is_empty() { "ok".to_owned() } else { format!("ok\n{}", lines.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_last_words_are_kept() {
        let output = "   Compiling a\ntest b ... ok\n\ntest result: ok. 3 passed; 0 failed; 0 ignored\n  2 skipped\n  12 passed (1.2m)\n";
        assert_eq!(
            closing_lines(output),
            "ok\ntest result: ok. 3 passed; 0 failed; 0 ignored\n2 skipped\n12 passed (1.2m)"
        );
    }

    #[test]
    fn other_lines_that_begin_with_a_number_are_not() {
        assert_eq!(closing_lines("3 warnings\npassed by\n"), "ok");
    }
}
