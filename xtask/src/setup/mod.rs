//! What must be there before anything is built or tested. Each step looks first and does nothing when it
//! finds what it needs; one that can't be done says the command to run by hand.

mod browser;
mod debian;
mod node;
mod rust;
mod tools;
mod wasm_target;

use crate::failure::{Failure, Result};
use crate::process::Program;
use crate::progress::Progress;
use crate::steps::{Part, Step};

/// Everything that compiles native code.
pub fn for_rust<'a>() -> Vec<Step<'a>> {
    vec![Step::new("Rust", rust::install).gives(Part::Rust)]
}

/// Everything that the page's JavaScript needs.
pub fn for_node<'a>() -> Vec<Step<'a>> {
    vec![Step::new("Node packages", node::install).gives(Part::Node)]
}

/// Everything that compiles to wasm.
pub fn for_wasm<'a>() -> Vec<Step<'a>> {
    vec![
        Step::new("WebAssembly target", wasm_target::install).needs(&[Part::Rust]).gives(Part::WasmTarget),
        Step::new("wasm-bindgen and wasm-pack", tools::install).needs(&[Part::Rust]).gives(Part::WasmTools),
    ]
}

/// Everything that runs the page.
pub fn for_browser<'a>() -> Vec<Step<'a>> {
    vec![Step::new("Browser", browser::install).gives(Part::Browser)]
}

/// Installs Debian packages, as root only: to ask for a password is not a chore's business.
fn apt_install(packages: &[&str], progress: &mut Progress) -> Result<()> {
    let by_hand = format!("sudo apt-get install -y {}", packages.join(" "));
    if Program::new("apt-get").args(["--version"]).answer().is_none() {
        let message =
            format!("apt-get is not here; install by hand what Debian calls {}", packages.join(", "));
        return Err(Failure::new(message));
    }
    if Program::new("id").args(["-u"]).answer().as_deref() != Some("0") {
        return Err(Failure::new(format!("installing needs root; run by hand: {by_hand}")));
    }
    progress.say(format!("apt-get install {}", packages.join(" ")));
    let apt = || Program::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive");
    let install = |progress: &mut Progress| apt().args(["install", "-y"]).args(packages).run(progress);
    if install(progress).is_ok() {
        return Ok(());
    }
    // The usual reason on a fresh machine: its package lists are missing or old.
    apt()
        .args(["update"])
        .run(progress)
        .map_err(|failure| failure.or_by_hand("no package lists", &by_hand))?;
    install(progress).map(drop).map_err(|failure| failure.or_by_hand("apt-get could not install", &by_hand))
}

/// The first version number in a `--version` answer, such as `20.19.1` in `v20.19.1` or `wasm-pack 0.15.1`.
fn version_in(answer: &str) -> Option<&str> {
    let words = answer.split_whitespace().map(|word| word.trim_start_matches('v'));
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
    fn versions_are_found_in_answers() {
        assert_eq!(version_in("wasm-pack 0.15.1"), Some("0.15.1"));
        assert_eq!(version_in("v20.20.2"), Some("20.20.2"));
        assert_eq!(version_in("none"), None);
        assert_eq!(major_minor("20.19.1"), Some((20, 19)));
        assert_eq!(major_minor("next"), None);
    }
}
