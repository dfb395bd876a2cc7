//! The checks as steps, for `cargo xtask test` and `cargo xtask check`.

mod graphics;
mod library;
mod page;
mod rust;
mod wasm;

pub use graphics::{spirv, wgsl};
pub use library::{dependencies, package, without_burn, without_burn_wasm};
pub use page::{chromium_tests, firefox_tests, npm_script};
pub use rust::{clippy, documentation, examples, format, tests, unit_tests};
pub use wasm::{clippy as wasm_clippy, tests as wasm_tests};

use crate::env::BuildEnv;
use crate::error::Result;
use crate::progress::Progress;
use crate::steps::Step;

/// Turns warnings into errors.
const DENY_WARNINGS: [&str; 3] = ["--", "--deny", "warnings"];

/// A step that runs one check and reports `ok`.
fn step<'a>(
    name: impl Into<String>,
    check: impl FnOnce(&BuildEnv, &mut Progress) -> Result<()> + 'a,
) -> Step<'a> {
    Step::new(name, move |env, progress| check(env, progress).map(|()| "ok".to_owned()))
}

/// Keeps the test runners' totals: `test result: ...` of Rust, `12 passed (1.2m)` of Playwright, `Tests  3 passed` of vitest.
fn test_totals(output: &str) -> String {
    let counted = ["passed", "failed", "skipped", "flaky", "interrupted", "did not run"];
    let totals = output.lines().map(str::trim).filter(|line| {
        let counts = line.strip_prefix("Tests").unwrap_or(line).trim_start();
        let rest = counts.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        line.starts_with("test result:")
            || (rest.len() < counts.len() && counted.iter().any(|word| rest.starts_with(word)))
    });
    let lines: Vec<&str> = totals.collect();
    if lines.is_empty() { "ok".to_owned() } else { format!("ok\n{}", lines.join("\n")) }
}

#[cfg(test)]
mod unit_test {
    use super::*;

    #[test]
    fn totals_of_the_test_runners_are_kept() {
        let output = "   Compiling a\ntest b ... ok\n\ntest result: ok. 3 passed; 0 failed; 0 ignored\n  2 skipped\n  \
                      12 passed (1.2m)\n Test Files  1 passed (1)\n      Tests  3 passed (3)\n";
        assert_eq!(
            test_totals(output),
            "ok\ntest result: ok. 3 passed; 0 failed; 0 ignored\n2 skipped\n12 passed (1.2m)\nTests  3 passed (3)"
        );
    }

    #[test]
    fn other_lines_that_begin_with_a_number_are_dropped() {
        assert_eq!(test_totals("3 warnings\npassed by\n"), "ok");
    }
}
