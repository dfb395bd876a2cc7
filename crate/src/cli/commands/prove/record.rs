//! What a step found: one JSON file a step, complete at any moment.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::cli::files;
use crate::config::SCHEMA_VERSION;
use crate::error::{Error, Result};

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It runs, or was killed with the machine.
    Running,
    /// It completed.
    Done,
    /// It does not apply here; `why` says why.
    Skipped,
    /// It failed, or found something wrong; `why` says what.
    Failed,
    /// Its time, or all time, was up. The next call tries it again.
    OutOfTime,
}

impl Status {
    /// The status for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "stopped",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "FAILED",
            Self::OutOfTime => "out of time",
        }
    }
}

/// A measured number, or the reason why it is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// A stable name, for programs.
    pub id: String,
    /// What was measured, for people.
    pub what: String,
    /// The value; none if it was not measured.
    pub value: Option<f64>,
    /// The unit of the value.
    pub unit: String,
    /// The number of measurements that the value is the median of, or of images, steps or values that it comes from.
    pub n: Option<u64>,
    /// What else there is to say.
    pub note: Option<String>,
    /// Why the value is missing.
    pub not_measured: Option<String>,
}

/// A step's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The version of this file's fields.
    pub schema_version: u32,
    /// The step's name.
    pub step: String,
    /// The step's name for people.
    pub title: String,
    /// The part of the report, from 1.
    pub part: usize,
    /// How it ended.
    pub status: Status,
    /// Why it did not end well.
    pub why: Option<String>,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Names and values that are no numbers.
    pub facts: Vec<(String, String)>,
    /// The numbers.
    pub figures: Vec<Measurement>,
}

impl StepRecord {
    /// A record of a step that begins now.
    pub fn new(step: &str, title: &str, part: usize) -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            schema_version: SCHEMA_VERSION,
            step: step.to_owned(),
            title: title.to_owned(),
            part,
            status: Status::Running,
            why: None,
            began,
            seconds: 0.0,
            facts: Vec::new(),
            figures: Vec::new(),
        }
    }

    /// Why the step did not end as it should.
    pub fn reason(&self) -> &str {
        self.why.as_deref().unwrap_or("it was stopped in the middle")
    }

    /// The record of a step, if there is a readable one.
    pub fn read(out: &Path, step: &str) -> Option<Self> {
        serde_json::from_slice(&files::read("reading a record", &Self::path(out, step)).ok()?).ok()
    }

    /// Where a step's record lies.
    pub fn path(out: &Path, step: &str) -> PathBuf {
        out.join("steps").join(format!("{step}.json"))
    }

    /// Writes it.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn write(&self, out: &Path) -> Result<()> {
        write_json(&Self::path(out, &self.step), self)
    }

    /// The value of a fact.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A measured value.
    pub fn value(&self, id: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.id == id)?.value
    }
}

/// Writes a value as JSON for people and programs.
///
/// # Errors
/// If the disk is full.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|why| Error::file("writing a record", files::display_path(path), &why).with_source(why))?;
    files::write("writing a record", path, (text + "\n").as_bytes())
}

/// Writes a step's record anew with everything that is added to it.
pub struct Recorder {
    out: PathBuf,
    record: StepRecord,
}

impl Recorder {
    /// Begins a step's record.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn new(out: &Path, record: StepRecord) -> Result<Self> {
        let recorder = Self { out: out.to_owned(), record };
        recorder.save()?;
        Ok(recorder)
    }

    /// Adds a name and a value.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn fact(&mut self, name: &str, value: impl Into<String>) -> Result<()> {
        self.record.facts.push((name.to_owned(), value.into()));
        self.save()
    }

    /// Adds a number and what it comes from; one that is not finite counts as not measured.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn figure(&mut self, id: &str, what: &str, value: f64, unit: &str, n: usize) -> Result<&mut Self> {
        let finite = value.is_finite();
        self.push(Measurement {
            id: id.to_owned(),
            what: what.to_owned(),
            value: finite.then_some(value),
            unit: unit.to_owned(),
            n: Some(n as u64),
            note: None,
            not_measured: (!finite).then(|| format!("is not finite ({value})")),
        })
    }

    /// Adds a number that was not measured.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn missing(&mut self, id: &str, what: &str, unit: &str, why: impl Into<String>) -> Result<()> {
        self.push(Measurement {
            id: id.to_owned(),
            what: what.to_owned(),
            value: None,
            unit: unit.to_owned(),
            n: None,
            note: None,
            not_measured: Some(why.into()),
        })?;
        Ok(())
    }

    /// Adds a note to the last number.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn note(&mut self, note: impl Into<String>) -> Result<()> {
        if let Some(last) = self.record.figures.last_mut() {
            last.note = Some(note.into());
        }
        self.save()
    }

    /// A measured value.
    pub fn value(&self, id: &str) -> Option<f64> {
        self.record.value(id)
    }

    /// Sets how the step ended.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn end(&mut self, status: Status, why: Option<String>) -> Result<()> {
        (self.record.status, self.record.why) = (status, why);
        self.save()
    }

    fn push(&mut self, figure: Measurement) -> Result<&mut Self> {
        // Measured again with more runs: the later one counts.
        self.record.figures.retain(|known| known.id != figure.id);
        self.record.figures.push(figure);
        self.save()?;
        Ok(self)
    }

    fn save(&self) -> Result<()> {
        self.record.write(&self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_complete_after_each_number() {
        let out = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(out.path().join("steps")).expect("made");
        let mut recorder = Recorder::new(out.path(), StepRecord::new("x", "X", 1)).expect("writes");
        recorder.figure("a", "A", 1.0, "ms", 3).and_then(|added| added.note("noted")).expect("writes");
        recorder.figure("b", "B", f64::NAN, "ms", 3).expect("writes");
        recorder.figure("a", "A", 2.0, "ms", 4).expect("writes");
        let read = StepRecord::read(out.path(), "x").expect("reads");
        assert_eq!((read.status, read.figures.len(), read.value("a")), (Status::Running, 2, Some(2.0)));
        assert!(
            read.figures[0].value.is_none() && read.figures[0].not_measured.is_some(),
            "NaN is not a number"
        );
        recorder.end(Status::Failed, Some("why".to_owned())).expect("writes");
        assert_eq!(StepRecord::read(out.path(), "x").expect("reads").why.as_deref(), Some("why"));
        std::fs::write(StepRecord::path(out.path(), "x"), "{").expect("written");
        assert!(StepRecord::read(out.path(), "x").is_none(), "a damaged record counts as none");
    }
}
