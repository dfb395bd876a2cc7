//! The runs of a sweep: all combinations of the values of some fields, or a list of runs.

use serde_json::{Map, Value};

use super::recipe::Change;
use crate::error::{Error, Result};

/// The largest number of runs.
const MAX_RUNS: usize = 100_000;

/// A field, and the values that a sweep tries.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SweptField {
    /// `field` or `stage.field`.
    pub name: String,
    /// Its values.
    pub values: Vec<Value>,
}

impl SweptField {
    /// Parses `field=VALUE,...` or `field=FROM..TO`, where `TO` is excluded. A value is a TOML value, or plain text.
    ///
    /// # Errors
    /// When the name or the value is missing, or a range is empty or too long.
    pub fn parse(text: &str) -> Result<Self> {
        let Some((name, values)) = text.split_once('=') else {
            return Err(Error::field("set", text, "must be FIELD=VALUE, or STAGE.FIELD=VALUE"));
        };
        let (name, values) = (name.trim(), values.trim());
        if name.is_empty() {
            return Err(Error::field("set", text, "must be FIELD=VALUE, or STAGE.FIELD=VALUE"));
        }
        let values = match range(values) {
            Some(range) => range.map_err(|why| Error::field(name, values, why))?,
            None => split(values).into_iter().map(value).collect(),
        };
        Ok(Self { name: name.to_owned(), values })
    }
}

/// Parses a single change, `field=VALUE`; commas belong to the value.
///
/// # Errors
/// When the name is missing.
pub fn parse_change(text: &str) -> Result<Change> {
    match text.split_once('=') {
        Some((name, one)) if !name.trim().is_empty() => Ok(Change::new(name.trim(), value(one.trim()))),
        _ => Err(Error::field("set", text, "must be FIELD=VALUE, or STAGE.FIELD=VALUE")),
    }
}

/// The numbers of `FROM..TO`; `None` if the text is not a range.
fn range(text: &str) -> Option<std::result::Result<Vec<Value>, String>> {
    let (from, to) = text.split_once("..")?;
    let (from, to) = (from.parse::<u64>().ok()?, to.parse::<u64>().ok()?);
    Some(match to.checked_sub(from) {
        Some(count) if count > 0 && count <= MAX_RUNS as u64 => Ok((from..to).map(Value::from).collect()),
        _ => Err(format!("must be a range of 1 to {MAX_RUNS} numbers, the end excluded")),
    })
}

/// Splits at commas outside brackets and quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut start) = (0_usize, false, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// A TOML value; anything else is plain text, so that quotes can be omitted.
fn value(text: &str) -> Value {
    let table: Option<Map<String, Value>> = toml::from_str(&format!("v = {text}")).ok();
    let read = table.filter(|table| table.len() == 1).and_then(|mut table| table.remove("v"));
    read.filter(|value| !value.is_null()).unwrap_or_else(|| Value::from(text))
}

/// One run of a sweep: its changes to the recipe.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Combination {
    /// The changes, in the order of the parameters.
    pub changes: Vec<Change>,
}

impl Combination {
    /// The name of its folder, for example `lambda=0.001,seed=0`.
    pub fn name(&self) -> String {
        if self.changes.is_empty() {
            return "as-it-is".to_owned();
        }
        let part = |change: &Change| format!("{}={}", change.name(), plain(&change.value));
        let joined = self.changes.iter().map(part).collect::<Vec<_>>().join(",");
        let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.,=+".contains(c) { c } else { '_' };
        joined.chars().map(safe).collect()
    }
}

/// A value as part of a name, without the brackets and quotes that a shell would interpret.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join("+"),
        other => other.to_string(),
    }
}

/// All combinations of the parameters' values; the last parameter changes fastest.
///
/// ```
/// use crossdub::workflow::sweep::{SweptField, combinations};
///
/// let parameters = [SweptField::parse("lambda=1e-3,1e-2")?, SweptField::parse("seed=0..2")?];
/// let names: Vec<String> = combinations(&parameters)?.iter().map(|each| each.name()).collect();
/// assert_eq!(names[1], "lambda=0.001,seed=1");
/// assert_eq!(names.len(), 4);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
///
/// # Errors
/// When two parameters have the same name, or there are too many combinations.
pub fn combinations(parameters: &[SweptField]) -> Result<Vec<Combination>> {
    let mut combinations = vec![Combination { changes: Vec::new() }];
    for (at, parameter) in parameters.iter().enumerate() {
        if parameters[..at].iter().any(|other| other.name == parameter.name) {
            return Err(Error::field(&parameter.name, "", "is given twice; put its values in one list"));
        }
        if combinations.len().saturating_mul(parameter.values.len()) > MAX_RUNS {
            return Err(Error::field(
                &parameter.name,
                parameter.values.len(),
                format!("makes more than {MAX_RUNS} runs"),
            ));
        }
        let with = |combination: &Combination, value: &Value| {
            let mut changes = combination.changes.clone();
            changes.push(Change::new(&parameter.name, value.clone()));
            Combination { changes }
        };
        combinations = combinations
            .iter()
            .flat_map(|combination| parameter.values.iter().map(move |v| with(combination, v)))
            .collect();
    }
    Ok(combinations)
}

/// Parses a list of runs, one per line, with changes separated by spaces: `lambda=1e-3 seed=0`. Empty lines and
/// comments after `#` are skipped.
///
/// ```
/// use crossdub::workflow::sweep::parse_list;
///
/// let runs = parse_list("lambda=1e-3 seed=0\nlambda=1e-2 # larger")?;
/// assert_eq!(runs[1].name(), "lambda=0.01");
/// assert!(parse_list("lambda").unwrap_err().to_string().contains("line 1"));
/// # Ok::<(), crossdub::Error>(())
/// ```
///
/// # Errors
/// Names the invalid line.
pub fn parse_list(text: &str) -> Result<Vec<Combination>> {
    let mut combinations = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let changes: Result<Vec<Change>> = line.split_whitespace().map(parse_change).collect();
        let changes =
            changes.map_err(|why| Error::file("reading the list", "", format!("line {}: {why}", at + 1)))?;
        combinations.push(Combination { changes });
    }
    if combinations.is_empty() {
        return Err(Error::file("reading the list", "", "it has no runs"));
    }
    Ok(combinations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(text: &str) -> Vec<Value> {
        SweptField::parse(text).expect("valid").values
    }

    #[test]
    fn values_are_toml_or_plain_text() {
        assert_eq!(values("lambda=1e-3,1e-2"), [json!(1e-3), json!(1e-2)]);
        assert_eq!(values("seed=0..3"), [json!(0), json!(1), json!(2)]);
        assert_eq!(values("rule=paper,exact"), [json!("paper"), json!("exact")]);
        assert_eq!(values("prune.ratios=[20,80,95],[10,70,90]"), [json!([20, 80, 95]), json!([10, 70, 90])]);
        assert_eq!(values("augment=true,false"), [json!(true), json!(false)]);
        assert_eq!(values("plan=\"8 M, 16\",4 M"), [json!("8 M, 16"), json!("4 M")]);
        assert_eq!(values("x=1\ny=2"), [json!("1\ny=2")], "a value can't smuggle in another field");
        for bad in ["lambda", "=3", "seed=3..3", "seed=5..2"] {
            assert!(SweptField::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_parameter_changes_fastest_and_names_are_folders() {
        let parameters =
            ["lambda=1e-3,1e-2", "seed=0..2"].map(|parameter| SweptField::parse(parameter).expect("valid"));
        let names: Vec<String> =
            combinations(&parameters).expect("few").iter().map(Combination::name).collect();
        assert_eq!(
            names,
            ["lambda=0.001,seed=0", "lambda=0.001,seed=1", "lambda=0.01,seed=0", "lambda=0.01,seed=1"]
        );
        let twice = ["seed=0..2", "seed=3"].map(|parameter| SweptField::parse(parameter).expect("valid"));
        assert!(combinations(&twice).is_err());
        let name = |field, value| Combination { changes: vec![Change::new(field, value)] }.name();
        assert_eq!(name("weights", json!("../up/x y")), "weights=.._up_x_y");
        assert_eq!(name("prune.ratios", json!([20, 80, 98.5])), "prune.ratios=20+80+98.5");
    }

    #[test]
    fn errors_in_a_list_name_the_line() {
        let combinations =
            parse_list("# runs\nlambda=1e-3 prune.rule=exact\n\nseed=4 # the fourth\n").expect("valid");
        assert_eq!(combinations.len(), 2);
        assert_eq!(combinations[0].changes[1].stage.as_deref(), Some("prune"));
        assert!(parse_list("seed=1\nnonsense").expect_err("rejected").to_string().contains("line 2"));
        assert!(parse_list("# nothing").is_err());
    }
}
