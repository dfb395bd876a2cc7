//! Numbered steps: each says what it needs and gives, takes its time, and lands in the summary.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::failure::Result;
use crate::progress::{Progress, duration};
use crate::workshop::Workshop;

/// What one step gives and a later one needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Rust with rustfmt and clippy, and the packages of Cargo.lock.
    Rust,
    /// A toolchain that compiles to wasm.
    WasmTarget,
    /// wasm-bindgen and wasm-pack.
    WasmTools,
    /// Node and the packages of package-lock.json.
    Node,
    /// Chromium and its driver.
    Browser,
    /// `pkg/cpu`.
    CpuModule,
    /// `pkg/webgpu`.
    WebGpuModule,
    /// The running web server.
    Server,
}

type Work<'a> = Box<dyn FnOnce(&mut Workshop, &mut Progress) -> Result<String> + 'a>;

/// One step. Its work returns what to say: a few words, and further lines worth keeping.
pub struct Step<'a> {
    name: String,
    needs: &'static [Part],
    gives: Option<Part>,
    left_out: bool,
    work: Work<'a>,
}

impl<'a> Step<'a> {
    /// A step that needs nothing.
    pub fn new(
        name: impl Into<String>,
        work: impl FnOnce(&mut Workshop, &mut Progress) -> Result<String> + 'a,
    ) -> Self {
        Self { name: name.into(), needs: &[], gives: None, left_out: false, work: Box::new(work) }
    }

    /// Without these parts the step is skipped.
    pub fn needs(mut self, parts: &'static [Part]) -> Self {
        self.needs = parts;
        self
    }

    /// When the step succeeds, this part is there.
    pub fn gives(mut self, part: Part) -> Self {
        self.gives = Some(part);
        self
    }

    /// Skips the step, as `--quick` asks.
    pub fn left_out_if(mut self, left_out: bool) -> Self {
        self.left_out = left_out;
        self
    }
}

#[derive(Debug, PartialEq)]
enum Ending {
    Passed(Duration),
    Failed(Duration),
    Skipped(&'static str),
}

/// What became of the steps, in order.
#[derive(Default)]
pub struct Summary {
    endings: Vec<(String, Ending)>,
}

/// Runs every step that can run, and goes on after one that failed.
pub fn run_all(workshop: &mut Workshop, steps: Vec<Step<'_>>) -> Summary {
    let mut summary = Summary::default();
    let total = steps.len();
    // A part that no step of this run gives is taken to be there.
    let mut missing: BTreeSet<Part> = steps.iter().filter_map(|step| step.gives).collect();
    for (index, step) in steps.into_iter().enumerate() {
        let title = format!("[{:>2}/{total}] {}", index + 1, step.name);
        let ending = if step.left_out {
            println!("{title}: skipped (--quick)");
            Ending::Skipped("left out by --quick")
        } else if step.needs.iter().any(|part| missing.contains(part)) {
            println!("{title}: skipped, a step it needs failed");
            Ending::Skipped("a step it needs failed")
        } else {
            let gives = step.gives;
            let ending = run_one(workshop, title, step.work);
            if let (Some(part), Ending::Passed(_)) = (gives, &ending) {
                missing.remove(&part);
            }
            ending
        };
        summary.endings.push((step.name, ending));
    }
    summary
}

fn run_one(workshop: &mut Workshop, title: String, work: Work<'_>) -> Ending {
    let mut progress = Progress::start(title);
    match work(workshop, &mut progress) {
        Ok(note) => {
            let mut lines = note.lines();
            let took = progress.finish(lines.next().unwrap_or("ok"));
            lines.for_each(|line| println!("        {line}"));
            Ending::Passed(took)
        }
        Err(failure) => {
            let took = progress.finish("FAILED");
            for line in failure.output.lines() {
                println!("        {line}");
            }
            println!("        error: {failure}");
            Ending::Failed(took)
        }
    }
}

impl Summary {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        !self.endings.iter().any(|(_, ending)| matches!(ending, Ending::Failed(_)))
    }

    /// The table of steps and times, and the counts as the very last line.
    pub fn print(&self) {
        let width = self.endings.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        println!();
        for (name, ending) in &self.endings {
            let (mark, time) = match ending {
                Ending::Passed(took) => ("ok", duration(*took)),
                Ending::Failed(took) => ("FAILED", duration(*took)),
                Ending::Skipped(why) => ("skipped", (*why).to_owned()),
            };
            println!("{name:<width$}  {mark:<7}  {time}");
        }
        println!("{}", self.counts());
    }

    fn counts(&self) -> String {
        let count =
            |what: fn(&Ending) -> bool| self.endings.iter().filter(|(_, ending)| what(ending)).count();
        let passed = count(|ending| matches!(ending, Ending::Passed(_)));
        let failed = count(|ending| matches!(ending, Ending::Failed(_)));
        match count(|ending| matches!(ending, Ending::Skipped(_))) {
            0 => format!("{passed} passed, {failed} failed"),
            skipped => format!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    fn run(steps: Vec<Step<'_>>) -> Summary {
        let mut workshop = Workshop {
            root: ".".into(),
            cache: ".".into(),
            wasm_toolchain: Vec::new(),
            chromium: None,
            chromedriver: None,
        };
        run_all(&mut workshop, steps)
    }

    #[test]
    fn the_last_line_counts_the_steps() {
        let fine = |_: &mut Workshop, _: &mut Progress| Ok("fine".to_owned());
        let summary = run(vec![Step::new("one", fine), Step::new("two", fine)]);
        assert_eq!(summary.counts(), "2 passed, 0 failed");
        assert!(summary.passed());
    }

    #[test]
    fn what_needs_a_failed_step_is_skipped() {
        let summary = run(vec![
            Step::new("node", |_, _| Err(Failure::new("no npm"))).gives(Part::Node),
            Step::new("types", |_, _| Ok(String::new())).needs(&[Part::Node]),
            Step::new("tests", |_, _| Ok(String::new())).needs(&[Part::Browser]),
            Step::new("slow", |_, _| Ok(String::new())).left_out_if(true),
        ]);
        assert_eq!(summary.counts(), "1 passed, 1 failed, 2 skipped");
        assert!(!summary.passed());
    }
}
