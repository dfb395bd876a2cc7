//! Measured rows, as JSON and as a table.

use serde_json::{Value, json};

use crate::error::{Error, Result};

/// A time of ours, and another tool's time for the same work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The work.
    pub what: String,
    /// Our time in milliseconds.
    pub ours_ms: f64,
    /// The other tool.
    pub other: Option<String>,
    /// Its time in milliseconds, if it could be measured.
    pub other_ms: Option<f64>,
    /// A remark.
    pub note: Option<String>,
    /// Where it lies on a curve: what grows, and how large it is.
    pub point: Option<(String, f64)>,
}

/// Rows, and what could not be measured and why.
#[derive(Debug, Default)]
pub struct Report {
    /// One row for each pair of times.
    pub rows: Vec<Row>,
    /// One sentence for each thing that was not measured.
    pub missing: Vec<String>,
}

impl Row {
    /// Reads a row of `crossdub bench --json` or `bench/browser`; `None` if a field is missing.
    pub fn from_json(row: &Value) -> Option<Self> {
        let string = |name: &str| row[name].as_str().map(str::to_owned);
        let (what, ours_ms) = (string("what")?, row["ours_ms"].as_f64()?);
        Some(Self {
            what,
            ours_ms,
            other: string("other"),
            other_ms: row["other_ms"].as_f64(),
            note: string("note"),
            point: row["point"]["curve"].as_str().map(str::to_owned).zip(row["point"]["at"].as_f64()),
        })
    }

    fn to_json(&self) -> Value {
        let Self { what, ours_ms, other, other_ms, note, point } = self;
        let point = point.as_ref().map(|(curve, at)| json!({ "curve": curve, "at": at }));
        json!({
            "what": what, "ours_ms": ours_ms, "other": other, "other_ms": other_ms, "note": note, "point": point,
        })
    }

    fn to_markdown(&self) -> String {
        let (other, ratio) = match (&self.other, self.other_ms) {
            (Some(name), Some(time)) => {
                (format!("{name}: {time:.1} ms"), format!("{:.2}", time / self.ours_ms))
            }
            (Some(name), None) => (format!("{name}: not measured"), String::new()),
            (None, _) => (String::new(), String::new()),
        };
        let note = self.note.as_deref().unwrap_or_default();
        format!("| {} | {:.1} ms | {other} | {ratio} | {note} |\n", self.what, self.ours_ms)
    }
}

impl Report {
    /// Reads what `bench/browser` prints.
    pub fn from_json(report: &Value) -> Result<Self> {
        let rows = rows_of(report)?.iter().map(Row::from_json).collect::<Option<_>>();
        let rows = rows.ok_or_else(|| Error::new("a measurement lacks `what` or `ours_ms`"))?;
        let missing = report["missing"].as_array().map(Vec::as_slice).unwrap_or_default();
        let missing = missing.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Self { rows, missing })
    }

    /// Adds the rows of another report.
    pub fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
        for reason in other.missing {
            if !self.missing.contains(&reason) {
                self.missing.push(reason);
            }
        }
    }

    /// How much was measured, in a line; then what was not.
    pub fn summary(&self) -> String {
        let lines = [format!("{} measured", self.rows.len())].into_iter().chain(self.missing.iter().cloned());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// One JSON object.
    pub fn to_json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::to_json).collect();
        json!({ "schema_version": 1, "measurements": rows, "missing": self.missing })
    }

    /// A Markdown table, and a sentence for each thing that was not measured.
    pub fn to_markdown(&self) -> String {
        let head = "| what | ours | other | ratio | note |\n| --- | ---: | ---: | ---: | --- |\n".to_owned();
        let rows = self.rows.iter().map(Row::to_markdown);
        let missing = self.missing.iter().map(|reason| format!("\n{reason}\n"));
        [head].into_iter().chain(rows).chain(missing).collect()
    }
}

/// Finds the one line of JSON in a program's output.
pub fn parse_output(output: String) -> Result<Value> {
    let line = output.lines().rev().find(|line| line.starts_with('{')).unwrap_or_default();
    serde_json::from_str(line)
        .map_err(|error| Error { message: format!("no JSON was printed: {error}"), output })
}

/// The rows in a program's report.
pub fn rows_of(report: &Value) -> Result<&[Value]> {
    let rows = report["measurements"].as_array();
    rows.map(Vec::as_slice).ok_or_else(|| Error::new("the report has no `measurements`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_a_measured_peer_have_a_ratio() {
        let report = json!({
            "measurements": [
                { "what": "step", "ours_ms": 200.0, "other": "PyTorch CPU", "other_ms": 100.0 },
                { "what": "analysis", "ours_ms": 8.0, "other": null, "note": "cheap" },
            ],
            "missing": ["aihwkit is not installed."],
        });
        let table = Report::from_json(&report).expect("valid rows").to_markdown();
        assert!(table.contains("| step | 200.0 ms | PyTorch CPU: 100.0 ms | 0.50 |  |\n"));
        assert!(table.contains("| analysis | 8.0 ms |  |  | cheap |\n"));
        assert!(table.ends_with("\naihwkit is not installed.\n"));
    }

    #[test]
    fn row_without_time_is_an_error() {
        assert!(Report::from_json(&json!({ "measurements": [{ "what": "step" }] })).is_err());
        assert!(Report::from_json(&json!({})).is_err());
    }

    #[test]
    fn json_is_found_among_other_lines() {
        let output = "measuring: {a}\n{\"measurements\": []}\nwarning: late\n";
        assert_eq!(parse_output(output.to_owned()), Ok(json!({ "measurements": [] })));
        assert!(parse_output("measuring\n".to_owned()).is_err());
    }
}
