//! `cargo xtask api`: the crate's public API as text, compared with the recorded one in `crate/public-api.txt`.

use std::fs;

use crate::cmd::Cmd;
use crate::env::{BuildEnv, NATIVE_ARGS};
use crate::error::{Error, Result, file_error};
use crate::progress::Progress;
use crate::setup;
use crate::steps::{self, Artifact, Step};

/// Where the API is recorded, from the checkout's root.
const RECORD: &str = "crate/public-api.txt";

/// How many changed lines are shown.
const MAX_SHOWN: usize = 20;

/// Compares, or records the current API with `accept`.
pub fn run(env: &mut BuildEnv, accept: bool) -> Result<bool> {
    let mut steps = setup::rust_steps();
    steps.push(step(accept));
    Ok(steps::run_all(env, steps).passed())
}

/// The comparison as a step of the checks.
pub fn step<'a>(accept: bool) -> Step<'a> {
    let action = move |env: &mut BuildEnv, progress: &mut Progress| {
        let current = list(env, progress)?;
        let path = env.root.join(RECORD);
        let recorded = fs::read_to_string(&path).unwrap_or_default();
        if current == recorded {
            return Ok(format!("{} items", current.lines().count()));
        }
        if accept {
            fs::write(&path, &current).map_err(file_error("write", &path))?;
            return Ok(format!("{RECORD} written, {} items", current.lines().count()));
        }
        let message = format!(
            "the public API changed; if you meant it: cargo xtask api --accept\n{}",
            diff(&recorded, &current)
        );
        Err(Error::new(message))
    };
    Step::new("Public API", action).needs(&[Artifact::Rust])
}

/// The public API, an item a line, with the features of the other native checks: their compiled dependencies serve.
fn list(env: &BuildEnv, progress: &mut Progress) -> Result<String> {
    let tool = env.root.join("tools/public-api");
    let doc =
        env.cargo().args(["rustdoc", "--release", "--package", "crossdub", "--lib"]).args(&NATIVE_ARGS[1..]);
    let doc = doc.args(["--", "-Z", "unstable-options", "--output-format", "json"]);
    doc.env("RUSTDOC", tool.join("rustdoc.sh")).run(progress)?;
    let json = env.target_dir().join("doc/crossdub.json");
    let build = env.cargo().args(["build", "--release", "--locked", "--manifest-path"]);
    let build = build.args([tool.join("Cargo.toml")]).env("CARGO_TARGET_DIR", env.target_dir());
    build.run(progress)?;
    let list = Cmd::new(env.target_dir().join("release/crossdub-public-api")).args([&json]).stdout();
    let failed =
        || Error::new("rustdoc's JSON can't be read: does tools/public-api fit this version of Rust?");
    Ok(list.ok_or_else(failed)? + "\n")
}

/// The lines that only one of two sorted lists has, `-` for the first and `+` for the second.
fn diff(recorded: &str, current: &str) -> String {
    let only = |sign: char, these: &str, others: &str| -> Vec<String> {
        let others: std::collections::HashSet<&str> = others.lines().collect();
        these.lines().filter(|line| !others.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    let mut lines = only('-', recorded, current);
    lines.extend(only('+', current, recorded));
    let count = lines.len();
    lines.truncate(MAX_SHOWN);
    if count > MAX_SHOWN {
        lines.push(format!("... and {} more", count - MAX_SHOWN));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_and_added_items_are_shown() {
        assert_eq!(diff("pub fn a\npub fn b\n", "pub fn b\npub fn c\n"), "- pub fn a\n+ pub fn c");
        let many: String = (0..30).map(|item| format!("pub fn f{item}\n")).collect();
        assert!(diff("", &many).ends_with("... and 10 more"));
    }
}
