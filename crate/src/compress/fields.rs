//! The fields of a pruning as recipes, the command line and reports write them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::{parse_names, read, text_values};
use crate::error::{Error, Result};
use crate::prune::PruneRule;

/// What the energy of a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Weighting {
    /// Every tile once, as in the paper.
    #[default]
    PerTile,
    /// Every conversion of an inference.
    PerInference,
}

/// The importance of a weight, which a budget preserves. Each layer's importances sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Importance {
    /// `input` with compensation, otherwise `magnitude`: the better choice in docs/pruning.md.
    #[default]
    Auto,
    /// The square of the weight.
    Magnitude,
    /// The square of the weight times the mean square of its input over training images.
    Input,
}

/// The fields of a pruning. Fields that the rule does not use are accepted and ignored.
///
/// ```
/// use crossdub::compress::fields::PruneFields;
/// use crossdub::prune::PruneRule;
///
/// let fields: PruneFields = serde_json::from_str(r#"{ "rule": "budget", "target": 4 }"#)?;
/// assert_eq!(fields, PruneFields::new(PruneRule::Budget).with_target(4.0));
/// # Ok::<(), serde_json::Error>(())
/// ```
// On the command line, the doc comments are help texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PruneFields {
    /// How to prune
    #[cfg_attr(feature = "cli", arg(long, value_enum, default_value_t))]
    pub rule: PruneRule,
    /// One ratio per layer, in percent: the smallest weights that count as almost zero, instead of --tol; with
    /// the rule tiles, the share of tiles to remove
    #[cfg_attr(feature = "cli", arg(long, value_delimiter = ',', value_name = "PERCENT,..."))]
    pub ratios: Vec<f64>,
    /// With the rules budget and bit-planes: the improvement in ADC energy to reach
    #[cfg_attr(feature = "cli", arg(long, value_name = "X"))]
    pub target: Option<f64>,
    /// With the rules budget and bit-planes: what to count, per-tile (each tile once) or per-inference (needs the
    /// network)
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHAT", default_value = "per-tile"))]
    pub weighting: Weighting,
    /// With the rules budget and bit-planes: what makes a weight important, magnitude or input (the weight times its
    /// input; needs the network and --data)
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHAT", default_value = "auto"))]
    pub importance: Importance,
    /// Adjust the remaining weights to compensate for the pruned ones (needs the network and --data)
    #[cfg_attr(feature = "cli", arg(long))]
    pub compensate: bool,
    /// Training images to measure inputs on
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = PruneFields::default().images))]
    pub images: usize,
}

parse_names!(Weighting: "weighting", Importance: "importance");
text_values!(PruneRule, Weighting, Importance);

impl Default for PruneFields {
    fn default() -> Self {
        Self {
            rule: PruneRule::Exact,
            ratios: Vec::new(),
            target: None,
            weighting: Weighting::PerTile,
            importance: Importance::Auto,
            compensate: false,
            images: 512,
        }
    }
}

impl PruneFields {
    /// The names of all fields.
    pub const NAMES: [&str; 7] =
        ["rule", "ratios", "target", "weighting", "importance", "compensate", "images"];

    /// Reads flat fields; the others have their defaults.
    ///
    /// # Errors
    /// Names the field that is unknown or has the wrong type.
    pub fn from_map(map: &Map<String, Value>) -> Result<Self> {
        let mut fields = Self::default();
        map.iter().try_for_each(|(name, value)| fields.set(name, value))?;
        Ok(fields)
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        match name {
            "rule" => self.rule = read(name, value)?,
            "ratios" => self.ratios = read(name, value)?,
            "target" => self.target = Some(read(name, value)?),
            "weighting" => self.weighting = read(name, value)?,
            "importance" => self.importance = read(name, value)?,
            "compensate" => self.compensate = read(name, value)?,
            "images" => self.images = read(name, value)?,
            _ => return Err(Error::field(name, value, "there is no such field")),
        }
        Ok(())
    }

    /// The defaults with this rule.
    #[must_use]
    pub fn new(rule: PruneRule) -> Self {
        Self { rule, ..Self::default() }
    }

    /// The same with one prune ratio per layer, in percent.
    #[must_use]
    pub fn with_ratios(self, ratios: Vec<f64>) -> Self {
        Self { ratios, ..self }
    }

    /// The same with the improvement in ADC energy that a budget reaches.
    #[must_use]
    pub fn with_target(self, target: f64) -> Self {
        Self { target: Some(target), ..self }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_map(value: &Value) -> Result<PruneFields> {
        PruneFields::from_map(value.as_object().expect("an object"))
    }

    #[test]
    fn every_field_can_be_set() {
        let fields = PruneFields {
            rule: PruneRule::Budget,
            ratios: vec![20.0, 80.5],
            target: Some(3.0),
            weighting: Weighting::PerInference,
            importance: Importance::Input,
            compensate: true,
            images: 64,
        };
        let map = json!(fields);
        assert_eq!(read_map(&map), Ok(fields));
        assert_eq!(map.as_object().map(Map::len), Some(PruneFields::NAMES.len()));
        assert!(PruneFields::NAMES.iter().all(|name| map.get(name).is_some()));
        assert_eq!(read_map(&json!({})), Ok(PruneFields::default()));
    }

    #[test]
    fn errors_name_the_field() {
        for (field, value) in [
            ("rule", json!("best")),
            ("ratios", json!([20, "x"])),
            ("target", json!("3")),
            ("weighting", json!("often")),
            ("importance", json!(1)),
            ("compensate", json!(1)),
            ("images", json!(-1)),
            ("tile", json!(8)),
        ] {
            let error = read_map(&json!({ field: value })).expect_err(field);
            assert_eq!(error.field_name(), Some(field));
        }
    }
}
