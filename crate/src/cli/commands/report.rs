//! `crossdub report`: finished runs as one HTML page, JSON and CSV.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::files;
use crate::cli::format;
use crate::cli::output;
use crate::config::SCHEMA_VERSION;
use crate::error::{Error, Result};
use crate::html::run::FinishedRun;
use crate::html::{self, SeedGroup};
use crate::workflow::report::RunReport;

/// How many folders deep to search for runs: a folder of sweeps holds sweeps, which hold runs.
const MAX_DEPTH: usize = 4;
/// The most runs in a report.
const MAX_RUNS: usize = 2000;

/// Draw finished runs as one self-contained HTML page
///
/// Runs that differ only in their seed become one line with mean and deviation. On CIFAR-10, the runs that the
/// paper published are drawn in the background.
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub report runs/builtin-quick\n         \
    crossdub report matrix --out matrix.html --csv matrix.csv --json matrix.json")]
pub struct ReportArgs {
    /// Folders with a report.json, or folders of such folders
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Where to write the page
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Also write the runs and their groups as one JSON object
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write a table (CSV), one row per stage
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Title of the page
    #[arg(long, default_value = "Crossdub report")]
    title: String,
}

#[derive(Serialize)]
struct ReportOutput<'a> {
    schema_version: u32,
    version: &'static str,
    groups: Vec<SeedGroup>,
    runs: Vec<PlacedReport<'a>>,
}

#[derive(Serialize)]
struct PlacedReport<'a> {
    place: &'a str,
    report: &'a RunReport,
}

/// Runs the command.
pub fn run(args: &ReportArgs) -> Result<()> {
    files::check_distinct_outputs(&[
        ("out", Some(&args.out)),
        ("json", args.json.as_deref()),
        ("csv", args.csv.as_deref()),
    ])?;
    let mut found = Vec::new();
    for folder in &args.folders {
        find(folder, MAX_DEPTH, &mut found)?;
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        let folders =
            args.folders.iter().map(|folder| files::display_path(folder)).collect::<Vec<_>>().join(", ");
        return Err(Error::file("looking for runs", folders, "no report.json found; finish a run first"));
    }
    for found in &found {
        let of = |option, path: Option<&Path>| {
            files::check_distinct_outputs(&[("a report that is read", Some(found)), (option, path)])
        };
        of("out", Some(&args.out))
            .and(of("json", args.json.as_deref()))
            .and(of("csv", args.csv.as_deref()))?;
    }
    let runs: Result<Vec<FinishedRun>> = found.iter().map(|path| read(path, &args.folders)).collect();
    let runs = runs?;
    let groups = html::groups(&runs);
    if let Some(path) = &args.json {
        let result = ReportOutput {
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION"),
            groups: groups.clone(),
            runs: runs.iter().map(|run| PlacedReport { place: &run.folder, report: &run.report }).collect(),
        };
        let text = serde_json::to_vec(&result).map_err(|why| {
            Error::file("writing the report", files::display_path(path), &why).with_source(why)
        })?;
        files::write("writing the report", path, &text)?;
    }
    if let Some(path) = &args.csv {
        files::write("writing the report", path, html::csv(&runs).as_bytes())?;
    }
    files::write("writing the report", &args.out, html::page(&args.title, &runs).as_bytes())?;
    output::print(&describe(&groups, &args.out))
}

/// Collects the reports in a folder and in the folders inside it.
fn find(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        found.push(path.to_owned());
        return Ok(());
    }
    let fail = |why: &dyn std::fmt::Display| {
        Error::file("looking for runs", files::display_path(path), why.to_string())
    };
    let report = path.join("report.json");
    if report.is_file() {
        found.push(report);
        if found.len() > MAX_RUNS {
            return Err(fail(&format!("more than {MAX_RUNS} runs")));
        }
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(|why| fail(&why))?;
    if depth == 0 {
        return Ok(());
    }
    let mut inner: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    inner.sort();
    inner.iter().filter(|path| path.is_dir()).try_for_each(|path| find(path, depth - 1, found))
}

/// Reads a run; its name is its folder, relative to the folder on the command line.
fn read(path: &Path, given: &[PathBuf]) -> Result<FinishedRun> {
    let bytes = files::read("reading a report", path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let from = given.iter().find_map(|root| folder.strip_prefix(root).ok());
    let last = || folder.file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy());
    let place = match from {
        Some(inner) if !inner.as_os_str().is_empty() => files::display_path(inner),
        _ => last().into_owned(),
    };
    FinishedRun::read(&place, &bytes).map_err(|error| error.with_path(&files::display_path(path)))
}

fn describe(groups: &[SeedGroup], out: &Path) -> String {
    let mean_std = |mean_std: &html::MeanStd| match mean_std.deviation {
        Some(deviation) => format!("{:.2} +- {deviation:.2}", mean_std.mean),
        None => format!("{:.2}", mean_std.mean),
    };
    let mut rows = vec![["run", "runs", "accuracy", "paper", "lossless"].map(str::to_owned).to_vec()];
    for group in groups {
        let ratio =
            |model: &str| group.improvement.get(model).map_or_else(|| "-".to_owned(), |s| mean_std(s) + "x");
        rows.push(vec![
            group.label(),
            group.runs.len().to_string(),
            group.accuracy.as_ref().map_or_else(|| "-".to_owned(), |s| mean_std(s) + " %"),
            ratio("paper"),
            ratio("lossless"),
        ]);
    }
    format!("{}\npage written to {}\n", format::table(&rows), files::display_path(out))
}
