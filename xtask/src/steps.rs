//! Numbered steps with their dependencies, timing and summary.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::env::BuildEnv;
use crate::error::Result;
use crate::progress::{Progress, format_duration, print_line};

/// What one step provides and later ones need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Artifact {
    /// Rust with rustfmt and clippy, and the packages of Cargo.lock.
    Rust,
    /// A toolchain that compiles to wasm.
    WasmTarget,
    /// wasm-bindgen's runner of tests in a browser.
    WasmTestRunner,
    /// Node and the packages of package-lock.json.
    Node,
    /// Chromium and its driver.
    Chromium,
    /// Firefox.
    Firefox,
    /// Mesa's Vulkan driver for the CPU.
    Lavapipe,
    /// The `crossdub` binary.
    Binary,
    /// cargo-deny.
    CargoDeny,
    /// cargo-fuzz.
    CargoFuzz,
    /// `pkg/cpu`.
    CpuModule,
    /// `pkg/cpu-relaxed`.
    CpuRelaxedModule,
    /// `pkg/webgpu`.
    WebGpuModule,
    /// `pkg/onnx`.
    OnnxModule,
    /// `dist/`.
    Site,
    /// The running web server.
    Server,
}

type Action<'a> = Box<dyn FnOnce(&mut BuildEnv, &mut Progress) -> Result<String> + 'a>;

/// One step. Its action returns a few words for the step's line, and further lines to print below it.
pub struct Step<'a> {
    name: String,
    needs: &'static [Artifact],
    provides: Option<Artifact>,
    skip: Option<&'static str>,
    action: Action<'a>,
}

impl<'a> Step<'a> {
    /// A step without dependencies.
    pub fn new(
        name: impl Into<String>,
        action: impl FnOnce(&mut BuildEnv, &mut Progress) -> Result<String> + 'a,
    ) -> Self {
        Self { name: name.into(), needs: &[], provides: None, skip: None, action: Box::new(action) }
    }

    /// Skips the step if the step that provides one of these did not succeed.
    pub fn needs(mut self, artifacts: &'static [Artifact]) -> Self {
        self.needs = artifacts;
        self
    }

    /// The artifact that exists once the step has succeeded.
    pub fn provides(mut self, artifact: Artifact) -> Self {
        self.provides = Some(artifact);
        self
    }

    /// Skips the step for this reason if `condition` holds.
    pub fn skip_if(mut self, condition: bool, reason: &'static str) -> Self {
        if condition {
            self.skip = Some(reason);
        }
        self
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    Skipped(&'static str),
}

/// The outcome of every step.
pub struct Summary {
    outcomes: Vec<(String, Outcome)>,
}

/// Runs all steps in order. A failure skips the steps that depend on it; all others still run.
pub fn run_all(env: &mut BuildEnv, steps: Vec<Step<'_>>) -> Summary {
    let count = steps.len();
    let digits = count.to_string().len();
    // Artifacts that no step of this run provides are assumed to exist.
    let mut missing: BTreeSet<Artifact> = steps.iter().filter_map(|step| step.provides).collect();
    let mut summary = Summary { outcomes: Vec::new() };
    for (index, step) in steps.into_iter().enumerate() {
        let title = format!("[{:>digits$}/{count}] {}", index + 1, step.name);
        let dependency_failed = step.needs.iter().any(|artifact| missing.contains(artifact));
        let outcome = match step.skip.or(dependency_failed.then_some("a step it depends on did not succeed"))
        {
            Some(reason) => {
                print_line(&format!("{title}: skipped, {reason}"));
                Outcome::Skipped(reason)
            }
            None => run_one(env, title, step.action),
        };
        if let (Some(artifact), Outcome::Passed(_)) = (step.provides, &outcome) {
            missing.remove(&artifact);
        }
        summary.outcomes.push((step.name, outcome));
    }
    summary
}

fn run_one(env: &mut BuildEnv, title: String, action: Action<'_>) -> Outcome {
    let mut progress = Progress::start(title);
    match action(env, &mut progress) {
        Ok(note) => {
            let mut lines = note.lines();
            let elapsed = progress.finish(lines.next().unwrap_or("ok"));
            lines.for_each(|line| print_line(&format!("        {line}")));
            Outcome::Passed(elapsed)
        }
        Err(error) => {
            let elapsed = progress.finish("FAILED");
            error.output.lines().for_each(|line| print_line(&format!("        {line}")));
            print_line(&format!("        error: {error}"));
            Outcome::Failed(elapsed)
        }
    }
}

impl Summary {
    /// Whether no step failed.
    pub fn passed(&self) -> bool {
        !self.outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
    }

    /// Prints a table of steps and times, and the counts as the very last line.
    pub fn print(&self) {
        let width = self.outcomes.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        print_line("");
        for (name, outcome) in &self.outcomes {
            let (mark, detail) = match outcome {
                Outcome::Passed(elapsed) => ("ok", format_duration(*elapsed)),
                Outcome::Failed(elapsed) => ("FAILED", format_duration(*elapsed)),
                Outcome::Skipped(reason) => ("skipped", (*reason).to_owned()),
            };
            print_line(&format!("{name:<width$}  {mark:<7}  {detail}"));
        }
        print_line(&self.counts());
    }

    fn counts(&self) -> String {
        let count = |matches: fn(&Outcome) -> bool| {
            self.outcomes.iter().filter(|(_, outcome)| matches(outcome)).count()
        };
        let passed = count(|outcome| matches!(outcome, Outcome::Passed(_)));
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        match count(|outcome| matches!(outcome, Outcome::Skipped(_))) {
            0 => format!("{passed} passed, {failed} failed"),
            skipped => format!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn run(steps: Vec<Step<'_>>) -> Summary {
        run_all(&mut BuildEnv::in_dirs(".".into(), ".".into()), steps)
    }

    #[test]
    fn last_line_counts_the_steps() {
        let ok = |_: &mut BuildEnv, _: &mut Progress| Ok("fine".to_owned());
        let summary = run(vec![Step::new("one", ok), Step::new("two", ok)]);
        assert_eq!(summary.counts(), "2 passed, 0 failed");
        assert!(summary.passed());
    }

    #[test]
    fn dependents_of_a_failed_step_are_skipped() {
        let summary = run(vec![
            Step::new("node", |_, _| Err(Error::new("no npm"))).provides(Artifact::Node),
            Step::new("types", |_, _| Ok(String::new())).needs(&[Artifact::Node]),
            Step::new("tests", |_, _| Ok(String::new())).needs(&[Artifact::Chromium]),
            Step::new("slow", |_, _| Ok(String::new())).skip_if(true, "left out by --quick"),
        ]);
        assert_eq!(summary.counts(), "1 passed, 1 failed, 2 skipped");
        assert!(!summary.passed());
    }
}
