//! The report: `report.json` for programs, `report.md` for people who were not there.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::plan::{PARTS, ProveStep};
use super::record::{Measurement, Status, StepRecord, write_json};
use super::steps::machine::COMMIT;
use super::summary::summary;
use crate::cli::files;
use crate::config::SCHEMA_VERSION;
use crate::error::Result;

/// What is written after each step.
pub struct Report {
    out: PathBuf,
    steps: Vec<(String, String, usize)>,
    minutes: f64,
    problem: Option<String>,
    records: Vec<StepRecord>,
}

#[derive(Serialize)]
struct ReportFile<'a> {
    schema_version: u32,
    version: &'static str,
    commit: Option<&'static str>,
    date: String,
    minutes: f64,
    /// Whether some device under test is a program on the CPU.
    software: bool,
    steps: &'a [StepRecord],
}

impl Report {
    /// A report on these steps.
    pub fn new(out: &Path, steps: &[ProveStep], minutes: f64, problem: Option<&str>) -> Self {
        let steps = steps.iter().map(|step| (step.name.clone(), step.title.clone(), step.part)).collect();
        Self { out: out.to_owned(), steps, minutes, problem: problem.map(str::to_owned), records: Vec::new() }
    }

    /// Reads all records and writes both files. Returns how many steps ended how.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn write(&mut self) -> Result<String> {
        let record = |(name, title, part): &(String, String, usize)| {
            StepRecord::read(&self.out, name).unwrap_or_else(|| {
                let mut open = StepRecord::new(name, title, *part);
                (open.status, open.why) = (Status::OutOfTime, Some("not reached yet".to_owned()));
                open
            })
        };
        self.records = self.steps.iter().map(record).collect();
        let began = self.records.iter().map(|record| record.began).min().unwrap_or(0);
        let file = ReportFile {
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION"),
            commit: COMMIT,
            date: date(began),
            minutes: self.minutes,
            software: self.software().is_some(),
            steps: &self.records,
        };
        write_json(&self.out.join("report.json"), &file)?;
        files::write(
            "writing the report",
            &self.out.join("report.md"),
            self.markdown(&file.date).as_bytes(),
        )?;
        Ok(self.counts())
    }

    /// Why the command as a whole failed: a step did, or nothing could be measured.
    pub fn failure(&self) -> Option<String> {
        let failed: Vec<&str> = self.with(Status::Failed).map(|record| record.step.as_str()).collect();
        if !failed.is_empty() {
            return Some(format!("{} failed: {}", count(failed.len(), "step"), failed.join(", ")));
        }
        let nothing = self.with(Status::Done).next().is_none();
        nothing.then(|| format!("nothing was measured; {} minutes may be too few", self.minutes))
    }

    fn with(&self, status: Status) -> impl Iterator<Item = &StepRecord> {
        self.records.iter().filter(move |record| record.status == status)
    }

    fn counts(&self) -> String {
        let number = |status| self.with(status).count();
        let steps = count(self.records.len(), "step");
        let [done, failed, skipped] = [Status::Done, Status::Failed, Status::Skipped].map(number);
        let open = number(Status::OutOfTime) + number(Status::Running);
        format!("{steps}: {done} done, {failed} failed, {skipped} skipped, {open} out of time")
    }

    /// The adapter that is a program, if one is.
    fn software(&self) -> Option<&str> {
        let software =
            self.records.iter().find(|r| r.fact("kind").is_some_and(|kind| kind.starts_with("software")));
        software.and_then(|record| record.fact("adapter"))
    }

    fn markdown(&self, date: &str) -> String {
        let mut text = format!("# Crossdub {} on {}\n\n", env!("CARGO_PKG_VERSION"), self.card());
        let commit = COMMIT.unwrap_or("not recorded");
        put(
            &mut text,
            format_args!(
                "Date: {date}. Commit: {commit}. Time given: {} min. {}.\n",
                self.minutes,
                self.counts()
            ),
        );
        if let Some(adapter) = self.software() {
            put(
                &mut text,
                format_args!(
                    "**Software adapter.** {adapter} computes on the CPU. What is right or wrong here counts; no time here says \
                 anything about a graphics card.\n"
                ),
            );
        }
        if let Some(problem) = &self.problem {
            put(&mut text, format_args!("**Vulkan may not be usable here:** {problem}.\n"));
        }
        put(
            &mut text,
            format_args!(
                "`crossdub prove` wrote this. Crossdub trains neural networks for analog crossbars, with a regularizer (D.U.B.) \
                 that makes analog-to-digital converters cheaper; this report says whether it computes the right numbers on \
                 the devices below, and how fast. Times are medians of n measurements. A training step includes the upload of \
                 its batch and the loss read back; its parts are timed with the device idle between them, so that their sum \
                 exceeds the step. A relative difference of 1e-3 or more between gradients counts as wrong. Called again with \
                 the same folder, it resumes with what is left.\n"
            ),
        );
        text += &summary(&self.records);
        text += &self.troubles();
        for (at, title) in PARTS.iter().enumerate() {
            let records: Vec<&StepRecord> =
                self.records.iter().filter(|record| record.part == at + 1).collect();
            if records.is_empty() {
                continue;
            }
            put(&mut text, format_args!("## {}. {title}\n", at + 1));
            text += &if at == 1 { training_tables(&records) } else { plain_tables(&records) };
        }
        text
    }

    /// What the devices are called.
    fn card(&self) -> String {
        let mut names: Vec<&str> =
            self.records.iter().filter(|r| r.part == 1).filter_map(|record| record.fact("adapter")).collect();
        names.dedup();
        if names.is_empty() { "no device".to_owned() } else { names.join(" and ") }
    }

    fn troubles(&self) -> String {
        let mut text = String::new();
        let mut list = |title: &str, status: &[Status]| {
            let found: Vec<&StepRecord> =
                self.records.iter().filter(|r| status.contains(&r.status)).collect();
            if !found.is_empty() {
                put(&mut text, format_args!("## {title}\n"));
                for record in found {
                    let why = record.reason();
                    text += &format!("- `{}`: {}\n", record.step, cell(why));
                }
                text.push('\n');
            }
        };
        list("Failed", &[Status::Failed]);
        list("Open: out of time", &[Status::OutOfTime, Status::Running]);
        list("Skipped", &[Status::Skipped]);
        text
    }
}

/// Facts and figures of each step, one after the other.
fn plain_tables(records: &[&StepRecord]) -> String {
    let mut text = String::new();
    for record in records {
        put(&mut text, format_args!("### {} ({})\n", record.title, status(record)));
        for (name, value) in &record.facts {
            text += &format!("- {name}: {}\n", cell(value));
        }
        if !record.facts.is_empty() {
            text.push('\n');
        }
        if record.figures.is_empty() {
            continue;
        }
        text += "| measured | value | n | note |\n| --- | ---: | ---: | --- |\n";
        for figure in &record.figures {
            let n = figure.n.unwrap_or(0);
            let note = figure.note.as_deref().map(cell).unwrap_or_default();
            text += &format!("| {} | {} | {n} | {note} |\n", cell(&figure.what), value(figure));
        }
        text.push('\n');
    }
    text
}

/// The columns of the training table: a figure's id and its head.
const COLUMNS: [(&str, &str); 11] = [
    ("first", "first step"),
    ("step", "step"),
    ("pytorch", "PyTorch, same card"),
    ("pytorch-ratio", "PyTorch / Crossdub"),
    ("pytorch-tf32", "PyTorch with TF32"),
    ("pytorch-cpu", "PyTorch on the CPU"),
    ("pytorch-cpu-ratio", "PyTorch on the CPU / Crossdub"),
    ("regularizer-share", "regularizer costs"),
    ("memory", "device memory"),
    ("pytorch-memory", "PyTorch's memory"),
    ("launches", "launches"),
];
const PARTS_OF_STEP: [(&str, &str); 6] = [
    ("data", "batch made"),
    ("upload", "upload"),
    ("forward", "forward"),
    ("backward", "backward"),
    ("regularizer", "regularizer"),
    ("update", "update"),
];

/// Steps of all networks and devices, one a line, and their parts.
fn training_tables(records: &[&StepRecord]) -> String {
    let mut text = String::new();
    let measured: Vec<&StepRecord> =
        records.iter().copied().filter(|record| !record.figures.is_empty()).collect();
    let known = |(id, _): &&(&str, &str)| {
        measured.iter().any(|record| record.figures.iter().any(|figure| figure.id == *id))
    };
    for (title, columns) in [("Steps", &COLUMNS[..]), ("Parts of a step", &PARTS_OF_STEP[..])] {
        let columns: Vec<&(&str, &str)> = columns.iter().filter(known).collect();
        if columns.is_empty() {
            continue;
        }
        put(&mut text, format_args!("### {title}\n"));
        let heads: Vec<&str> = columns.iter().map(|(_, head)| *head).collect();
        text += &format!("| network, batch, numbers, device | {} |\n| --- |", heads.join(" | "));
        text += &" ---: |".repeat(columns.len());
        text.push('\n');
        let mut missing: Vec<(String, Vec<&str>)> = Vec::new();
        for record in &measured {
            let cells = columns.iter().map(|(id, head)| {
                let Some(figure) = record.figures.iter().find(|figure| figure.id == *id) else {
                    return "not reached".to_owned();
                };
                if let Some(why) = &figure.not_measured {
                    let why = format!("{head}: {}", cell(why));
                    match missing.iter_mut().find(|(known, _)| *known == why) {
                        Some((_, titles)) => titles.push(&record.title),
                        None => missing.push((why, vec![&record.title])),
                    }
                    return "not measured".to_owned();
                }
                format!("{} (n={})", value(figure), figure.n.unwrap_or(1))
            });
            let cells: Vec<String> = cells.collect();
            text += &format!("| {} | {} |\n", record.title, cells.join(" | "));
        }
        text.push('\n');
        for (why, titles) in missing {
            let of = if titles.len() == measured.len() { "all".to_owned() } else { titles.join("; ") };
            text += &format!("- not measured, {why} ({of})\n");
        }
        text.push('\n');
    }
    let absent: Vec<&&StepRecord> = records.iter().filter(|record| record.figures.is_empty()).collect();
    for record in absent {
        let why = record.reason();
        text += &format!("- {}: not measured: {}\n", record.title, cell(why));
    }
    text.push('\n');
    text
}

/// A figure's value with its unit, or the reason why it is missing.
fn value(figure: &Measurement) -> String {
    match (figure.value, &figure.not_measured) {
        (Some(value), _) => format!("{} {}", number(value), figure.unit).trim_end().to_owned(),
        (None, why) => format!("not measured: {}", cell(why.as_deref().unwrap_or("unknown"))),
    }
}

/// Three or four digits.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (value.fract() == 0.0 && size < 1e6) {
        format!("{value}")
    } else if !(1e-3..1e6).contains(&size) {
        format!("{value:.2e}")
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

fn status(record: &StepRecord) -> String {
    format!("{}, {:.1} s", record.status.word(), record.seconds)
}

/// A text that does not break its table.
pub fn cell(text: &str) -> String {
    text.replace('|', "/").replace(['\n', '\r'], " ")
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Adds a paragraph.
fn put(text: &mut String, paragraph: fmt::Arguments<'_>) {
    text.push_str(&format!("{paragraph}\n"));
}

/// The day of a time in seconds since 1970, in the Gregorian calendar.
fn date(seconds: u64) -> String {
    let (mut days, mut year) = (seconds / 86_400, 1970);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    format!("{year}-{:02}-{:02}", month + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(date(1_795_910_399), "2026-11-28");
        assert_eq!(date(1_795_910_400), "2026-11-29");
    }

    #[test]
    fn numbers_have_few_digits() {
        let shown = [0.0, 3.0, 12.345, 1234.5, 0.01234, 1.5e-7, 123_456_789.0].map(number);
        assert_eq!(shown, ["0", "3", "12.3", "1234", "0.012", "1.50e-7", "1.23e8"]);
    }

    #[test]
    fn a_report_says_what_is_missing_and_why() {
        let out = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(out.path().join("steps")).expect("made");
        let steps = super::super::plan::steps(
            &[super::super::plan::Target::new("cpu", Path::new("/nowhere")).expect("known")],
            false,
        );
        let mut record = StepRecord::new("training-vgg11-b128-f32-cpu", "vgg11, batch 128, f32, cpu", 2);
        record.status = Status::Done;
        record.figures = vec![
            Measurement {
                id: "step".into(),
                what: "step".into(),
                value: Some(12.5),
                unit: "ms".into(),
                n: Some(7),
                note: None,
                not_measured: None,
            },
            Measurement {
                id: "pytorch".into(),
                what: "PyTorch".into(),
                value: None,
                unit: "ms".into(),
                n: None,
                note: None,
                not_measured: Some("no | Python".into()),
            },
        ];
        record.write(out.path()).expect("writes");
        let mut broken = StepRecord::new("gradient-cpu", "gradient, cpu", 1);
        (broken.status, broken.why) = (Status::Failed, Some("the gradient differs".into()));
        broken.write(out.path()).expect("writes");
        let mut device = StepRecord::new("device-cpu", "device, cpu", 1);
        device.facts = vec![
            ("adapter".into(), "llvmpipe".into()),
            ("kind".into(), "software: it computes on the CPU".into()),
        ];
        device.write(out.path()).expect("writes");
        let mut report = Report::new(out.path(), &steps, 1.0, None);
        report.write().expect("writes");
        let text = std::fs::read_to_string(out.path().join("report.md")).expect("reads");
        for expected in [
            "12.5 ms (n=7)",
            "not measured, PyTorch, same card: no / Python",
            "- `gradient-cpu`: the gradient differs",
            "not reached yet",
            "**Software adapter.** llvmpipe computes on the CPU",
        ] {
            assert!(text.contains(expected), "{expected}:\n{text}");
        }
        assert_eq!(report.failure().as_deref(), Some("1 step failed: gradient-cpu"));
    }
}
