//! [`PruneMethod`]: what to prune and how far.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The name of a pruning method in options, recipes and JSON.
// The command line shows the first line of each variant as its help text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PruneRule {
    /// Each column keeps exactly its share of the largest weights
    #[default]
    Exact,
    /// The authors' percentile of each column
    Paper,
    /// Every tile gets the level that loses least for the energy it saves, until the target is met
    Budget,
    /// Every layer gets a precision and every weight slice of a tile a cap on set cells, until the target is met
    BitPlanes,
    /// Small weights wherever they lie: unstructured, without levels
    Magnitude,
    /// Whole tiles, starting with those of the smallest norm
    Tiles,
}

impl PruneRule {
    /// All names, in the order of tables.
    pub const ALL: [Self; 6] =
        [Self::Exact, Self::Paper, Self::Budget, Self::BitPlanes, Self::Magnitude, Self::Tiles];

    /// The name in options, recipes and JSON.
    pub fn id(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Paper => "paper",
            Self::Budget => "budget",
            Self::BitPlanes => "bit-planes",
            Self::Magnitude => "magnitude",
            Self::Tiles => "tiles",
        }
    }

    /// Checks that a file of plain weights, such as an ONNX model, can hold what this rule leaves.
    ///
    /// # Errors
    /// For bit planes, whose integers need their steps beside them.
    pub fn check_without_steps(self) -> Result<()> {
        match self {
            Self::BitPlanes => {
                let why = "an ONNX model has no place for the steps of its integers; prune the network as safetensors";
                Err(Error::field("rule", self.id(), why))
            }
            _ => Ok(()),
        }
    }
}

impl std::str::FromStr for PruneRule {
    type Err = Error;

    /// # Errors
    /// If no rule has this name.
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|rule| rule.id() == name);
        found.ok_or_else(|| {
            Error::field("rule", name, format!("must be one of {}", Self::ALL.map(Self::id).join(", ")))
        })
    }
}

/// How small a weight must be to count as an almost zero.
#[derive(Debug, Clone, PartialEq)]
pub enum Cutoff {
    /// Magnitudes up to this one, in all layers.
    Tolerance(f64),
    /// One prune ratio per layer, in percent: magnitudes up to that percentile of the layer. For
    /// [`PruneMethod::Tiles`] the percentage of a layer's tiles.
    Ratios(Vec<f64>),
}

impl Cutoff {
    /// The same ratio, in percent, for each of `layers` layers.
    pub fn uniform(percent: f64, layers: usize) -> Self {
        Self::Ratios(vec![percent; layers])
    }

    fn validate(&self, layers: usize) -> Result<()> {
        match self {
            Self::Tolerance(tol) if tol.is_finite() && *tol >= 0.0 => Ok(()),
            Self::Tolerance(tol) => Err(Error::field("tol", tol, "must be a magnitude of 0 or more")),
            Self::Ratios(ratios) if ratios.len() != layers => {
                let why = format!("the network has {layers} crossbar layers, one ratio each");
                Err(Error::field("ratios", format!("{} values", ratios.len()), why))
            }
            Self::Ratios(ratios) => match ratios.iter().find(|r| !(0.0..=100.0).contains(*r)) {
                Some(bad) => Err(Error::field("ratios", bad, "must be 0 to 100 percent")),
                None => Ok(()),
            },
        }
    }
}

/// How the crossbar layers of a network are pruned. [`prune`](super::prune) applies it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PruneMethod {
    /// Each column keeps exactly `max(1, floor(n * 2^-k))` of its `n` weights, `k` the level chosen
    /// for its tile from the almost zeros.
    Exact(Cutoff),
    /// The authors' percentile of each column, numpy's interpolation included. On the wire: `paper`.
    Percentile(Cutoff),
    /// Every tile gets the level that loses least importance for the energy it saves, until the energy
    /// of all tiles is `1 / target` of the dense one.
    Budget {
        /// The improvement in ADC energy to reach, 1 or more.
        target: f64,
    },
    /// Every layer gets a precision and every weight slice of a tile a cap on the set cells of a column, until the energy
    /// of lossless conversions is `1 / target` of that with all cells set.
    BitPlanes {
        /// The improvement in ADC energy to reach, 1 or more.
        target: f64,
    },
    /// Small weights wherever they lie: the unstructured baseline, without levels.
    Magnitude(Cutoff),
    /// Whole tiles, starting with those of the smallest norm: what group lasso per tile prepares.
    Tiles(Cutoff),
}

impl PruneMethod {
    /// The method that the fields of a recipe, of the command line or of the page name. `cutoff` is
    /// used by all rules but `budget` and `bit-planes`, `target` by these two.
    ///
    /// # Errors
    /// If a rule that needs a target has none.
    ///
    /// ```
    /// use crossdub::prune::{Cutoff, PruneMethod, PruneRule};
    ///
    /// let method = PruneMethod::from_fields(PruneRule::Paper, Cutoff::Tolerance(1e-3), None)?;
    /// assert_eq!(method, PruneMethod::Percentile(Cutoff::Tolerance(1e-3)));
    /// let budget = PruneMethod::from_fields(PruneRule::Budget, Cutoff::Tolerance(1e-3), Some(4.0))?;
    /// assert_eq!(budget, PruneMethod::Budget { target: 4.0 });
    /// assert!(PruneMethod::from_fields(PruneRule::Budget, Cutoff::Tolerance(1e-3), None).is_err());
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    pub fn from_fields(rule: PruneRule, cutoff: Cutoff, target: Option<f64>) -> Result<Self> {
        Ok(match rule {
            PruneRule::Exact => Self::Exact(cutoff),
            PruneRule::Paper => Self::Percentile(cutoff),
            PruneRule::Budget | PruneRule::BitPlanes => {
                let missing = || Error::field("target", "none", format!("the rule {} needs one", rule.id()));
                let target = target.ok_or_else(missing)?;
                if rule == PruneRule::Budget { Self::Budget { target } } else { Self::BitPlanes { target } }
            }
            PruneRule::Magnitude => Self::Magnitude(cutoff),
            PruneRule::Tiles => Self::Tiles(cutoff),
        })
    }

    /// The method's name.
    pub fn rule(&self) -> PruneRule {
        match self {
            Self::Exact(_) => PruneRule::Exact,
            Self::Percentile(_) => PruneRule::Paper,
            Self::Budget { .. } => PruneRule::Budget,
            Self::BitPlanes { .. } => PruneRule::BitPlanes,
            Self::Magnitude(_) => PruneRule::Magnitude,
            Self::Tiles(_) => PruneRule::Tiles,
        }
    }

    /// Checks the values for a network of `layers` crossbar layers.
    ///
    /// # Errors
    /// Names the value that is out of range, or says that there is not one ratio per layer.
    pub fn validate(&self, layers: usize) -> Result<()> {
        match self {
            Self::Exact(cutoff)
            | Self::Percentile(cutoff)
            | Self::Magnitude(cutoff)
            | Self::Tiles(cutoff) => cutoff.validate(layers),
            Self::Budget { target } | Self::BitPlanes { target } if target.is_finite() && *target >= 1.0 => {
                Ok(())
            }
            Self::Budget { target } | Self::BitPlanes { target } => {
                Err(Error::field("target", target, "must be an improvement of 1 or more"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_names_its_method() {
        for rule in PruneRule::ALL {
            let method = PruneMethod::from_fields(rule, Cutoff::uniform(50.0, 2), Some(2.0)).expect("whole");
            assert_eq!(method.rule(), rule);
            assert!(method.validate(2).is_ok());
            assert_eq!(serde_json::to_value(rule).expect("a name"), rule.id());
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        let error = |method: PruneMethod| method.validate(1).expect_err("rejected").to_string();
        for ratios in [vec![], vec![10.0, 20.0], vec![101.0], vec![f64::NAN]] {
            assert!(error(PruneMethod::Exact(Cutoff::Ratios(ratios))).contains("ratios"));
        }
        assert!(error(PruneMethod::Tiles(Cutoff::Tolerance(-1.0))).contains("tol"));
        for target in [0.5, f64::NAN, f64::INFINITY] {
            assert!(error(PruneMethod::Budget { target }).contains("target"));
        }
    }
}
