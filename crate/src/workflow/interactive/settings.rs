//! The settings of an interactive run as one flat object of fields: training, hardware and pruning.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::{
    DataSource, DeviceChoice, HardwareConfig, NetworkName, Precision, RegularizerKind, TrainConfig, apply,
};
use crate::error::{Error, Result};
use crate::network::NetworkSpec;
use crate::prune::PruneRule;
use crate::workflow::interactive::preview::PruneSettings;

/// The pruning rules that the page offers.
const RULES: [PruneRule; 4] = [PruneRule::Exact, PruneRule::Paper, PruneRule::Budget, PruneRule::BitPlanes];
/// Fields of the pruning settings.
const PRUNE_FIELDS: [&str; 3] = ["rule", "strength", "target"];
/// Range of the strength: the percentage of weights that count as almost zeros.
const STRENGTH: Range = Range { min: 0.0, max: 99.9 };
/// Range of the target: the improvement in ADC energy that a budget or bit planes reach.
const TARGET: Range = Range { min: 1.0, max: 100.0 };
/// Number of classes of both data sources of the page.
const CLASSES: usize = 10;

/// The smallest and the largest value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Range {
    min: f64,
    max: f64,
}

/// All settings.
///
/// ```
/// use crossdub::workflow::interactive::settings::InteractiveSettings;
///
/// let fields = serde_json::json!({ "lambda": 0.5, "tile": 64, "rule": "budget" });
/// let settings = InteractiveSettings::default().with_fields(fields.as_object().expect("an object"))?;
/// assert_eq!((settings.config.lambda, settings.hardware.tile), (0.5, 64));
/// # Ok::<(), crossdub::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InteractiveSettings {
    /// Training.
    #[serde(rename = "spec")]
    pub config: TrainConfig,
    /// The hardware.
    pub hardware: HardwareConfig,
    /// Pruning.
    pub pruning: PruneSettings,
}

/// Settings, and the names of the fields that could not be applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AppliedFields {
    #[serde(flatten)]
    settings: InteractiveSettings,
    ignored: Vec<String>,
}

impl Default for InteractiveSettings {
    fn default() -> Self {
        let pruning = PruneSettings::new(PruneRule::Exact, 90.0, 3.0);
        Self { config: TrainConfig::for_page(), hardware: HardwareConfig::default(), pruning }
    }
}

impl InteractiveSettings {
    /// The settings with fields applied.
    ///
    /// # Errors
    /// Names the field that is unknown, of the wrong type, out of range, or not available in a browser.
    pub fn with_fields(&self, fields: &Map<String, Value>) -> Result<Self> {
        let (pruning, others): (Map<_, _>, Map<_, _>) =
            fields.clone().into_iter().partition(|(name, _)| PRUNE_FIELDS.contains(&name.as_str()));
        let (config, hardware) = apply(&self.config, &self.hardware, &others)?;
        check_available(&config)?;
        NetworkSpec::from_config(&config, CLASSES)?;
        Ok(Self { config, hardware, pruning: apply_prune_fields(self.pruning, &pruning)? })
    }

    /// The settings with the valid ones of these fields applied.
    ///
    /// # Errors
    /// When the settings themselves are invalid.
    pub fn with_valid_fields(&self, mut fields: Map<String, Value>) -> Result<AppliedFields> {
        let mut ignored = Vec::new();
        loop {
            let error = match self.with_fields(&fields) {
                Ok(settings) => return Ok(AppliedFields { settings, ignored }),
                Err(error) => error,
            };
            if fields.is_empty() {
                return Err(error);
            }
            // Drops the field that the error names, or all fields if it names none.
            match error.field_name().and_then(|name| fields.remove_entry(name)) {
                Some((name, _)) => ignored.push(name),
                None => ignored.extend(std::mem::take(&mut fields).into_iter().map(|(name, _)| name)),
            }
        }
    }
}

/// Pruning settings with fields applied.
///
/// # Errors
/// Names the field that is unknown, of the wrong type or out of range.
pub fn apply_prune_fields(pruning: PruneSettings, fields: &Map<String, Value>) -> Result<PruneSettings> {
    let mut changed = pruning;
    for (name, value) in fields {
        match name.as_str() {
            "rule" => changed.rule = rule(value)?,
            "strength" => changed.strength = STRENGTH.read(name, value, "percent")?,
            "target" => changed.target = TARGET.read(name, value, "times")?,
            _ => {
                let reason = format!("pruning takes {}", PRUNE_FIELDS.join(", "));
                return Err(Error::field(name, value, reason));
            }
        }
    }
    Ok(changed)
}

impl Range {
    fn read(self, name: &str, value: &Value, unit: &str) -> Result<f64> {
        let Self { min, max } = self;
        let number = value.as_f64().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| Error::field(name, value, format!("must be {min} to {max} {unit}")))
    }
}

fn rule(value: &Value) -> Result<PruneRule> {
    let found = RULES.into_iter().find(|rule| value.as_str() == Some(rule.id()));
    found.ok_or_else(|| {
        Error::field("rule", value, format!("must be one of {}", RULES.map(PruneRule::id).join(", ")))
    })
}

/// A browser has one device and computes in single precision.
fn check_available(config: &TrainConfig) -> Result<()> {
    let devices = [DeviceChoice::Auto, DeviceChoice::Webgpu(None), DeviceChoice::Cpu];
    let available = devices.contains(&config.device);
    if !available || !config.devices.is_empty() {
        let asked = if available { config.devices.to_string() } else { config.device.to_string() };
        return Err(Error::field("device", asked, "the page takes auto, webgpu and cpu"));
    }
    if config.precision != Precision::F32 {
        return Err(Error::field("precision", "bf16", "the page takes f32"));
    }
    if config.data == DataSource::ImageNet {
        return Err(Error::field("data", "imagenet", "the page takes builtin, cifar10, cifar100 and folder"));
    }
    Ok(())
}

/// Defaults, choices and ranges of the settings, so that the page has no copy of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Schema {
    defaults: InteractiveSettings,
    options: FieldNames,
    ranges: Ranges,
}

/// The names that fields take.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct FieldNames {
    model: Vec<NetworkName>,
    regularizer: [RegularizerKind; 8],
    rule: [PruneRule; 4],
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Ranges {
    strength: Range,
    target: Range,
}

impl Default for Schema {
    fn default() -> Self {
        Self::new()
    }
}

impl Schema {
    /// The schema of this version.
    pub fn new() -> Self {
        Self {
            defaults: InteractiveSettings::default(),
            options: FieldNames { model: page_models(), regularizer: RegularizerKind::ALL, rule: RULES },
            ranges: Ranges { strength: STRENGTH, target: TARGET },
        }
    }
}

/// The networks for small images.
fn page_models() -> Vec<NetworkName> {
    let small = NetworkName::ALL.into_iter().filter(|name| !name.is_for_imagenet());
    small.chain([NetworkName::Custom]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(fields) => fields,
            other => panic!("{other} is not an object"),
        }
    }

    #[test]
    fn training_hardware_and_prune_fields_apply_together() {
        let set = fields(json!({ "lambda": 0.5, "tile": 64, "rule": "budget", "target": 2 }));
        let settings = InteractiveSettings::default().with_fields(&set).expect("valid");
        assert_eq!((settings.config.lambda, settings.hardware.tile), (0.5, 64));
        assert_eq!((settings.pruning.rule, settings.pruning.target), (PruneRule::Budget, 2.0));
    }

    #[test]
    fn errors_name_the_field() {
        for (name, value) in [
            ("strength", json!(100)),
            ("strength", json!("90")),
            ("target", json!(0.5)),
            ("rule", json!("magnitude")),
            ("device", json!("cuda")),
            ("adc", json!("zzz")),
            ("batch", json!(0)),
            ("wings", json!(2)),
        ] {
            let set = fields(json!({ name: value }));
            let error = InteractiveSettings::default().with_fields(&set).expect_err("invalid");
            assert_eq!(error.field_name(), Some(name), "{error}");
        }
    }

    #[test]
    fn invalid_fields_are_dropped_and_reported() {
        let set = fields(json!({ "batch": -4, "seed": 5, "strength": 101, "target": 4 }));
        let applied = InteractiveSettings::default().with_valid_fields(set).expect("valid defaults");
        assert_eq!((applied.settings.config.seed, applied.settings.pruning.target), (5, 4.0));
        assert_eq!(applied.settings.config.batch, InteractiveSettings::default().config.batch);
        let mut ignored = applied.ignored;
        ignored.sort();
        assert_eq!(ignored, ["batch", "strength"]);
    }

    #[test]
    fn prune_fields_exclude_all_others() {
        let pruning = InteractiveSettings::default().pruning;
        let error =
            apply_prune_fields(pruning, &fields(json!({ "tile": 16 }))).expect_err("not a field of pruning");
        assert_eq!(error.field_name(), Some("tile"));
    }

    #[test]
    fn every_listed_model_is_accepted() {
        for model in page_models().iter().filter(|model| **model != NetworkName::Custom) {
            let set = fields(json!({ "model": model }));
            assert!(InteractiveSettings::default().with_fields(&set).is_ok(), "{model}");
        }
    }
}
