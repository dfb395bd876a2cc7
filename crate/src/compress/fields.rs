//! The fields of a pruning as recipes, the command line and reports write them.

use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PruneFields {
    /// The pruning method.
    pub rule: PruneRule,
    /// One prune ratio per layer, in percent; if empty, the hardware's `tol` decides which weights are near zeros.
    pub ratios: Vec<f64>,
    /// The improvement of ADC energy that a budget reaches, by the hardware's `adc`.
    pub target: Option<f64>,
    /// What the energy of a budget counts.
    pub weighting: Weighting,
    /// What a budget preserves.
    pub importance: Importance,
    /// Whether the surviving weights are updated to make up for the pruned ones.
    pub compensate: bool,
    /// Number of training images for calibration, where it is needed.
    pub images: usize,
}

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

    /// The same with the improvement of ADC energy that a budget reaches.
    #[must_use]
    pub fn with_target(self, target: f64) -> Self {
        Self { target: Some(target), ..self }
    }
}
