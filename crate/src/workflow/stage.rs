//! A stage of a recipe: training, pruning or fine-tuning, with every field resolved, and what its
//! result depends on.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::compress::pruning::PruneSpec;
use crate::config::{DataSource, DeviceChoice, HardwareConfig, RegularizerKind, TrainConfig, apply};
use crate::error::{Error, Result};
use crate::network::Plan;
use crate::prune::Rule;

/// Run fields that hold for a whole recipe: the network and the data can't change between its
/// stages, and neither can the seed, which draws the built-in images.
const WHOLE: [&str; 11] = [
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
    pub work: Work,
    /// Weights to start from, a path as the user wrote it; none for those of the stage before.
    pub weights: Option<String>,
    /// Whether the zeros of the crossbar layers it starts with stay zero.
    pub masked: bool,
}

/// What a stage does.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
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
    if spec.rule == Rule::Budget {
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
    if let Some(gathering) = spec.gathering() {
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
pub enum Home {
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
pub fn home_of(field: &str) -> Result<Home> {
    let among = |names: Vec<String>| names.iter().any(|name| name == field);
    if WHOLE.contains(&field) || field == "seed" || among(names(&HardwareConfig::default())) {
        Ok(Home::Recipe)
    } else if among(names(&TrainConfig::default())) {
        Ok(Home::Training)
    } else if among(names(&PruneSpec::default())) {
        Ok(Home::Pruning)
    } else {
        Err(Error::field(field, "", "there is no such field"))
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
        let work = Self::work(&kind, &fields, spec, hardware).map_err(|error| error.with_stage(&name))?;
        let masked = match &work {
            Work::Finetune(_) => true,
            Work::Train(_) => after_pruning && weights.is_none(),
            Work::Prune(_) => false,
        };
        Ok(Self { name, work, weights, masked })
    }

    fn work(
        kind: &str,
        fields: &Map<String, Value>,
        spec: &TrainConfig,
        hardware: &HardwareConfig,
    ) -> Result<Work> {
        let own = match kind {
            "train" | "finetune" => Home::Training,
            "prune" => Home::Pruning,
            other => return Err(Error::field("kind", other, "known are train, prune and finetune")),
        };
        for (field, value) in fields {
            let why = match home_of(field) {
                Ok(home) if home == own => continue,
                Ok(Home::Recipe) => "holds for the whole recipe; set it above the stages",
                Ok(Home::Training) => "is a field of stages that train",
                Ok(Home::Pruning) => "is a field of stages that prune",
                Err(_) => "there is no such field",
            };
            return Err(Error::field(field, value, why));
        }
        match kind {
            "train" => Ok(Work::Train(apply(spec, hardware, fields)?.0)),
            "finetune" => Ok(Work::Finetune(apply(&spec.for_finetuning(), hardware, fields)?.0)),
            _ => prune_spec(fields, spec, hardware).map(Work::Prune),
        }
    }

    /// `train`, `prune` or `finetune`.
    pub fn kind(&self) -> &'static str {
        match self.work {
            Work::Train(_) => "train",
            Work::Prune(_) => "prune",
            Work::Finetune(_) => "finetune",
        }
    }

    /// The run of a stage that trains.
    pub fn spec(&self) -> Option<&TrainConfig> {
        match &self.work {
            Work::Train(spec) | Work::Finetune(spec) => Some(spec),
            Work::Prune(_) => None,
        }
    }

    /// The pruning of a stage that prunes.
    pub fn pruning(&self) -> Option<&PruneSpec> {
        match &self.work {
            Work::Prune(spec) => Some(spec),
            Work::Train(_) | Work::Finetune(_) => None,
        }
    }

    /// Everything in the recipe that this stage's weights depend on, apart from data, device and the
    /// weights it starts with. What has no influence is left out, so that a sweep over lambda shares
    /// the training without a regularizer.
    pub fn inputs(&self, hardware: &HardwareConfig) -> Value {
        match &self.work {
            Work::Prune(prune) => json!({ "prune": pruning_inputs(prune, hardware) }),
            Work::Train(spec) | Work::Finetune(spec) => {
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
    (spec.device, spec.devices, spec.gather) = (DeviceChoice::Auto, String::new(), false);
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

/// A pruning stage's fields, one at a time, so that a refusal can name the one.
fn prune_spec(
    fields: &Map<String, Value>,
    network: &TrainConfig,
    hardware: &HardwareConfig,
) -> Result<PruneSpec> {
    let mut all = Map::new();
    for (field, value) in fields {
        all.insert(field.clone(), value.clone());
        serde_json::from_value::<PruneSpec>(Value::Object(all.clone()))
            .map_err(|why| Error::field(field, value, why))?;
    }
    let spec: PruneSpec =
        serde_json::from_value(Value::Object(all)).map_err(|why| Error::field("kind", "prune", why))?;
    spec.validate(hardware, crossbar_layers(network))?;
    Ok(spec)
}

/// How many crossbar layers the network has; none where the images that it is for must be known first.
fn crossbar_layers(network: &TrainConfig) -> Option<usize> {
    let mut network = network.clone();
    if network.is_for_imagenet() {
        network.data = DataSource::ImageNet;
    }
    // The number of classes is the data's, and changes no convolution.
    Plan::of(&network, 10).ok().map(|plan| plan.positions().len())
}
