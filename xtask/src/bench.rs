//! `cargo xtask bench`: runs `crossdub bench --json`, prints the ratios and writes `docs/measurements.md`.
//!
//! What the command must print, every time in milliseconds and the others' only where they are installed:
//!
//! ```json
//! {"measurements": [{"what": "VGG11 training step, batch 64", "ours_ms": 1720.0, "other": "PyTorch CPU", "other_ms": 620.0}]}
//! ```

use std::fs;

use serde_json::Value;

use crate::failure::{Failure, Result, on_file};
use crate::process::Program;
use crate::progress::Progress;
use crate::setup;
use crate::steps::{self, Part, Step};
use crate::workshop::Workshop;

/// Measures natively.
pub fn run(workshop: &mut Workshop) -> Result<bool> {
    let mut steps = setup::for_rust();
    steps.push(Step::new("Measurements", measure).needs(&[Part::Rust]));
    Ok(steps::run_all(workshop, steps).passed())
}

fn measure(workshop: &mut Workshop, progress: &mut Progress) -> Result<String> {
    progress.crates_at_most(workshop.native_crates());
    workshop.cargo().args(["build", "--release", "--package", "crossdub"]).run(progress)?;
    progress.say("measuring");
    let bench = workshop.cargo().args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "crossdub",
        "--",
        "bench",
        "--json",
    ]);
    let output = bench.run(progress)?;
    // Notes on standard error may come before the report.
    let json = output.find('{').map(|start| &output[start..]).unwrap_or_default();
    let report: Value = serde_json::from_str(json).map_err(|error| Failure {
        message: format!("`crossdub bench --json` wrote no JSON: {error}"),
        output: output.clone(),
    })?;
    let table = table(&report)
        .ok_or_else(|| Failure { message: "the report holds no measurements".into(), output })?;
    let path = workshop.root.join("docs/measurements.md");
    let text = format!(
        "# Measurements\n\n{}\n\nRatios count, not milliseconds: over 1 is faster than the other.\n\n{table}",
        machine(workshop)
    );
    fs::write(&path, text).map_err(on_file("write", &path))?;
    Ok(format!("docs/measurements.md\n{table}"))
}

/// One row a measurement; `None` when the report is not of the expected form.
fn table(report: &Value) -> Option<String> {
    let mut table = String::from("| what | ours | other | ratio |\n| --- | ---: | ---: | ---: |\n");
    for row in report["measurements"].as_array()? {
        let (what, ours) = (row["what"].as_str()?, row["ours_ms"].as_f64()?);
        let (other, ratio) = match (row["other"].as_str(), row["other_ms"].as_f64()) {
            (Some(name), Some(time)) => (format!("{name}: {time:.1} ms"), format!("{:.2}", time / ours)),
            (Some(name), None) => (format!("{name}: not installed"), String::new()),
            _ => (String::new(), String::new()),
        };
        table.push_str(&format!("| {what} | {ours:.1} ms | {other} | {ratio} |\n"));
    }
    Some(table)
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
        let report = serde_json::json!({ "measurements": [
            { "what": "step", "ours_ms": 200.0, "other": "PyTorch CPU", "other_ms": 100.0 },
            { "what": "analysis", "ours_ms": 8.0 },
        ]});
        let table = table(&report).expect("the expected form");
        assert!(table.contains("| step | 200.0 ms | PyTorch CPU: 100.0 ms | 0.50 |\n"));
        assert!(table.contains("| analysis | 8.0 ms |  |  |\n"));
        assert_eq!(super::table(&serde_json::json!({})), None);
    }
}
