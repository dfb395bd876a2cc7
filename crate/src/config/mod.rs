//! What a run is: `TrainConfig` (what varies) and `HardwareConfig` (what a fair comparison holds fixed).
//!
//! One schema for the command line's options, `config.toml`, recipes, the page's URL and JSON: the
//! field names here are those names. Every field has a default, so that a partial object is enough.

mod adc_model;
mod device;
mod hardware;
mod network_name;
mod network_plan;
mod precision;
mod train;

pub use adc_model::AdcModel;
pub use device::{DeviceChoice, DeviceList, MOST_DEVICES};
pub use hardware::{Granularity, HardwareConfig, Resolution, Subtraction, WeightScale};
pub use network_name::NetworkName;
pub use network_plan::{BlockKind, ClassifierWidths, NetworkPlan, ResNetPlan, VggLayer, VggPlan};
pub use precision::Precision;
pub use train::{DataSource, RegularizerKind, TrainConfig, Trainable};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Version of the JSON objects this crate prints; raised when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// The largest integer that a JavaScript number holds exactly.
const MAX_SEED: u64 = (1 << 53) - 1;

/// Both configs with flat `fields` applied and every range checked. A `model` brings its plan along;
/// changing the plan makes the model `custom`.
///
/// # Errors
/// Names the field that is unknown, of the wrong type or out of range.
///
/// ```
/// use crossdub::config::{HardwareConfig, TrainConfig, apply};
///
/// let fields = serde_json::json!({ "tile": 64, "lambda": 2e-3, "model": "vgg11" });
/// let fields = fields.as_object().expect("an object");
/// let (train, hardware) = apply(&TrainConfig::default(), &HardwareConfig::default(), fields)?;
/// assert_eq!((hardware.tile, train.lambda, train.batch), (64, 2e-3, 128));
///
/// let wrong = serde_json::json!({ "batch": 1.5 });
/// let error = apply(&train, &hardware, wrong.as_object().expect("an object")).unwrap_err();
/// assert_eq!(error.to_string(), "invalid batch (1.5): takes a whole number of 0 or more");
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn apply(
    spec: &TrainConfig,
    hardware: &HardwareConfig,
    fields: &Map<String, Value>,
) -> Result<(TrainConfig, HardwareConfig)> {
    let mut spec = spec.clone();
    if let Some(name) = fields.get("model").and_then(Value::as_str) {
        spec.set_model(name.parse()?);
    }
    let (mut spec_fields, mut hardware_fields) = (object(&spec), object(hardware));
    for (name, value) in fields.iter().filter(|(name, _)| *name != "model") {
        let slot = spec_fields.get_mut(name).or_else(|| hardware_fields.get_mut(name));
        let slot = slot.ok_or_else(|| Error::field(name, value, "there is no such field"))?;
        set_field(name, slot, value)?;
    }
    let mut spec: TrainConfig = read_fields(spec_fields, fields)?;
    let hardware: HardwareConfig = read_fields(hardware_fields, fields)?;
    spec.update_model();
    spec.validate()?;
    hardware.validate()?;
    Ok((spec, hardware))
}

/// A config's fields.
fn object(config: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// A config of these fields; an error names the one of `given` that can't be read.
pub(crate) fn read_fields<T: DeserializeOwned>(
    fields: Map<String, Value>,
    given: &Map<String, Value>,
) -> Result<T> {
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let path = error.path().to_string();
        let name = path.split(['.', '[']).next().unwrap_or_default();
        let value = given.get(name).unwrap_or(&Value::Null);
        Error::field(name, value, reason(&error.inner().to_string()))
    })
}

/// Replaces a field's value by one of the same type.
fn set_field(name: &str, slot: &mut Value, value: &Value) -> Result<()> {
    if let Some(expected) = type_mismatch(slot, value) {
        return Err(Error::field(name, value, expected));
    }
    // JavaScript has one kind of number; 3.0 is 3 where a count is wanted.
    *slot = match whole_number(value) {
        Some(number) if slot.is_u64() => Value::from(number),
        _ => value.clone(),
    };
    Ok(())
}

/// The value as a whole number that JavaScript holds exactly.
fn whole_number(value: &Value) -> Option<u64> {
    let whole = |v: &f64| v.fract() == 0.0 && (0.0..=MAX_SEED as f64).contains(v);
    value.as_f64().filter(whole).map(|v| v as u64)
}

/// The expected type, if `value` has a different one. A text field also takes a number: its own reader
/// decides.
fn type_mismatch(slot: &Value, value: &Value) -> Option<&'static str> {
    match slot {
        Value::Bool(_) if !value.is_boolean() => Some("takes true or false"),
        Value::Number(held) if held.is_u64() && value.as_f64().is_some_and(|v| v > MAX_SEED as f64) => {
            Some("is too large")
        }
        Value::Number(held) if held.is_u64() && whole_number(value).is_none() => {
            Some("takes a whole number of 0 or more")
        }
        Value::Number(_) if !value.is_number() => Some("takes a finite number"),
        Value::String(_) if !value.is_string() && !value.is_number() => Some("takes a text"),
        Value::Array(_) if !value.is_array() => Some("takes a list of whole numbers"),
        _ => None,
    }
}

/// A JSON error without Rust's types and without backquotes.
fn reason(why: &str) -> String {
    // A field's own reader has named field and value already.
    let why = why.split_once("): ").filter(|_| why.starts_with("invalid ")).map_or(why, |(_, why)| why);
    match why.split_once(", expected ") {
        Some((start, known)) if start.starts_with("unknown variant") => {
            format!("takes {}", known.trim_start_matches("one of ").replace('`', ""))
        }
        Some((start, _)) if start.starts_with("invalid") => "has the wrong type".to_owned(),
        _ => why.replace('`', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_name_sets_its_plan() {
        let mut spec = TrainConfig::default();
        spec.set_model(NetworkName::Vgg11Bn);
        assert!(spec.batch_norm);
        assert_eq!(spec.classifier.as_slice(), [512, 512]);
        spec.plan = format!("{} 512", spec.plan).parse().expect("a plan");
        spec.update_model();
        assert_eq!(spec.model, NetworkName::Custom);
    }

    #[test]
    fn weight_bits_leave_two_columns() {
        for (tile, bits, good) in
            [(64, 1, true), (64, 32, true), (64, 64, false), (48, 5, false), (64, 0, false)]
        {
            let hardware = HardwareConfig { tile, weight_bits: bits, ..HardwareConfig::default() };
            assert_eq!(hardware.validate().is_ok(), good, "{tile} {bits}");
        }
    }

    #[test]
    fn unknown_fields_are_rejected() {
        assert!(toml::from_str::<TrainConfig>("lamda = 1.0").is_err());
        let spec: TrainConfig = toml::from_str("regularizer = 'group-lasso-tile'").expect("valid");
        assert_eq!(spec.regularizer, RegularizerKind::GroupLassoTile);
    }

    #[test]
    fn flat_fields_apply_to_either_config() {
        let set = |fields: Value| {
            let fields = fields.as_object().expect("an object").clone();
            apply(&TrainConfig::default(), &HardwareConfig::default(), &fields)
        };
        let (spec, hardware) =
            set(serde_json::json!({ "tile": 64.0, "lambda": 2, "model": "vgg11" })).expect("valid");
        assert_eq!(
            (hardware.tile, spec.lambda, spec.classifier.to_string()),
            (64, 2.0, "512,512".to_owned())
        );
        let (_, hardware) = set(serde_json::json!({ "resolution": 6, "per": "column" })).expect("valid");
        assert_eq!((hardware.resolution, hardware.per), (Resolution::Bits(6), Granularity::Column));
        let (spec, _) = set(serde_json::json!({ "plan": "8 M" })).expect("valid");
        assert_eq!(spec.model, NetworkName::Custom);
        for bad in [
            serde_json::json!({ "lamda": 1 }),
            serde_json::json!({ "tile": 1 }),
            serde_json::json!({ "batch": 1.5 }),
            serde_json::json!({ "batch": "x" }),
            serde_json::json!({ "lambda": null }),
            serde_json::json!({ "resolution": 17 }),
            serde_json::json!({ "active_rows": 33 }),
            serde_json::json!({ "cell_bits": 8 }),
        ] {
            assert!(matches!(set(bad.clone()), Err(why) if why.field_name().is_some()), "{bad}");
        }
    }

    #[test]
    fn errors_name_the_field_without_rust_types() {
        let say = |fields: Value| {
            let fields = fields.as_object().expect("an object").clone();
            apply(&TrainConfig::default(), &HardwareConfig::default(), &fields)
                .expect_err("refused")
                .to_string()
        };
        let list = "invalid milestones ([1,\"x\"]): has the wrong type";
        for (fields, said) in [
            (serde_json::json!({ "batch": "x" }), "invalid batch (\"x\"): takes a whole number of 0 or more"),
            (serde_json::json!({ "batch": 1.5 }), "invalid batch (1.5): takes a whole number of 0 or more"),
            (serde_json::json!({ "seed": 1e16 }), "invalid seed (1e+16): is too large"),
            (serde_json::json!({ "lambda": null }), "invalid lambda (null): takes a finite number"),
            (serde_json::json!({ "augment": 1 }), "invalid augment (1): takes true or false"),
            (serde_json::json!({ "plan": [8] }), "invalid plan ([8]): takes a text"),
            (serde_json::json!({ "per": "row" }), "invalid per (\"row\"): takes tile or column"),
            (serde_json::json!({ "milestones": [1, "x"] }), list),
        ] {
            assert_eq!(say(fields), said);
        }
    }
}
