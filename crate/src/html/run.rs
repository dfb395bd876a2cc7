//! A run as it is read back from its `report.json`, of a recipe or of a single training.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::workflow::report::{DataDescription, Epoch};

/// What is drawn of one layer's map. Tile `t` is at row `t / across`, column `t % across`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelMap {
    /// The parameter's name.
    pub name: String,
    /// Tiles along the inputs.
    pub across: usize,
    /// Tiles along the outputs.
    pub down: usize,
    /// Level of each tile.
    pub level: Vec<usize>,
}

/// ADC energy by one model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// With all rows active.
    pub dense: f64,
    /// At each tile's own level.
    pub actual: f64,
    /// `dense / actual`; none when nothing is left to convert.
    pub improvement: Option<f64>,
}

/// A stage as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// `train`, `prune` or `finetune`.
    pub kind: String,
    /// Accuracy after it, in percent; none where it was not measured.
    pub accuracy: Option<f64>,
    /// Mean cross-entropy on held-out images after it.
    pub loss: Option<f64>,
    /// Weights of all crossbar layers, and zeros among them.
    pub weights: u64,
    /// Exact zeros.
    pub zeros: u64,
    /// Tiles by level after it.
    pub histogram: Vec<u64>,
    /// ADC energy by each model that the report knows, by its name.
    pub energy: BTreeMap<String, Energy>,
    /// Seconds of work.
    pub seconds: f64,
    /// Its epochs.
    pub epochs: Vec<Epoch>,
    /// Its own fields, as text.
    pub fields: BTreeMap<String, String>,
}

/// A run as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Name of the folder it came from.
    pub place: String,
    /// The recipe's name; the place where there is none.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The seed.
    pub seed: u64,
    /// Version of Crossdub that wrote the report.
    pub version: String,
    /// Kind and name of the device.
    pub device: String,
    /// The data.
    pub data: Option<DataDescription>,
    /// `builtin`, `cifar10`.
    pub data_name: String,
    /// The network, in words.
    pub network: String,
    /// Rows of a crossbar.
    pub tile: u64,
    /// Fields of hardware and run that all stages share, as text.
    pub fields: BTreeMap<String, String>,
    /// Its stages.
    pub stages: Vec<Stage>,
    /// The final tiles by level; empty where the report has none.
    pub maps: Vec<LevelMap>,
    /// The report as it was read.
    pub report: Value,
}

/// The parts of a report that are read by shape.
#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: String,
    version: String,
    spec: Map<String, Value>,
    hardware: Map<String, Value>,
    training: Training,
    #[serde(default)]
    data: Option<DataDescription>,
    #[serde(default)]
    stages: Vec<ReadStage>,
    #[serde(default)]
    maps: Vec<LevelMap>,
    analysis: Value,
}

#[derive(Deserialize)]
struct Training {
    device: String,
    adapter: String,
    accuracy: Option<f64>,
    loss: Option<f64>,
}

#[derive(Deserialize)]
struct ReadStage {
    name: String,
    kind: String,
    accuracy: Option<f64>,
    loss: Option<f64>,
    weights: u64,
    zeros: u64,
    histogram: Vec<u64>,
    energy: Map<String, Value>,
    seconds: f64,
    #[serde(default)]
    epochs: Vec<Epoch>,
    #[serde(default)]
    spec: Option<Map<String, Value>>,
    #[serde(default)]
    pruning: Option<Map<String, Value>>,
}

/// The part of an analysis that stands in for a stage where a report has none.
#[derive(Deserialize)]
struct Counted {
    weights: u64,
    zeros: u64,
    histogram: Vec<u64>,
    energy: Map<String, Value>,
}

impl Run {
    /// Reads a report; `place` is the folder it lies in.
    ///
    /// # Errors
    /// When it is no report of a run.
    pub fn read(place: &str, bytes: &[u8]) -> Result<Self> {
        let fail = |why: serde_json::Error| Error::file("reading a report", place, why);
        let report: Value = serde_json::from_slice(bytes).map_err(fail)?;
        let mut read: Read = serde_json::from_value(report.clone()).map_err(fail)?;
        if read.stages.is_empty() {
            read.stages.push(single(&read).map_err(fail)?);
        }
        let shared = [&read.spec, &read.hardware].into_iter().flatten();
        Ok(Self {
            place: place.to_owned(),
            name: read.name.unwrap_or_else(|| place.to_owned()),
            description: read.description,
            seed: read.spec.get("seed").and_then(Value::as_u64).unwrap_or(0),
            version: read.version,
            device: format!("{} ({})", read.training.device, read.training.adapter),
            data_name: text(read.spec.get("data").unwrap_or(&Value::Null)),
            network: network(&read.spec),
            tile: read.hardware.get("tile").and_then(Value::as_u64).unwrap_or(0),
            fields: shared.map(|(name, value)| (name.clone(), text(value))).collect(),
            data: read.data,
            stages: read.stages.into_iter().map(Stage::from).collect(),
            maps: read.maps,
            report,
        }
        .with_data_name())
    }

    /// The description of the data knows better than the specification, which only has a default.
    fn with_data_name(mut self) -> Self {
        if let Some(data) = &self.data {
            self.data_name.clone_from(&data.name);
        }
        self
    }

    /// The last stage: what the run came to.
    pub fn last(&self) -> Option<&Stage> {
        self.stages.last()
    }

    /// All fields by which runs can differ: those shared, and `stage.field`.
    pub fn all_fields(&self) -> BTreeMap<String, String> {
        let mut all = self.fields.clone();
        all.insert("recipe".to_owned(), self.name.clone());
        for stage in &self.stages {
            for (name, value) in &stage.fields {
                if self.fields.get(name) != Some(value) {
                    all.insert(format!("{}.{name}", stage.name), value.clone());
                }
            }
        }
        all
    }

    /// A field of one stage, by `stage.field`.
    pub fn stage_field(&self, name: &str) -> Option<&String> {
        let (stage, field) = name.split_once('.')?;
        self.stages.iter().find(|own| own.name == stage)?.fields.get(field)
    }
}

impl From<ReadStage> for Stage {
    fn from(read: ReadStage) -> Self {
        let own = [read.spec, read.pruning].into_iter().flatten().flatten();
        Self {
            name: read.name,
            kind: read.kind,
            accuracy: read.accuracy,
            loss: read.loss,
            weights: read.weights,
            zeros: read.zeros,
            histogram: read.histogram,
            energy: energies(&read.energy),
            seconds: read.seconds,
            epochs: read.epochs,
            fields: own.map(|(name, value)| (name, text(&value))).collect(),
        }
    }
}

/// A run without stages is one stage.
fn single(read: &Read) -> serde_json::Result<ReadStage> {
    let counted: Counted = serde_json::from_value(read.analysis.clone())?;
    Ok(ReadStage {
        name: "train".to_owned(),
        kind: "train".to_owned(),
        accuracy: read.training.accuracy,
        loss: read.training.loss,
        weights: counted.weights,
        zeros: counted.zeros,
        histogram: counted.histogram,
        energy: counted.energy,
        seconds: 0.0,
        epochs: Vec::new(),
        spec: Some(read.spec.clone()),
        pruning: None,
    })
}

/// The models whose figures have the shape known here; later versions may say more.
fn energies(energy: &Map<String, Value>) -> BTreeMap<String, Energy> {
    let known = |(name, value): (&String, &Value)| {
        Some((name.clone(), serde_json::from_value::<Energy>(value.clone()).ok()?))
    };
    energy.iter().filter_map(known).collect()
}

fn network(spec: &Map<String, Value>) -> String {
    let field = |name: &str| text(spec.get(name).unwrap_or(&Value::Null));
    let normalized = if spec.get("batch_norm") == Some(&Value::Bool(true)) { ", batch norm" } else { "" };
    format!("{} ({}, classifier {}{normalized})", field("model"), field("plan"), field("classifier"))
}

/// A value for people.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        // 20.0 is 20 to a reader, and was written so.
        Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0 && n.abs() < 1e15) => {
            format!("{:.0}", number.as_f64().unwrap_or_default())
        }
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
