//! A recipe: a TOML text with common fields and an ordered list of stages, and changes that the command line makes to
//! it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::field_scope::{FieldScope, scope_of};
use super::stage::{Stage, StageConfig, flatten_quantize, text};
use crate::config::{HardwareConfig, NetworkFields, TrainConfig, apply};
use crate::error::{Error, Result};
use crate::prune::PruneRule;

/// The largest number of stages.
const MAX_STAGES: usize = 64;

/// A recipe with all fields resolved.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Recipe {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// The images: `builtin` or a path, as the user wrote it.
    pub data: String,
    /// The config that the stages have in common.
    pub config: TrainConfig,
    /// The hardware, the same for all stages.
    pub hardware: HardwareConfig,
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

/// A change to a recipe: of `lambda` in all stages, or of `dub.lambda` in the stage `dub` only.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct Change {
    /// The stage; `None` for all stages that have the field.
    pub stage: Option<String>,
    /// The name of the field.
    pub field: String,
    /// Its new value.
    pub value: Value,
}

impl Change {
    /// Changes `field` or `stage.field` to this value.
    pub fn new(name: &str, value: Value) -> Self {
        let (stage, field) = match name.split_once('.') {
            Some((stage, field)) => (Some(stage.to_owned()), field),
            None => (None, name),
        };
        Self { stage, field: field.to_owned(), value }
    }

    /// `field` or `stage.field`.
    pub fn name(&self) -> String {
        self.stage.as_ref().map_or_else(|| self.field.clone(), |stage| format!("{stage}.{}", self.field))
    }
}

impl Recipe {
    /// Reads a recipe and applies changes to it, in order.
    ///
    /// ```
    /// use crossdub::workflow::recipe::{Change, Recipe};
    ///
    /// let text = "data = \"builtin\"\n[[stage]]\nname = \"dub\"\nkind = \"train\"\nlambda = 1e-3";
    /// let recipe = Recipe::read(text, &[Change::new("dub.lambda", serde_json::json!(0.01))])?;
    /// assert_eq!(recipe.stages[0].train_config().map(|config| config.lambda), Some(0.01));
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the text is not valid TOML; otherwise names the field that is unknown, misplaced or out of range.
    pub fn read(source: &str, changes: &[Change]) -> Result<Self> {
        let mut fields: Map<String, Value> = toml::from_str(source)
            .map_err(|error| Error::file("reading the recipe", "", &error).with_source(error))?;
        flatten_quantize(&mut fields)?;
        let mut stages = stage_tables(&mut fields)?;
        let name = text(&mut fields, "name")?.unwrap_or_else(|| "recipe".to_owned());
        // The folder of the run gets this name.
        let harmless = |c: char| c.is_alphanumeric() || " .,-_+=()".contains(c);
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(harmless) {
            let reason =
                "must be up to 100 letters, digits, spaces and .,-_+=(), and can't begin with a period";
            return Err(Error::field("name", name, reason));
        }
        let description = text(&mut fields, "description")?.unwrap_or_default();
        for change in changes {
            apply_change(&mut fields, &mut stages, change)?;
        }
        let data = text(&mut fields, "data")?;
        let data = data.ok_or_else(|| Error::field("data", "", "must be builtin or a path"))?;
        for (field, value) in &fields {
            if matches!(scope_of(field), Ok(FieldScope::Pruning)) {
                return Err(Error::field(field, value, "is a field of stages that prune"));
            }
        }
        let (config, hardware) = apply(&TrainConfig::default(), &HardwareConfig::default(), &fields)?;
        let stages = resolve(stages, &config, &hardware)?;
        Ok(Self { name, description, data, config, hardware, stages })
    }

    /// Paths of the weights that stages start from or learn from.
    pub fn weight_files(&self) -> impl Iterator<Item = &str> {
        let teachers = self.stages.iter().filter_map(|stage| stage.teacher.as_deref());
        let files = teachers.filter(|teacher| self.stages.iter().all(|stage| stage.name != *teacher));
        self.stages.iter().filter_map(|stage| stage.weights.as_deref()).chain(files)
    }
}

/// Removes the `[[stage]]` tables, with their fields as changes name them.
fn stage_tables(fields: &mut Map<String, Value>) -> Result<Vec<Map<String, Value>>> {
    let invalid = |reason| Error::field("stage", "", reason);
    let Some(Value::Array(list)) = fields.remove("stage") else {
        return Err(invalid("a recipe lists its stages, each under [[stage]]"));
    };
    if list.is_empty() || list.len() > MAX_STAGES {
        return Err(Error::field("stage", list.len(), format!("a recipe has 1 to {MAX_STAGES} stages")));
    }
    let table = |value| match value {
        Value::Object(mut table) => flatten_quantize(&mut table).map(|()| table),
        _ => Err(invalid("each stage is a table under [[stage]]")),
    };
    list.into_iter().map(table).collect()
}

/// Changes a field of the whole recipe, of one stage, or of all stages that have it.
fn apply_change(
    fields: &mut Map<String, Value>,
    stages: &mut [Map<String, Value>],
    change: &Change,
) -> Result<()> {
    let Change { stage, field, value } = change;
    if let Some(stage) = stage {
        let found = stages.iter_mut().find(|table| table.get("name").and_then(Value::as_str) == Some(stage));
        let table =
            found.ok_or_else(|| Error::field(change.name(), value, "the recipe has no such stage"))?;
        if ["name", "kind"].contains(&field.as_str()) {
            return Err(Error::field(change.name(), value, "can't be changed"));
        }
        table.insert(field.clone(), value.clone());
        return Ok(());
    }
    let scope = if field == "data" { FieldScope::Recipe } else { scope_of(field)? };
    if scope == FieldScope::Recipe {
        // What the recipe says in other words would win over the change.
        let replaced: &[&str] = match field.as_str() {
            "model" if value != "custom" && fields.contains_key("plan") => &NetworkFields::REPLACED_BY_MODEL,
            "device" => &["devices", "gather"],
            _ => &[],
        };
        replaced.iter().for_each(|other| drop(fields.remove(*other)));
        fields.insert(field.clone(), value.clone());
        return Ok(());
    }
    let mut applied = false;
    for table in stages {
        let prunes = table.get("kind").and_then(Value::as_str) == Some("prune");
        if prunes == (scope == FieldScope::Pruning) {
            table.insert(field.clone(), value.clone());
            applied = true;
        }
    }
    if applied { Ok(()) } else { Err(Error::field(field, value, "no stage of the recipe has this field")) }
}

fn resolve(
    tables: Vec<Map<String, Value>>,
    common: &TrainConfig,
    hardware: &HardwareConfig,
) -> Result<Vec<Stage>> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut last_rule = None;
    for table in tables {
        let stage = Stage::resolve(table, (common, hardware), last_rule)?;
        if stages.iter().any(|other| other.name == stage.name) {
            return Err(Error::field("stage.name", &stage.name, "two stages have this name"));
        }
        if stages.is_empty() && stage.weights.is_none() && !matches!(stage.config, StageConfig::Train(_)) {
            let reason = "the first stage must train, or name the weights to start from";
            return Err(Error::field(format!("{}.weights", stage.name), "", reason));
        }
        last_rule = match &stage.config {
            StageConfig::Prune { fields, .. } => Some(fields.rule),
            // Whatever rule made the zeros that it starts with.
            StageConfig::Finetune(_) if stage.weights.is_some() => Some(PruneRule::Exact),
            StageConfig::Train(_) if stage.weights.is_some() => None,
            StageConfig::Finetune(_) => last_rule.or(Some(PruneRule::Exact)),
            StageConfig::Train(_) => last_rule,
        };
        stages.push(stage);
    }
    for (at, stage) in stages.iter().enumerate() {
        let Some(teacher) = &stage.teacher else { continue };
        if stages[at..].iter().any(|other| other.name == *teacher) {
            let field = format!("{}.teacher", stage.name);
            return Err(Error::field(field, teacher, "must be an earlier stage, or a file"));
        }
    }
    Ok(stages)
}
