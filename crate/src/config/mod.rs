//! The configuration of a run: `TrainConfig` (what may vary between compared runs) and `HardwareConfig` (what a fair
//! comparison keeps fixed).
//!
//! One schema for the command line's options, `config.toml`, recipes, the page's URL and JSON: the field names here are
//! those names. Every field has a default; `ConfigFields` holds the fields that one of these sources gives.
//!
//! A new field is declared three times side by side: in its configuration (type, meaning, default), with its range in
//! `validate`, and in `fields` (option and help text).

mod adc_model;
mod device;
mod field_value;
mod fields;
mod hardware;
mod kernels;
mod network_name;
mod network_plan;
mod per_layer;
mod precision;
mod schedule;
mod standardize;
mod train;

pub use adc_model::AdcModel;
pub use device::{DeviceChoice, DeviceList, MAX_DEVICES};
pub(crate) use field_value::{FieldValue, from_name, read, reason, text};
#[cfg(feature = "train")]
pub(crate) use field_value::{parse_names, text_values};
pub use fields::{ConfigFields, ConversionFields, CrossbarFields, NetworkFields, TrainFields};
pub(crate) use hardware::MAX_BITS;
pub use hardware::{Granularity, HardwareConfig, Resolution, Subtraction, WeightScale};
pub use kernels::Kernels;
pub use network_name::NetworkName;
pub use network_plan::{BlockKind, ClassifierWidths, NetworkPlan, ResNetPlan, VggLayer, VggPlan};
pub use per_layer::{LayerCaps, LayerPrecisions};
pub use precision::Precision;
pub use schedule::Schedule;
pub use standardize::Standardize;
pub use train::{DataSource, RegularizerKind, TrainConfig, Trainable};

use serde_json::{Map, Value};

use crate::error::Result;

/// Version of the JSON objects this crate prints; raised when a field changes its meaning, not when a fault is mended.
pub const SCHEMA_VERSION: u32 = 1;

/// Both configurations with flat `fields` put in and every range checked: [`ConfigFields::from_map`], then
/// [`ConfigFields::apply`].
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
/// assert_eq!(error.to_string(), "invalid batch (1.5): must be a whole number of 0 or more");
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn apply(
    train: &TrainConfig,
    hardware: &HardwareConfig,
    fields: &Map<String, Value>,
) -> Result<(TrainConfig, HardwareConfig)> {
    ConfigFields::from_map(fields)?.apply(train, hardware)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_name_sets_its_plan() {
        let mut config = TrainConfig::default();
        config.set_model(NetworkName::Vgg11Bn);
        assert!(config.batch_norm);
        assert_eq!(config.classifier.as_slice(), [512, 512]);
        config.plan = format!("{} 512", config.plan).parse().expect("a plan");
        config.update_model();
        assert_eq!(config.model, NetworkName::Custom);
    }

    #[test]
    fn fine_tuning_keeps_caps_tight() {
        let ramped = TrainConfig { quantize_ramp: 8, epochs: 10, ..TrainConfig::default() };
        let fine = ramped.for_finetuning();
        assert_eq!((fine.quantize_ramp, fine.validate()), (0, Ok(())));
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
        let config: TrainConfig = toml::from_str("regularizer = 'group-lasso-tile'").expect("valid");
        assert_eq!(config.regularizer, RegularizerKind::GroupLassoTile);
    }

    #[test]
    fn flat_fields_apply_to_either_configuration() {
        let set = |fields: Value| {
            let fields = fields.as_object().expect("an object").clone();
            apply(&TrainConfig::default(), &HardwareConfig::default(), &fields)
        };
        let (config, hardware) =
            set(serde_json::json!({ "tile": 64.0, "lambda": 2, "model": "vgg11" })).expect("valid");
        assert_eq!(
            (hardware.tile, config.lambda, config.classifier.to_string()),
            (64, 2.0, "512,512".to_owned())
        );
        let (_, hardware) = set(serde_json::json!({ "resolution": 6, "per": "column" })).expect("valid");
        assert_eq!((hardware.resolution, hardware.per), (Resolution::Bits(6), Granularity::Column));
        let (config, _) = set(serde_json::json!({ "plan": "8 M" })).expect("valid");
        assert_eq!(config.model, NetworkName::Custom);
        for bad in [
            serde_json::json!({ "lamda": 1 }),
            serde_json::json!({ "tile": 1 }),
            serde_json::json!({ "batch": 1.5 }),
            serde_json::json!({ "batch": "x" }),
            serde_json::json!({ "lambda": null }),
            serde_json::json!({ "resolution": 17 }),
            serde_json::json!({ "active_rows": 33 }),
            serde_json::json!({ "cell_bits": 8 }),
            serde_json::json!({ "model": 5 }),
        ] {
            assert!(matches!(set(bad.clone()), Err(why) if why.field_name().is_some()), "{bad}");
        }
    }

    #[test]
    fn errors_name_the_field_without_rust_types() {
        let message = |fields: Value| {
            let fields = fields.as_object().expect("an object").clone();
            apply(&TrainConfig::default(), &HardwareConfig::default(), &fields)
                .expect_err("invalid")
                .to_string()
        };
        let list = "invalid milestones ([1,\"x\"]): must be a list of whole numbers";
        let known = "invalid model (\"vgg\"): must be one of vgg-small, vgg-small_bn, vgg11, vgg11_bn, vgg13, \
                     vgg13_bn, vgg16, vgg16_bn, resnet18, resnet34, resnet50, vgg11-imagenet, or a plan of your own";
        for (fields, expected) in [
            (
                serde_json::json!({ "batch": "x" }),
                "invalid batch (\"x\"): must be a whole number of 0 or more",
            ),
            (serde_json::json!({ "batch": 1.5 }), "invalid batch (1.5): must be a whole number of 0 or more"),
            (serde_json::json!({ "seed": 1e16 }), "invalid seed (1e+16): is too large"),
            (serde_json::json!({ "lambda": null }), "invalid lambda (null): must be a finite number"),
            (serde_json::json!({ "augment": 1 }), "invalid augment (1): must be true or false"),
            (serde_json::json!({ "plan": [8] }), "invalid plan ([8]): must be a string"),
            (serde_json::json!({ "per": "row" }), "invalid per (\"row\"): must be tile or column"),
            (serde_json::json!({ "model": "vgg" }), known),
            (serde_json::json!({ "device": true }), "invalid device (true): must be a string"),
            (serde_json::json!({ "milestones": [1, "x"] }), list),
        ] {
            assert_eq!(message(fields), expected);
        }
    }
}
