//! A finished run: the `report.json` of a recipe, a single training or the page.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::report::LayerMap;
use crate::workflow::report::{DataDescription, RunReport};
use crate::workflow::stage::StageKind;
use crate::workflow::stage_report::StageReport;

/// A finished run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FinishedRun {
    /// Name of its folder.
    pub folder: String,
    /// Its report.
    pub report: RunReport,
    /// Its stages, all with names; a single training is one stage.
    pub stages: Vec<StageReport>,
}

impl FinishedRun {
    /// Reads a report from a folder of this name.
    ///
    /// # Errors
    /// When it is not the report of a run: names the field that is missing or invalid.
    pub fn read(folder: &str, bytes: &[u8]) -> Result<Self> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let report: RunReport = serde_path_to_error::deserialize(&mut json).map_err(|why| {
            let path = why.path().to_string();
            let reason =
                if path == "." { why.inner().to_string() } else { format!("{path}: {}", why.inner()) };
            Error::file("reading a report", folder, reason)
        })?;
        for (at, map) in report.maps.iter().enumerate() {
            // Drawn line by line, so that a few bytes could claim any number of them.
            let (across, down, tiles) = (map.across, map.down, map.level.len());
            if across.checked_mul(down) != Some(tiles) || across.max(down) > tiles {
                let reason = format!("maps[{at}].level: {tiles} levels do not fill {down} x {across} tiles");
                return Err(Error::file("reading a report", folder, reason));
            }
        }
        Ok(Self::new(folder, report))
    }

    /// A run with this report, in a folder of this name.
    pub fn new(folder: &str, report: RunReport) -> Self {
        let mut stages = report.stages.clone();
        if stages.is_empty() {
            stages.push(single_stage(&report));
        }
        for at in 0..stages.len() {
            if stages[at].name.is_none() {
                let kind = stages[at].kind;
                let earlier = stages[..at].iter().filter(|stage| stage.kind == kind).count();
                let number = if earlier == 0 { String::new() } else { format!("-{}", earlier + 1) };
                stages[at].name = Some(format!("{kind}{number}"));
            }
        }
        Self { folder: folder.to_owned(), report, stages }
    }

    /// The name of the recipe, or of the folder.
    pub fn name(&self) -> &str {
        self.report.name.as_deref().unwrap_or(&self.folder)
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.report.config.seed
    }

    /// Kind and name of the device.
    pub fn device(&self) -> String {
        format!("{} ({})", self.report.training.device, self.report.training.adapter)
    }

    /// The data source, for example `builtin` or `cifar10`; of pictures in folders the number of classes.
    pub fn data_name(&self) -> String {
        let configured = || text(&serde_json::to_value(self.report.config.data).unwrap_or_default());
        let named = |data: &DataDescription| match (&*data.name, data.classes) {
            // Pictures in folders are read as ImageNet is; it has a thousand classes.
            ("imagenet", classes) if classes != 1000 => format!("images of {classes} classes"),
            (name, _) => name.to_owned(),
        };
        self.report.data.as_ref().map_or_else(configured, named)
    }

    /// A description of the network.
    pub fn network(&self) -> String {
        let config = &self.report.config;
        let normalized = if config.batch_norm { ", batch norm" } else { "" };
        format!("{} ({}, classifier {}{normalized})", config.model, config.plan, config.classifier)
    }

    /// Number of crossbar rows.
    pub fn tile(&self) -> usize {
        self.report.hardware.tile
    }

    /// The maps of the final weights; empty if the report has none.
    pub fn maps(&self) -> &[LayerMap] {
        &self.report.maps
    }

    /// The last stage.
    pub fn last(&self) -> Option<&StageReport> {
        self.stages.last()
    }

    /// Fields of training and hardware that the stages have in common, as text.
    pub fn fields(&self) -> BTreeMap<String, String> {
        let mut fields = texts(&self.report.config);
        fields.extend(texts(&self.report.hardware));
        fields
    }

    /// All fields that can differ between runs: the common ones, and `stage.field` for each that a stage changes.
    pub fn all_fields(&self) -> BTreeMap<String, String> {
        let fields = self.fields();
        let mut all = fields.clone();
        all.insert("recipe".to_owned(), self.name().to_owned());
        // The hash of built-in images depends on the seed.
        let has_hash = |data: &&DataDescription| data.name != "builtin" && !data.sha256.is_empty();
        if let Some(data) = self.report.data.as_ref().filter(has_hash) {
            all.insert("images".to_owned(), data.sha256.chars().take(8).collect());
        }
        for stage in &self.stages {
            for (name, value) in stage_fields(stage) {
                if fields.get(&name) != Some(&value) {
                    all.insert(format!("{}.{name}", stage_name(stage)), value);
                }
            }
        }
        all
    }

    /// The field `stage.field`.
    pub fn stage_field(&self, name: &str) -> Option<String> {
        let (stage, field) = name.split_once('.')?;
        stage_fields(self.stages.iter().find(|own| stage_name(own) == stage)?).remove(field)
    }
}

/// The name of a stage; every stage of a [`FinishedRun`] has one.
pub fn stage_name(stage: &StageReport) -> &str {
    stage.name.as_deref().unwrap_or_default()
}

/// The fields of a stage, as text.
pub fn stage_fields(stage: &StageReport) -> BTreeMap<String, String> {
    let mut fields = stage.config.as_ref().map(texts).unwrap_or_default();
    fields.extend(stage.pruning.as_ref().map(texts).unwrap_or_default());
    for (name, file) in [("weights", &stage.weights_file), ("teacher", &stage.teacher)] {
        fields.extend(file.clone().map(|file| (name.to_owned(), file)));
    }
    fields
}

/// The only stage of a single training.
fn single_stage(report: &RunReport) -> StageReport {
    StageReport {
        accuracy: report.training.accuracy,
        ..StageReport::from_training(StageKind::Train, &report.config, &report.analysis, None)
    }
}

/// The fields of an object, as text.
fn texts(object: &impl Serialize) -> BTreeMap<String, String> {
    match serde_json::to_value(object) {
        Ok(Value::Object(fields)) => fields.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        _ => BTreeMap::new(),
    }
}

/// A value as text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        // Readers expect 20, as in the recipe, and not 20.0.
        Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0 && n.abs() < 1e15) => {
            format!("{:.0}", number.as_f64().unwrap_or_default())
        }
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
