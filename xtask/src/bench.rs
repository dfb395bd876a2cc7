//! `cargo xtask bench`: measures natively and in Chromium, prints the ratios and writes `docs/measurements.md`.
//!
//! What `crossdub bench --json` and `bench/browser/run.mjs` print, every time in milliseconds and the others' only where
//! they are installed:
//!
//! ```json
//! {"measurements": [{"what": "VGG11 training step, batch 64", "ours_ms": 1720.0, "other": "PyTorch CPU", "other_ms": 620.0, "note": "..."}],
//!  "missing": ["what could not be measured, and why"]}
//! ```
//!
//! `CROSSDUB_PYTHON` names a Python with PyTorch, `CROSSDUB_CHROMIUM` the browser.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::{env, fs};

use serde_json::Value;

use crate::failure::{Failure, Result, on_file};
use crate::process::Program;
use crate::progress::Progress;
use crate::setup;
use crate::steps::{self, Part, Step};
use crate::workshop::Workshop;

/// What the page's training is compared with: never a dependency, so not in package.json.
const TENSORFLOW: [&str; 2] = ["@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-webgpu@4.22.0"];

/// Rows as they are measured, and what was not measured and why.
#[derive(Default)]
struct Findings {
    rows: Vec<Value>,
    missing: Vec<String>,
}

impl Findings {
    /// Takes over a report, and says how much it held.
    fn add(&mut self, report: &Value) -> Result<String> {
        let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
        let rows = list("measurements");
        let count = rows.len();
        self.rows.extend(rows);
        self.missing.extend(list("missing").iter().filter_map(Value::as_str).map(str::to_owned));
        Ok(format!("{count} measured"))
    }
}

/// Measures, then writes everything at once.
pub fn run(workshop: &mut Workshop) -> Result<bool> {
    let findings = Rc::new(RefCell::new(Findings::default()));
    let load = load();
    let (native, browser, found) = (findings.clone(), findings.clone(), findings);
    let mut steps = setup::for_rust();
    let measure = move |workshop: &mut Workshop, progress: &mut Progress| {
        natively(workshop, progress, &mut native.borrow_mut())
    };
    steps.push(Step::new("Measurements, native", measure).needs(&[Part::Rust]));
    let measure = move |workshop: &mut Workshop, progress: &mut Progress| {
        in_browser(workshop, progress, &mut browser.borrow_mut())
    };
    steps.push(Step::new("Measurements, browser", measure));
    let write = move |workshop: &mut Workshop, _: &mut Progress| write(workshop, &found.borrow(), &load);
    steps.push(Step::new("docs/measurements.md", write));
    Ok(steps::run_all(workshop, steps).passed())
}

fn natively(workshop: &mut Workshop, progress: &mut Progress, findings: &mut Findings) -> Result<String> {
    progress.crates_at_most(workshop.native_crates());
    workshop.cargo().args(["build", "--release", "--package", "crossdub"]).run(progress)?;
    progress.say("measuring");
    let run = ["run", "--quiet", "--release", "--package", "crossdub", "--", "bench", "--json"];
    let mut bench = workshop.cargo().args(run);
    if let Some(python) = env::var_os("CROSSDUB_PYTHON") {
        bench = bench.args(["--python".into(), python]);
    }
    // Real pictures, of native size and of 224 x 224, where the shared data is at hand.
    let shared =
        env::var_os("CROSSDUB_SHARED").map_or_else(|| workshop.root.join("../shared"), PathBuf::from);
    for folder in ["data/imagenet-native", "data/imagenet-sample"].map(|folder| shared.join(folder)) {
        if folder.is_dir() {
            bench = bench.args(["--images".into(), folder.into_os_string()]);
        }
    }
    findings.add(&report_in(bench.run(progress)?)?)
}

fn in_browser(workshop: &mut Workshop, progress: &mut Progress, findings: &mut Findings) -> Result<String> {
    if let Some(missing) = missing_for_browser(workshop) {
        let note = format!("Not measured in the browser: {missing}.");
        findings.missing.push(note.clone());
        return Ok(note);
    }
    if !workshop.root.join("pkg/webgpu/crossdub.js").is_file() {
        findings.missing.push("Not measured on WebGPU: pkg/webgpu is not built.".to_owned());
    }
    let folder = workshop.cache.join("bench");
    if !folder.join("node_modules/@tensorflow/tfjs-backend-webgpu").is_dir() {
        progress.say("installing TensorFlow.js");
        let npm =
            workshop.npm().args(["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]);
        let installed = npm.args(["--prefix"]).args([&folder]).args(TENSORFLOW).run(progress);
        if let Err(failure) = installed {
            // Our own times are worth having even so.
            findings.missing.push(format!("TensorFlow.js can't be installed: {failure}."));
        }
    }
    progress.say("measuring");
    let node = Program::new("node").dir(&workshop.root).args(["bench/browser/run.mjs", "--tensorflow"]);
    let report = report_in(node.args([&folder]).env("CROSSDUB_CHROMIUM", chromium()).run(progress)?)?;
    findings.add(&report)
}

/// The first thing that is not there; a bench installs no browser and builds no module.
fn missing_for_browser(workshop: &Workshop) -> Option<&'static str> {
    if Program::new("node").args(["--version"]).answer().is_none() {
        Some("Node is not installed")
    } else if !workshop.root.join("node_modules/@playwright/test").is_dir() {
        Some("the Node packages are not installed (npm ci)")
    } else if !chromium().is_file() {
        Some("there is no Chromium at /usr/bin/chromium (or at CROSSDUB_CHROMIUM)")
    } else if !workshop.root.join("pkg/cpu/crossdub.js").is_file() {
        Some("pkg/cpu is not built (cargo xtask build)")
    } else {
        None
    }
}

/// Where the page's tests look for the browser.
fn chromium() -> PathBuf {
    env::var_os("CROSSDUB_CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from)
}

/// A program's report: one line of JSON among notes.
fn report_in(output: String) -> Result<Value> {
    let line = output.lines().rev().find(|line| line.starts_with('{')).unwrap_or_default();
    match serde_json::from_str::<Value>(line) {
        Ok(report) if report["measurements"].is_array() => Ok(report),
        Ok(_) => Err(Failure { message: "the report holds no measurements".into(), output }),
        Err(error) => Err(Failure { message: format!("no JSON was written: {error}"), output }),
    }
}

fn write(workshop: &Workshop, findings: &Findings, load: &str) -> Result<String> {
    let failure = || Failure::new("a measurement is not of the expected form");
    if findings.rows.is_empty() {
        return Err(Failure::new("nothing was measured: the file stays as it is"));
    }
    let table = table(&findings.rows).ok_or_else(failure)?;
    let path = workshop.root.join("docs/measurements.md");
    let mut text = format!(
        "# Measurements\n\n{}{load}\n\nMedians of several runs. Ratios count, not milliseconds: over 1 is faster than \
        the other. What the regularizer costs is a median\nof paired steps, so it need not be the quotient of the two \
        medians shown.\n\n{table}",
        machine(workshop)
    );
    for note in &findings.missing {
        text.push_str(&format!("\n{note}\n"));
    }
    fs::write(&path, &text).map_err(on_file("write", &path))?;
    Ok(format!("written\n{table}"))
}

/// One row a measurement; `None` when one is not of the expected form.
fn table(rows: &[Value]) -> Option<String> {
    let mut table =
        String::from("| what | ours | other | ratio | note |\n| --- | ---: | ---: | ---: | --- |\n");
    for row in rows {
        let (what, ours) = (row["what"].as_str()?, row["ours_ms"].as_f64()?);
        let (other, ratio) = match (row["other"].as_str(), row["other_ms"].as_f64()) {
            (Some(name), Some(time)) => (format!("{name}: {time:.1} ms"), format!("{:.2}", time / ours)),
            (Some(name), None) => (format!("{name}: not measured"), String::new()),
            _ => (String::new(), String::new()),
        };
        let note = row["note"].as_str().unwrap_or_default();
        table.push_str(&format!("| {what} | {ours:.1} ms | {other} | {ratio} | {note} |\n"));
    }
    Some(table)
}

/// How busy the machine was before anything was measured: others' work spoils ratios too.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = text.split_whitespace().next();
    load.map(|load| format!(" Load before measuring: {load}.")).unwrap_or_default()
}

/// Machine, date and commit, in a line.
fn machine(workshop: &Workshop) -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let date = Program::new("date").args(["-u", "+%Y-%m-%d"]).answer().unwrap_or_default();
    let git = Program::new("git").dir(&workshop.root).args(["describe", "--always", "--dirty"]);
    let commit = git.answer().unwrap_or_else(|| "none".to_owned());
    format!("Machine: {}, {cores} cores. Date: {date}. Commit: {commit}.", model.unwrap_or("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_ratios_where_there_is_another() {
        let rows = [
            serde_json::json!({ "what": "step", "ours_ms": 200.0, "other": "PyTorch CPU", "other_ms": 100.0 }),
            serde_json::json!({ "what": "analysis", "ours_ms": 8.0, "other": null, "note": "cheap" }),
        ];
        let table = table(&rows).expect("the expected form");
        assert!(table.contains("| step | 200.0 ms | PyTorch CPU: 100.0 ms | 0.50 |  |\n"));
        assert!(table.contains("| analysis | 8.0 ms |  |  | cheap |\n"));
        assert_eq!(super::table(&[serde_json::json!({})]), None);
    }

    #[test]
    fn a_report_is_found_among_notes() {
        let output = "measuring: {a}\n{\"measurements\": [{}]}\nwarning: late\n";
        let mut findings = Findings::default();
        let told = findings.add(&report_in(output.to_owned()).expect("there"));
        assert_eq!(told, Ok("1 measured".to_owned()));
        assert!(report_in("measuring\n".to_owned()).is_err());
        assert!(report_in("{}\n".to_owned()).is_err());
    }
}
