//! Installs what a build or test needs. Each step first looks for an existing installation; one that cannot install something
//! prints the command to run by hand.

mod apt;
mod browsers;
mod debian;
mod lavapipe;
mod node;
mod rust;
mod tools;
mod wasm_target;

use crate::steps::{Artifact, Step};

/// For native code.
pub fn rust_steps<'a>() -> Vec<Step<'a>> {
    vec![Step::new("Rust", rust::install).provides(Artifact::Rust)]
}

/// For the page's JavaScript.
pub fn node_steps<'a>() -> Vec<Step<'a>> {
    vec![Step::new("Node packages", node::install).provides(Artifact::Node)]
}

/// For wasm modules.
pub fn wasm_steps<'a>() -> Vec<Step<'a>> {
    let target = Step::new("WebAssembly target", wasm_target::install);
    vec![target.needs(&[Artifact::Rust]).provides(Artifact::WasmTarget)]
}

/// For tests of wasm modules.
pub fn wasm_test_runner_step<'a>() -> Step<'a> {
    let step = Step::new("wasm-bindgen's test runner", tools::install_wasm_test_runner);
    step.needs(&[Artifact::Rust]).provides(Artifact::WasmTestRunner)
}

/// For tests of the page.
pub fn browser_steps<'a>() -> Vec<Step<'a>> {
    vec![
        Step::new("Chromium", browsers::install_chromium).provides(Artifact::Chromium),
        Step::new("Firefox", browsers::install_firefox).provides(Artifact::Firefox),
    ]
}

/// For the check of the dependencies' licences and sources.
pub fn cargo_deny_step<'a>() -> Step<'a> {
    Step::new("cargo-deny", tools::install_cargo_deny).needs(&[Artifact::Rust]).provides(Artifact::CargoDeny)
}

/// For the check of native graphics devices.
pub fn lavapipe_step<'a>() -> Step<'a> {
    Step::new("lavapipe", lavapipe::install).provides(Artifact::Lavapipe)
}

/// For fuzzing.
pub fn cargo_fuzz_step<'a>() -> Step<'a> {
    Step::new("cargo-fuzz", tools::install_cargo_fuzz).needs(&[Artifact::Rust]).provides(Artifact::CargoFuzz)
}

/// The first version number in the output of `--version`, such as `20.19.1` in `v20.19.1` or `wasm-bindgen 0.2.130`.
fn find_version(output: &str) -> Option<&str> {
    let words = output.split_whitespace().map(|word| word.trim_start_matches('v'));
    words.into_iter().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
}

/// Major and minor number of a version.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_program_output() {
        assert_eq!(find_version("wasm-bindgen 0.2.130"), Some("0.2.130"));
        assert_eq!(find_version("v20.20.2"), Some("20.20.2"));
        assert_eq!(find_version("none"), None);
        assert_eq!(major_minor("20.19.1"), Some((20, 19)));
        assert_eq!(major_minor("next"), None);
    }
}
