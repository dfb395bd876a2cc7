//! Native Rust: format, clippy, tests, documentation, examples.
//!
//! All in the release profile, so that the build scripts and macros are compiled once for checks, tests and modules.

use std::fs;

use super::{DENY_WARNINGS, step, test_totals};
use crate::cmd::Cmd;
use crate::env::{BuildEnv, NATIVE_ARGS};
use crate::error::{Result, file_error};
use crate::progress::Progress;
use crate::steps::{Artifact, Step};

/// rustfmt.
pub fn format<'a>() -> Step<'a> {
    step("rustfmt", |env, progress| env.cargo().args(["fmt", "--all", "--check"]).run(progress).map(drop))
        .needs(&[Artifact::Rust])
}

/// Clippy of everything native: library, binary, tests, examples, benches and xtask.
pub fn clippy<'a>() -> Step<'a> {
    let check = |env: &BuildEnv, progress: &mut Progress| {
        progress.count_crates(env.native_crate_count());
        let clippy = env.cargo().args(["clippy", "--release", "--all-targets"]).args(NATIVE_ARGS);
        clippy.args(DENY_WARNINGS).run(progress).map(drop)
    };
    step("Clippy, native", check).needs(&[Artifact::Rust])
}

/// All native tests, documentation examples included.
pub fn tests<'a>() -> Step<'a> {
    cargo_test("Rust tests", &["--no-fail-fast"])
}

/// The native tests that take seconds.
pub fn unit_tests<'a>() -> Step<'a> {
    cargo_test("Rust unit tests", &["--lib", "--bins"])
}

fn cargo_test<'a>(name: &'static str, options: &'static [&'static str]) -> Step<'a> {
    let action = move |env: &mut BuildEnv, progress: &mut Progress| {
        progress.count_crates(env.native_crate_count());
        let test = env.cargo().args(["test", "--release"]).args(NATIVE_ARGS).args(options);
        Ok(test_totals(&test.run(progress)?))
    };
    Step::new(name, action).needs(&[Artifact::Rust])
}

/// The libraries' documentation, in which every link must resolve.
pub fn documentation<'a>() -> Step<'a> {
    let check = |env: &BuildEnv, progress: &mut Progress| {
        let doc = env.cargo().args(["doc", "--release", "--no-deps", "--lib"]);
        let doc = doc.args(["--package", "crossdub", "--package", "crossdub-kernels"]);
        let doc = doc.args(["--features", "crossdub/remote"]);
        doc.env("RUSTDOCFLAGS", "--deny warnings").run(progress).map(drop)
    };
    step("Documentation", check).needs(&[Artifact::Rust])
}

/// Runs each of `crate/examples`.
pub fn examples<'a>() -> Step<'a> {
    let action = |env: &mut BuildEnv, progress: &mut Progress| {
        progress.count_crates(env.native_crate_count());
        env.cargo().args(["build", "--release", "--examples"]).args(NATIVE_ARGS).run(progress)?;
        let names = example_names(env)?;
        for name in &names {
            progress.status(format!("running {name}"));
            let program = env.target_dir().join("release/examples").join(name);
            Cmd::new(program).current_dir(&env.root).run(progress)?;
        }
        Ok(format!("ran {}", names.join(", ")))
    };
    Step::new("Examples", action).needs(&[Artifact::Rust])
}

fn example_names(env: &BuildEnv) -> Result<Vec<String>> {
    let dir = env.root.join("crate/examples");
    let files = dir.read_dir().and_then(Iterator::collect::<std::io::Result<Vec<fs::DirEntry>>>);
    let files = files.map_err(file_error("read", &dir))?;
    let paths = files.iter().map(fs::DirEntry::path);
    let sources = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let names = sources.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}
