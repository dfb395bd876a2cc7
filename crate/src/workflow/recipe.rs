//! A recipe: a TOML text of common fields and an ordered list of stages, with changes from the
//! command line laid over it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::stage::{FieldScope, Stage, StageConfig, scope_of, text};
use crate::config::{HardwareConfig, TrainConfig, apply};
use crate::error::{Error, Result};

/// The most stages of a recipe.
const MAX_STAGES: usize = 64;

/// A recipe with every field resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where the images are: `builtin` or a path, as the user wrote it.
    pub data: String,
    /// The fields that its stages share.
    pub spec: TrainConfig,
    /// The hardware, the same for all stages.
    pub hardware: HardwareConfig,
    /// What is done, in order.
    pub stages: Vec<Stage>,
}

/// A field changed from outside: `lambda`, everywhere, or `dub.lambda`, in the stage `dub` alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Change {
    /// The stage; none for all that have such a field.
    pub stage: Option<String>,
    /// The field's name.
    pub field: String,
    /// Its value.
    pub value: Value,
}

impl Change {
    /// From `field` or `stage.field`, and a value.
    pub fn new(name: &str, value: Value) -> Self {
        let (stage, field) = match name.split_once('.') {
            Some((stage, field)) => (Some(stage.to_owned()), field),
            None => (None, name),
        };
        Self { stage, field: field.to_owned(), value }
    }

    /// The name as written: `field` or `stage.field`.
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
    /// assert_eq!(recipe.stages[0].spec().map(|train| train.lambda), Some(0.01));
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the text is no TOML, or names the field that is unknown, misplaced or out of range.
    pub fn read(source: &str, changes: &[Change]) -> Result<Self> {
        let mut fields: Map<String, Value> = toml::from_str(source)
            .map_err(|why| Error::file("reading the recipe", "", &why).with_source(why))?;
        let mut stages = stage_tables(&mut fields)?;
        let name = text(&mut fields, "name")?.unwrap_or_else(|| "recipe".to_owned());
        // It names the run's folder.
        let harmless = |c: char| c.is_alphanumeric() || " .,-_+=()".contains(c);
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(harmless) {
            let why = "takes up to 100 letters, digits, blanks and .,-_+=(), and begins with no point";
            return Err(Error::field("name", name, why));
        }
        let description = text(&mut fields, "description")?.unwrap_or_default();
        for change in changes {
            lay_over(&mut fields, &mut stages, change)?;
        }
        let data = text(&mut fields, "data")?;
        let data = data.ok_or_else(|| Error::field("data", "", "takes builtin or a path"))?;
        for (field, value) in &fields {
            if matches!(scope_of(field), Ok(FieldScope::Pruning)) {
                return Err(Error::field(field, value, "is a field of stages that prune"));
            }
        }
        let (spec, hardware) = apply(&TrainConfig::default(), &HardwareConfig::default(), &fields)?;
        let stages = resolve(stages, &spec, &hardware)?;
        Ok(Self { name, description, data, spec, hardware, stages })
    }
}

/// Takes the `[[stage]]` tables out.
fn stage_tables(fields: &mut Map<String, Value>) -> Result<Vec<Map<String, Value>>> {
    let refuse = |why| Error::field("stage", "", why);
    let Some(Value::Array(list)) = fields.remove("stage") else {
        return Err(refuse("a recipe lists its stages, each under [[stage]]"));
    };
    if list.is_empty() || list.len() > MAX_STAGES {
        return Err(Error::field("stage", list.len(), format!("a recipe has 1 to {MAX_STAGES} stages")));
    }
    let table = |value| match value {
        Value::Object(table) => Ok(table),
        _ => Err(refuse("each stage is a table under [[stage]]")),
    };
    list.into_iter().map(table).collect()
}

/// Puts a changed field where it belongs: above the stages, or into the stages that have it.
fn lay_over(
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
            return Err(Error::field(change.name(), value, "can't be changed from outside"));
        }
        table.insert(field.clone(), value.clone());
        return Ok(());
    }
    let home = if field == "data" { FieldScope::Recipe } else { scope_of(field)? };
    if home == FieldScope::Recipe {
        fields.insert(field.clone(), value.clone());
        return Ok(());
    }
    let mut taken = false;
    for table in stages {
        let prunes = table.get("kind").and_then(Value::as_str) == Some("prune");
        if prunes == (home == FieldScope::Pruning) {
            table.insert(field.clone(), value.clone());
            taken = true;
        }
    }
    if taken { Ok(()) } else { Err(Error::field(field, value, "no stage of the recipe has this field")) }
}

fn resolve(
    tables: Vec<Map<String, Value>>,
    spec: &TrainConfig,
    hardware: &HardwareConfig,
) -> Result<Vec<Stage>> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut after_pruning = false;
    for table in tables {
        let stage = Stage::resolve(table, (spec, hardware), after_pruning)?;
        if stages.iter().any(|other| other.name == stage.name) {
            return Err(Error::field("stage.name", &stage.name, "two stages have this name"));
        }
        if stages.is_empty() && stage.weights.is_none() && !matches!(stage.config, StageConfig::Train(_)) {
            let why = "the first stage trains, or names the weights it starts from";
            return Err(Error::field(format!("{}.weights", stage.name), "", why));
        }
        after_pruning = match stage.config {
            StageConfig::Prune(_) | StageConfig::Finetune(_) => true,
            StageConfig::Train(_) => stage.masked,
        };
        stages.push(stage);
    }
    Ok(stages)
}
