//! A stage of a recipe: training, pruning or fine-tuning, with all fields resolved, and the inputs that its result
//! depends on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::field_scope::check_fields;
use crate::checkpoint::Checkpoint;
use crate::compress::fields::PruneFields;
use crate::compress::pruning::PruneConfig;
use crate::config::{
    AdcModel, DataSource, DeviceChoice, DeviceList, Granularity, HardwareConfig, RegularizerKind, Schedule,
    TrainConfig, apply,
};
use crate::error::{Error, Result};
use crate::network::NetworkSpec;
use crate::prune::PruneRule;

/// A stage with all fields resolved.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stage {
    /// Its name, unique in the recipe.
    pub name: String,
    /// What it does.
    pub config: StageConfig,
    /// Path of the weights to start from, as the user wrote it; `None` to start from those of the previous stage.
    pub weights: Option<String>,
    /// The network that it learns from beside the labels: the name of an earlier stage, or a path.
    pub teacher: Option<String>,
    /// Whether the zeros of the initial weights of crossbar layers stay zero.
    pub masked: bool,
}

/// The kind of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StageKind {
    /// Trains the network.
    Train,
    /// Prunes the crossbar layers.
    Prune,
    /// Trains the pruned network; zeros stay zero.
    Finetune,
}

impl fmt::Display for StageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Prune => "prune",
            Self::Finetune => "finetune",
        })
    }
}

impl FromStr for StageKind {
    type Err = Error;

    fn from_str(kind: &str) -> Result<Self> {
        match kind {
            "train" => Ok(Self::Train),
            "prune" => Ok(Self::Prune),
            "finetune" => Ok(Self::Finetune),
            other => Err(Error::field("kind", other, "must be train, prune or finetune")),
        }
    }
}

/// What a stage does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StageConfig {
    /// Trains.
    Train(TrainConfig),
    /// Prunes the crossbar layers.
    Prune {
        /// The fields as the recipe has them.
        fields: PruneFields,
        /// What they mean on the recipe's hardware.
        config: PruneConfig,
    },
    /// Trains the pruned network.
    Finetune(TrainConfig),
}

/// The fields of quantized training.
const QUANTIZE_FIELDS: [&str; 5] =
    ["quantize_precision", "quantize_cap", "quantize_linear", "quantize_ramp", "quantize_lambda"];

/// Counts up when the rule `bit-planes` chooses otherwise, so that a stage pruned before is not taken for one pruned now.
const BIT_PLANES_REVISION: u32 = 2;

/// What a pruned network depends on: the fields that its rule uses.
fn pruning_inputs(fields: &PruneFields, config: &PruneConfig, hardware: &HardwareConfig) -> Value {
    let mut inputs = json!({ "rule": fields.rule, "ratios": fields.ratios, "shape": shape(hardware) });
    if matches!(fields.rule, PruneRule::Budget | PruneRule::BitPlanes) {
        inputs["target"] = json!([fields.target, fields.weighting]);
        inputs["importance"] = json!(fields.importance);
        inputs["converter"] = json!([
            hardware.adc,
            hardware.dac_bits,
            hardware.cell_bits,
            hardware.subtraction,
            hardware.active_rows
        ]);
        // Since revision 1, a budget counts a conversion for each group of rows.
        let is_grouped = hardware.adc != AdcModel::Paper && hardware.rows_at_once() < hardware.tile;
        if fields.rule == PruneRule::Budget && is_grouped {
            inputs["revision"] = json!(1);
        }
        if fields.rule == PruneRule::BitPlanes {
            // Later stages train with these integers, and inputs of so many bits.
            inputs["integers"] =
                json!([hardware.weight_precision, hardware.weight_scale, hardware.per, hardware.input_bits]);
            let split = hardware.rows_at_once() < hardware.tile || hardware.per == Granularity::Column;
            inputs["revision"] = json!(BIT_PLANES_REVISION + u32::from(split));
        }
    } else if fields.ratios.is_empty() {
        inputs["tol"] = json!(hardware.tol);
    }
    if let Some(calibration) = config.calibration() {
        inputs["images"] = json!([calibration.images, calibration.moments]);
    }
    inputs
}

/// What the integers of a network in training depend on.
pub(super) fn integer_inputs(hardware: &HardwareConfig) -> Value {
    json!([
        shape(hardware),
        hardware.weight_scale,
        hardware.input_bits,
        hardware.cell_bits,
        hardware.rows_at_once()
    ])
}

impl StageConfig {
    /// A stage of this kind: its own fields over the recipe's common config.
    ///
    /// # Errors
    /// Names the field that is unknown, misplaced, of the wrong type or out of range.
    pub fn new(
        kind: &str,
        fields: &Map<String, Value>,
        common: &TrainConfig,
        hardware: &HardwareConfig,
    ) -> Result<Self> {
        let kind: StageKind = kind.parse()?;
        check_fields(kind, fields)?;
        match kind {
            StageKind::Train => Ok(Self::Train(apply(common, hardware, fields)?.0)),
            StageKind::Finetune => finetune_config(fields, common, hardware).map(Self::Finetune),
            StageKind::Prune => {
                let fields = PruneFields::from_map(fields)?;
                let config = PruneConfig::from_fields(&fields, hardware, crossbar_layers(common))?;
                config.check_hardware(hardware)?;
                Ok(Self::Prune { fields, config })
            }
        }
    }
}

/// The authors' settings for fine-tuning, with these fields changed.
///
/// # Errors
/// Names the field that is unknown, misplaced, of the wrong type or out of range.
pub fn finetune_config(
    fields: &Map<String, Value>,
    config: &TrainConfig,
    hardware: &HardwareConfig,
) -> Result<TrainConfig> {
    check_fields(StageKind::Finetune, fields)?;
    Ok(apply(&config.for_finetuning(), hardware, fields)?.0)
}

impl Stage {
    /// Resolves a `[[stage]]` of a recipe over the recipe's common fields. `last_rule` is the rule of the last pruning before
    /// it: its zeros stay, but for those of `bit-planes`, which are integers like others.
    ///
    /// # Errors
    /// Names the field that is unknown, misplaced, of the wrong type or out of range.
    pub fn resolve(
        mut fields: Map<String, Value>,
        (common, hardware): (&TrainConfig, &HardwareConfig),
        last_rule: Option<PruneRule>,
    ) -> Result<Self> {
        let name = text(&mut fields, "name")?.unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            let reason = "must be letters, digits, - and _";
            return Err(Error::field("stage.name", &name, reason));
        }
        let kind = text(&mut fields, "kind")?.unwrap_or_default();
        let weights = text(&mut fields, "weights")?;
        let teacher = text(&mut fields, "teacher")?;
        let config =
            StageConfig::new(&kind, &fields, common, hardware).map_err(|error| error.with_stage(&name))?;
        if let (Some(teacher), StageConfig::Prune { .. }) = (&teacher, &config) {
            let why = "is a field of stages that train";
            return Err(Error::field("teacher", teacher, why).with_stage(&name));
        }
        let last_rule = last_rule.filter(|_| weights.is_none());
        let masked = match &config {
            StageConfig::Finetune(_) => last_rule != Some(PruneRule::BitPlanes),
            StageConfig::Train(_) => last_rule.is_some_and(|rule| rule != PruneRule::BitPlanes),
            StageConfig::Prune { .. } => false,
        };
        Ok(Self { name, config, weights, teacher, masked })
    }

    /// The kind of the stage.
    pub fn kind(&self) -> StageKind {
        match self.config {
            StageConfig::Train(_) => StageKind::Train,
            StageConfig::Prune { .. } => StageKind::Prune,
            StageConfig::Finetune(_) => StageKind::Finetune,
        }
    }

    /// The configuration of a stage that trains.
    pub fn train_config(&self) -> Option<&TrainConfig> {
        match &self.config {
            StageConfig::Train(config) | StageConfig::Finetune(config) => Some(config),
            StageConfig::Prune { .. } => None,
        }
    }

    /// Whether the zeros of the weights that the stage starts from stay zero. Quantized weights of a file keep their
    /// precisions and caps instead.
    pub fn keeps_zeros_of(&self, start: &Checkpoint) -> bool {
        self.masked && !(self.weights.is_some() && start.is_quantized())
    }

    /// Everything in the recipe that the stage's weights depend on, except data, device, initial weights and teacher.
    /// Fields without influence are left out, so that a sweep over lambda shares the training without a regularizer.
    pub fn inputs(&self, hardware: &HardwareConfig) -> Value {
        match &self.config {
            StageConfig::Prune { fields, config } => {
                json!({ "prune": pruning_inputs(fields, config, hardware) })
            }
            StageConfig::Train(config) | StageConfig::Finetune(config) => {
                let regularized = config.regularizer != RegularizerKind::None;
                let shape = if regularized { shape(hardware) } else { Value::Null };
                let mut train = json!(influential(config, regularized));
                // The executor adds it, for all stages.
                train.as_object_mut().map(|fields| fields.remove("standardize"));
                if config.schedule == Schedule::MultiStep {
                    // Stages from before there were other schedules keep their names.
                    train.as_object_mut().map(|fields| fields.remove("schedule"));
                }
                if !config.quantize_linear {
                    // Nor are stages renamed that leave the fully connected layers in floats.
                    train.as_object_mut().map(|fields| fields.remove("quantize_linear"));
                }
                if self.teacher.is_none() {
                    // Nor does a teacher change the names of stages without one.
                    for field in ["distill_weight", "distill_temperature"] {
                        train.as_object_mut().map(|fields| fields.remove(field));
                    }
                }
                let mut inputs = json!({ "train": train, "shape": shape, "masked": self.masked });
                if config.quantize_precision.is_empty() {
                    // So do stages in floats. Those that start from quantized weights are named after
                    // these, too; from a file's, after what the executor adds.
                    let defaults = json!(TrainConfig::default());
                    for field in QUANTIZE_FIELDS {
                        if inputs["train"][field] == defaults[field] {
                            inputs["train"].as_object_mut().map(|fields| fields.remove(field));
                        }
                    }
                } else {
                    inputs["integers"] = integer_inputs(hardware);
                }
                inputs
            }
        }
    }
}

/// The fields of the hardware that decide which weights share a tile.
fn shape(hardware: &HardwareConfig) -> Value {
    json!([hardware.tile, hardware.cells_across(), hardware.weight_bits])
}

/// The config with all fields without influence at their defaults: the data's hash stands for its source, and without
/// a regularizer its factors have no effect.
fn influential(config: &TrainConfig, regularized: bool) -> TrainConfig {
    let mut config = config.clone();
    (config.data, config.holdout, config.limit) = (DataSource::Builtin, 0, 0);
    (config.device, config.devices, config.gather) = (DeviceChoice::Auto, DeviceList::default(), false);
    let with_mean = [RegularizerKind::MeanAndVariance, RegularizerKind::MeanAndGatedVariance];
    if !with_mean.contains(&config.regularizer) {
        config.lambda_mean = 0.0;
    }
    if config.schedule != Schedule::MultiStep {
        config.milestones.clear();
    }
    if !regularized {
        (config.regularizer, config.lambda, config.lambda_mean) = (RegularizerKind::None, 0.0, 0.0);
    }
    config
}

/// Turns a table `[quantize]` into the fields of the same names: `precision` into `quantize_precision`.
pub(super) fn flatten_quantize(fields: &mut Map<String, Value>) -> Result<()> {
    match fields.remove("quantize") {
        None => Ok(()),
        Some(Value::Object(table)) => {
            for (name, value) in table {
                let field = format!("quantize_{name}");
                if !QUANTIZE_FIELDS.contains(&&*field) {
                    return Err(Error::field(format!("quantize.{name}"), value, "there is no such field"));
                }
                if fields.contains_key(&field) {
                    return Err(Error::field(format!("quantize.{name}"), value, format!("is {field}, too")));
                }
                fields.insert(field, value);
            }
            Ok(())
        }
        Some(other) => Err(Error::field(
            "quantize",
            other,
            "must be a table with precision, cap, linear, ramp and lambda",
        )),
    }
}

/// Removes a text field.
pub(super) fn text(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>> {
    match fields.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Error::field(name, other, "must be a string in quotes")),
    }
}

/// Number of crossbar layers of the network; `None` if it depends on the images.
fn crossbar_layers(config: &TrainConfig) -> Option<usize> {
    let mut config = config.clone();
    if config.model.is_for_imagenet() {
        config.data = DataSource::ImageNet;
    }
    // The number of classes, which depends on the data, changes no convolution.
    NetworkSpec::from_config(&config, 10).ok().map(|network| network.conv_shapes().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(fields: &str) -> Value {
        let mut fields: Map<String, Value> = serde_json::from_str(fields).expect("an object");
        flatten_quantize(&mut fields).expect("fields");
        let common = (&TrainConfig::default(), &HardwareConfig::default());
        Stage::resolve(fields, common, None).expect("valid").inputs(common.1)
    }

    #[test]
    fn a_table_of_quantization_is_its_fields() {
        let table =
            inputs(r#"{ "name": "a", "kind": "train", "quantize": { "precision": [8, 3], "cap": 3 } }"#);
        let fields = r#"{ "name": "a", "kind": "train", "quantize_precision": "8,3", "quantize_cap": "3" }"#;
        assert_eq!(table, inputs(fields));
        assert!(table["integers"].is_array());
        let floats = inputs(r#"{ "name": "a", "kind": "train" }"#);
        assert!(
            floats["train"].get("quantize_cap").is_none() && floats.get("integers").is_none(),
            "{floats}"
        );
        let mut wrong = serde_json::json!({ "quantize": { "bits": 3 } });
        let error = flatten_quantize(wrong.as_object_mut().expect("an object")).expect_err("rejected");
        assert_eq!(error.field_name(), Some("quantize.bits"));
        let mut twice = serde_json::json!({ "quantize": { "cap": 3 }, "quantize_cap": 7 });
        let error = flatten_quantize(twice.as_object_mut().expect("an object")).expect_err("rejected");
        assert_eq!(error.field_name(), Some("quantize.cap"));
    }

    #[test]
    fn only_another_schedule_makes_another_stage() {
        let plain = inputs(r#"{ "name": "a", "kind": "train", "milestones": [1] }"#);
        assert!(plain["train"].get("schedule").is_none(), "the name of stages from before: {plain}");
        let named = r#"{ "name": "a", "kind": "train", "milestones": [1], "schedule": "multi-step" }"#;
        assert_eq!(inputs(named), plain);
        let cycle = inputs(r#"{ "name": "a", "kind": "train", "schedule": "one-cycle" }"#);
        assert_eq!(cycle["train"]["schedule"], "one-cycle");
        let ignored = r#"{ "name": "a", "kind": "train", "milestones": [1], "schedule": "one-cycle" }"#;
        assert_eq!(inputs(ignored), cycle, "milestones have no effect");
    }
}
