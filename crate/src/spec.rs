//! What a run is: `RunSpec` (what varies) and `HardwareSpec` (what a fair comparison holds fixed).
//!
//! One schema for the command line's options, `config.toml`, recipes, the page's URL and JSON: the
//! field names here are those names. Every field has a default, so that a partial object is enough.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Version of the JSON objects this crate prints; raised when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// Where images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataSource {
    /// The generated ten-class set; needs no files.
    #[default]
    Builtin,
    /// CIFAR-10 from its official binary files.
    Cifar10,
}

/// The device asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// WebGPU where there is an adapter and the build has it, else the CPU.
    #[default]
    Auto,
    /// WebGPU.
    #[serde(alias = "wgpu")]
    Webgpu,
    /// The portable CPU backend.
    Cpu,
}

/// A term added to the loss that drives weights toward sparsity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegularizerKind {
    /// No term.
    None,
    /// Variance of the columns' densities; only columns denser than their tile's mean are pushed.
    #[default]
    Gated,
    /// Variance of the columns' densities; sparse columns are filled up too.
    Ungated,
    /// Mean density plus variance, ungated.
    MeanAndVariance,
    /// Mean density plus variance, the gate on the variance's gradient only.
    MeanAndGatedVariance,
    /// L2 norm of every tile.
    GroupLassoTile,
    /// L2 norm of every row across a tile's columns.
    GroupLassoRow,
    /// L2 norm of every column.
    GroupLassoColumn,
}

/// Everything about a run that may vary between runs that are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunSpec {
    /// Where images come from.
    pub data: DataSource,
    /// The network's name, or `custom` when `plan`, `classifier` and `batch_norm` say it.
    pub model: String,
    /// Convolution widths and poolings, `"32 M 64 M 128 M"`.
    pub plan: String,
    /// Widths of the hidden fully connected layers, `"128"` or `"512,512"`; empty for none.
    pub classifier: String,
    /// Whether a batch normalization follows each convolution.
    pub batch_norm: bool,
    /// Share of each hidden fully connected layer's outputs set to zero while training, 0 to below 1.
    pub dropout: f64,
    /// The device asked for.
    pub device: DeviceChoice,
    /// The regularizer.
    pub regularizer: RegularizerKind,
    /// Its weight (lambda_var; for group lasso lambda_g).
    pub lambda: f64,
    /// Weight of the mean density in the kinds that have it.
    pub lambda_mean: f64,
    /// Coupled weight decay (lambda_l2), PyTorch's formula.
    pub weight_decay: f64,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Momentum, 0 to below 1.
    pub momentum: f64,
    /// Images a step.
    pub batch: usize,
    /// Passes over the training images.
    pub epochs: usize,
    /// Epochs after which the learning rate falls to a tenth.
    pub milestones: Vec<usize>,
    /// Whether training images are shifted (pad 4, crop) and flipped.
    pub augment: bool,
    /// Keeps the last N training images for evaluation, instead of the test file.
    pub holdout: usize,
    /// Seed of everything random: weights, order, augmentation, dropout, built-in images.
    pub seed: u64,
}

impl Default for RunSpec {
    fn default() -> Self {
        Self {
            data: DataSource::Builtin,
            model: "vgg-small".to_owned(),
            plan: "32 M 64 M 128 M".to_owned(),
            classifier: "128".to_owned(),
            batch_norm: false,
            dropout: 0.5,
            device: DeviceChoice::Auto,
            regularizer: RegularizerKind::Gated,
            lambda: 1e-3,
            lambda_mean: 0.0,
            weight_decay: 5e-4,
            learning_rate: 0.05,
            momentum: 0.9,
            batch: 128,
            epochs: 20,
            milestones: Vec::new(),
            augment: true,
            holdout: 0,
            seed: 0,
        }
    }
}

/// The hardware a network is mapped to: fixed in a fair comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HardwareSpec {
    /// Rows (and cells of a row) of one crossbar.
    pub tile: usize,
    /// Cells a weight takes, side by side; a tile then holds `tile / weight_bits` weight columns.
    pub weight_bits: usize,
    /// Weights of at most this magnitude count as "almost zero".
    pub tol: f64,
}

impl Default for HardwareSpec {
    fn default() -> Self {
        Self { tile: 32, weight_bits: 1, tol: 1e-3 }
    }
}

/// Networks known by name: name, plan, classifier.
const MODELS: [(&str, &str, &str); 4] = [
    ("vgg-small", "32 M 64 M 128 M", "128"),
    ("vgg11", "64 M 128 M 256 256 M 512 512 M 512 512 M", "512,512"),
    ("vgg13", "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M", "512,512"),
    ("vgg16", "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M", "512,512"),
];

/// Names of the networks that `model` takes, apart from `custom`.
pub fn model_names() -> Vec<String> {
    let bases = MODELS.iter().map(|(name, _, _)| (*name).to_owned());
    bases.flat_map(|name| [name.clone(), format!("{name}_bn")]).collect()
}

impl RunSpec {
    /// Takes plan, classifier and batch normalization from the network's name.
    ///
    /// # Errors
    /// When no network has that name.
    pub fn set_model(&mut self, name: &str) -> Result<()> {
        let base = name.strip_suffix("_bn").unwrap_or(name);
        let Some((_, plan, classifier)) = MODELS.iter().find(|(known, _, _)| *known == base) else {
            let why = format!("known are {}, or a plan of your own", model_names().join(", "));
            return Err(Error::field("model", name, why));
        };
        self.model = name.to_owned();
        self.plan = (*plan).to_owned();
        self.classifier = (*classifier).to_owned();
        self.batch_norm = base != name;
        Ok(())
    }

    /// What the page starts with: small batches, so that the first result comes at once, and a push
    /// that the maps show within a minute.
    pub fn for_page() -> Self {
        Self { batch: 16, learning_rate: 0.02, dropout: 0.2, lambda: 0.02, epochs: 10, ..Self::default() }
    }

    /// Calls the network `custom` when its plan is not that of its name.
    pub fn settle_model(&mut self) {
        let mut named = self.clone();
        let same = named.set_model(&self.model).is_ok()
            && (named.plan.as_str(), named.classifier.as_str(), named.batch_norm)
                == (self.plan.as_str(), self.classifier.as_str(), self.batch_norm);
        if !same {
            "custom".clone_into(&mut self.model);
        }
    }

    /// Checks every field's range; the network's plan is checked where it is built.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        let rate = |field, value: f64, below: f64| match value {
            v if v.is_finite() && (0.0..below).contains(&v) => Ok(()),
            v => Err(Error::field(field, v, format!("takes 0 to below {below}"))),
        };
        rate("dropout", self.dropout, 1.0)?;
        rate("momentum", self.momentum, 1.0)?;
        rate("lambda", self.lambda, 1e6)?;
        rate("lambda_mean", self.lambda_mean, 1e6)?;
        rate("weight_decay", self.weight_decay, 1e3)?;
        rate("learning_rate", self.learning_rate, 1e3)?;
        if !(1..=65_536).contains(&self.batch) {
            return Err(Error::field("batch", self.batch, "takes 1 to 65536 images"));
        }
        if !(1..=100_000).contains(&self.epochs) {
            return Err(Error::field("epochs", self.epochs, "takes 1 to 100000"));
        }
        if self.seed > MAX_SEED {
            return Err(Error::field(
                "seed",
                self.seed,
                "takes 0 to 2^53 - 1, so that JavaScript can name it",
            ));
        }
        Ok(())
    }
}

/// The largest integer that a JavaScript number holds exactly.
const MAX_SEED: u64 = (1 << 53) - 1;

/// The largest crossbar that is simulated or drawn.
const MAX_TILE: usize = 4096;

impl HardwareSpec {
    /// Checks every field's range.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(2..=MAX_TILE).contains(&self.tile) {
            return Err(Error::field("tile", self.tile, format!("takes 2 to {MAX_TILE} rows")));
        }
        let bits = self.weight_bits;
        if bits == 0 || !self.tile.is_multiple_of(bits) || self.tile / bits < 2 {
            let why = format!("must divide the tile ({}) and leave at least 2 columns", self.tile);
            return Err(Error::field("weight_bits", bits, why));
        }
        if !(self.tol.is_finite() && self.tol >= 0.0) {
            return Err(Error::field("tol", self.tol, "takes a magnitude of 0 or more"));
        }
        Ok(())
    }

    /// Weight columns (outputs) that a tile holds.
    pub fn columns(&self) -> usize {
        self.tile / self.weight_bits
    }
}

/// Both specifications with flat `fields` applied and every range checked. Naming a `model` brings
/// its plan along; changing the plan makes the model `custom`.
///
/// # Errors
/// Names the field that is unknown, of the wrong type or out of range.
pub fn apply(
    spec: &RunSpec,
    hardware: &HardwareSpec,
    fields: &Map<String, Value>,
) -> Result<(RunSpec, HardwareSpec)> {
    let mut spec = spec.clone();
    let mut hardware = hardware.clone();
    if let Some(name) = fields.get("model").and_then(Value::as_str).filter(|name| *name != "custom") {
        spec.set_model(name)?;
    }
    for (name, value) in fields.iter().filter(|(name, _)| *name != "model") {
        // One field at a time, so that a refusal can name it.
        if let Some(changed) = with_field(&spec, name, value)? {
            spec = changed;
        } else if let Some(changed) = with_field(&hardware, name, value)? {
            hardware = changed;
        } else {
            return Err(Error::field(name, value, "there is no such field"));
        }
    }
    spec.settle_model();
    spec.validate()?;
    hardware.validate()?;
    Ok((spec, hardware))
}

/// A specification with one field changed, or none when it has no such field.
fn with_field<T: Serialize + DeserializeOwned>(whole: &T, name: &str, value: &Value) -> Result<Option<T>> {
    let refuse = |why: serde_json::Error| Error::field(name, value, why);
    let mut object = serde_json::to_value(whole).map_err(refuse)?;
    let Some(slot) = object.get_mut(name) else { return Ok(None) };
    // JavaScript has one kind of number; 3.0 is 3 where a count is wanted.
    let whole_number = value.as_f64().filter(|v| v.fract() == 0.0 && (0.0..=MAX_SEED as f64).contains(v));
    *slot = match whole_number {
        Some(number) if slot.is_u64() => Value::from(number as u64),
        _ => value.clone(),
    };
    serde_json::from_value(object).map(Some).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_its_plan() {
        let mut spec = RunSpec::default();
        spec.set_model("vgg11_bn").expect("known");
        assert!(spec.batch_norm);
        assert_eq!(spec.classifier, "512,512");
        spec.plan.push_str(" 512");
        spec.settle_model();
        assert_eq!(spec.model, "custom");
        assert!(spec.set_model("vgg12").is_err());
    }

    #[test]
    fn weight_bits_leave_two_columns() {
        for (tile, bits, good) in
            [(64, 1, true), (64, 32, true), (64, 64, false), (48, 5, false), (64, 0, false)]
        {
            let hardware = HardwareSpec { tile, weight_bits: bits, ..HardwareSpec::default() };
            assert_eq!(hardware.validate().is_ok(), good, "{tile} {bits}");
        }
    }

    #[test]
    fn the_schema_refuses_a_misspelled_field() {
        assert!(toml::from_str::<RunSpec>("lamda = 1.0").is_err());
        let spec: RunSpec = toml::from_str("regularizer = 'group-lasso-tile'").expect("valid");
        assert_eq!(spec.regularizer, RegularizerKind::GroupLassoTile);
    }

    #[test]
    fn flat_fields_apply_to_either_specification() {
        let set = |fields: Value| {
            let fields = fields.as_object().expect("an object").clone();
            apply(&RunSpec::default(), &HardwareSpec::default(), &fields)
        };
        let (spec, hardware) =
            set(serde_json::json!({ "tile": 64.0, "lambda": 2, "model": "vgg11" })).expect("valid");
        assert_eq!((hardware.tile, spec.lambda, spec.classifier.as_str()), (64, 2.0, "512,512"));
        let (spec, _) = set(serde_json::json!({ "plan": "8 M" })).expect("valid");
        assert_eq!(spec.model, "custom");
        for bad in [
            serde_json::json!({ "lamda": 1 }),
            serde_json::json!({ "tile": 1 }),
            serde_json::json!({ "batch": 1.5 }),
            serde_json::json!({ "batch": "x" }),
            serde_json::json!({ "lambda": null }),
        ] {
            assert!(matches!(set(bad.clone()), Err(Error::Field { .. })), "{bad}");
        }
    }
}
