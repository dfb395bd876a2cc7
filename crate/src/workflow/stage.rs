//! A stage of a recipe: training, pruning or fine-tuning, with every field resolved, and what its
//! result depends on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::compress::pruning::PruneSpec;
use crate::config::{
    DataSource, DeviceChoice, DeviceList, HardwareConfig, RegularizerKind, TrainConfig, apply, read_fields,
};
use crate::error::{Error, Result};
use crate::network::NetworkSpec;
use crate::prune::PruneRule;

/// Run fields that hold for a whole recipe: the network and the data can't change between its
/// stages, and neither can the seed, which draws the built-in images.
const RECIPE_FIELDS: [&str; 11] = [
    "model",
    "plan",
    "classifier",
    "batch_norm",
    "side",
    "data",
    "holdout",
    "limit",
    "device",
    "devices",
    "gather",
];

/// One stage, its fields resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its name, unique in the recipe.
    pub name: String,
    /// What is done.
    pub config: StageConfig,
    /// Weights to start from, a path as the user wrote it; none for those of the stage before.
    pub weights: Option<String>,
    /// Whether the zeros of the crossbar layers it starts with stay zero.
    pub masked: bool,
}

/// The three kinds of stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum StageKind {
    /// Trains the network.
    Train,
    /// Prunes the crossbar layers to discrete levels.
    Prune,
    /// Trains the pruned network with its zeros kept.
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
            other => Err(Error::field("kind", other, "takes train, prune or finetune")),
        }
    }
}

/// What a stage does, with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum StageConfig {
    /// Trains.
    Train(TrainConfig),
    /// Cuts the crossbar layers to discrete levels.
    Prune(PruneSpec),
    /// Trains what pruning has left.
    Finetune(TrainConfig),
}

/// The fields that a pruning's rule uses.
fn pruning_inputs(spec: &PruneSpec, hardware: &HardwareConfig) -> Value {
    let mut inputs = json!({ "rule": spec.rule, "ratios": spec.ratios, "shape": shape(hardware) });
    if spec.rule == PruneRule::Budget {
        inputs["target"] = json!([spec.target, spec.weighting]);
        inputs["importance"] = json!(spec.importance);
        inputs["converter"] = json!([
            hardware.adc,
            hardware.dac_bits,
            hardware.cell_bits,
            hardware.subtraction,
            hardware.active_rows
        ]);
    } else if spec.ratios.is_empty() {
        inputs["tol"] = json!(hardware.tol);
    }
    if let Some(gathering) = spec.calibration() {
        inputs["images"] = json!([gathering.images, gathering.moments]);
    }
    inputs
}

/// The names of a specification's fields.
fn names<T: Serialize>(whole: &T) -> Vec<String> {
    let object = serde_json::to_value(whole).ok();
    object.as_ref().and_then(Value::as_object).map_or_else(Vec::new, |map| map.keys().cloned().collect())
}

/// Where a flat field belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldScope {
    /// The whole recipe.
    Recipe,
    /// Stages that train or fine-tune.
    Training,
    /// Stages that prune.
    Pruning,
}

/// Where the field of this name belongs.
///
/// # Errors
/// When there is no such field.
pub fn scope_of(field: &str) -> Result<FieldScope> {
    let among = |names: Vec<String>| names.iter().any(|name| name == field);
    if RECIPE_FIELDS.contains(&field) || field == "seed" || among(names(&HardwareConfig::default())) {
        Ok(FieldScope::Recipe)
    } else if among(names(&TrainConfig::default())) {
        Ok(FieldScope::Training)
    } else if among(names(&PruneSpec::default())) {
        Ok(FieldScope::Pruning)
    } else {
        Err(Error::field(field, "", "there is no such field"))
    }
}

impl StageConfig {
    /// The settings of a stage of this kind: its own fields over the run's configuration.
    ///
    /// # Errors
    /// Names the field that is unknown, misplaced, of the wrong type or out of range.
    pub fn new(
        kind: &str,
        fields: &Map<String, Value>,
        spec: &TrainConfig,
        hardware: &HardwareConfig,
    ) -> Result<Self> {
        let kind: StageKind = kind.parse()?;
        kind.check_fields(fields)?;
        match kind {
            StageKind::Train => Ok(Self::Train(apply(spec, hardware, fields)?.0)),
            StageKind::Finetune => finetune_config(fields, spec, hardware).map(Self::Finetune),
            StageKind::Prune => prune_spec(fields, spec, hardware).map(Self::Prune),
        }
    }
}

/// Fine-tuning as the authors do it, with these fields changed.
///
/// # Errors
/// Names the field that is unknown, misplaced, of the wrong type or out of range.
pub fn finetune_config(
    fields: &Map<String, Value>,
    spec: &TrainConfig,
    hardware: &HardwareConfig,
) -> Result<TrainConfig> {
    StageKind::Finetune.check_fields(fields)?;
    Ok(apply(&spec.for_finetuning(), hardware, fields)?.0)
}

impl StageKind {
    /// Names the first field that is not one of this kind of stage.
    fn check_fields(self, fields: &Map<String, Value>) -> Result<()> {
        let own = match self {
            Self::Train | Self::Finetune => FieldScope::Training,
            Self::Prune => FieldScope::Pruning,
        };
        for (field, value) in fields {
            let why = match scope_of(field) {
                Ok(scope) if scope == own => continue,
                Ok(FieldScope::Recipe) => "is the same in all stages; set it for the whole run",
                Ok(FieldScope::Training) => "is a field of stages that train",
                Ok(FieldScope::Pruning) => "is a field of stages that prune",
                Err(_) => "there is no such field",
            };
            return Err(Error::field(field, value, why));
        }
        Ok(())
    }
}

impl Stage {
    /// Resolves a `[[stage]]` of a recipe over the recipe's common fields.
    ///
    /// # Errors
    /// Names the field that is unknown, misplaced, of the wrong type or out of range.
    pub fn resolve(
        mut fields: Map<String, Value>,
        (spec, hardware): (&TrainConfig, &HardwareConfig),
        after_pruning: bool,
    ) -> Result<Self> {
        let name = text(&mut fields, "name")?.unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            let why = "a stage's name takes letters, digits, - and _";
            return Err(Error::field("stage.name", &name, why));
        }
        let kind = text(&mut fields, "kind")?.unwrap_or_default();
        let weights = text(&mut fields, "weights")?;
        let config =
            StageConfig::new(&kind, &fields, spec, hardware).map_err(|error| error.with_stage(&name))?;
        let masked = match &config {
            StageConfig::Finetune(_) => true,
            StageConfig::Train(_) => after_pruning && weights.is_none(),
            StageConfig::Prune(_) => false,
        };
        Ok(Self { name, config, weights, masked })
    }

    /// Which kind of stage it is.
    pub fn kind(&self) -> StageKind {
        match self.config {
            StageConfig::Train(_) => StageKind::Train,
            StageConfig::Prune(_) => StageKind::Prune,
            StageConfig::Finetune(_) => StageKind::Finetune,
        }
    }

    /// The run of a stage that trains.
    pub fn spec(&self) -> Option<&TrainConfig> {
        match &self.config {
            StageConfig::Train(spec) | StageConfig::Finetune(spec) => Some(spec),
            StageConfig::Prune(_) => None,
        }
    }

    /// The pruning of a stage that prunes.
    pub fn pruning(&self) -> Option<&PruneSpec> {
        match &self.config {
            StageConfig::Prune(spec) => Some(spec),
            StageConfig::Train(_) | StageConfig::Finetune(_) => None,
        }
    }

    /// Everything in the recipe that this stage's weights depend on, apart from data, device and the
    /// weights it starts with. What has no influence is left out, so that a sweep over lambda shares
    /// the training without a regularizer.
    pub fn inputs(&self, hardware: &HardwareConfig) -> Value {
        match &self.config {
            StageConfig::Prune(prune) => json!({ "prune": pruning_inputs(prune, hardware) }),
            StageConfig::Train(spec) | StageConfig::Finetune(spec) => {
                let regularized = spec.regularizer != RegularizerKind::None;
                let shape = if regularized { shape(hardware) } else { Value::Null };
                json!({ "train": influential(spec, regularized), "shape": shape, "masked": self.masked })
            }
        }
    }
}

/// The parts of the hardware that decide which weights share a tile.
fn shape(hardware: &HardwareConfig) -> Value {
    json!([hardware.tile, hardware.cells_across(), hardware.weight_bits])
}

/// The run with what has no influence at its default: the data's identity stands for where it came
/// from, and without a regularizer its weights mean nothing.
fn influential(spec: &TrainConfig, regularized: bool) -> TrainConfig {
    let mut spec = spec.clone();
    (spec.data, spec.holdout, spec.limit) = (DataSource::Builtin, 0, 0);
    (spec.device, spec.devices, spec.gather) = (DeviceChoice::Auto, DeviceList::default(), false);
    let with_mean = [RegularizerKind::MeanAndVariance, RegularizerKind::MeanAndGatedVariance];
    if !with_mean.contains(&spec.regularizer) {
        spec.lambda_mean = 0.0;
    }
    if !regularized {
        (spec.regularizer, spec.lambda, spec.lambda_mean) = (RegularizerKind::None, 0.0, 0.0);
    }
    spec
}

/// Takes a text field out.
pub(super) fn text(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>> {
    match fields.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Error::field(name, other, "takes a text in quotes")),
    }
}

/// A pruning stage's settings.
fn prune_spec(
    fields: &Map<String, Value>,
    network: &TrainConfig,
    hardware: &HardwareConfig,
) -> Result<PruneSpec> {
    let spec: PruneSpec = read_fields(fields.clone(), fields)?;
    spec.validate(hardware, crossbar_layers(network))?;
    Ok(spec)
}

/// How many crossbar layers the network has; none where the images that it is for must be known first.
fn crossbar_layers(network: &TrainConfig) -> Option<usize> {
    let mut network = network.clone();
    if network.model.is_for_imagenet() {
        network.data = DataSource::ImageNet;
    }
    // The number of classes is the data's, and changes no convolution.
    NetworkSpec::from_config(&network, 10).ok().map(|plan| plan.conv_shapes().len())
}
