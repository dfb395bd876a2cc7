//! Pruning a whole checkpoint by a specification: what the command line and recipes share.

use serde::{Deserialize, Serialize};

use crate::adc::TileEnergy;
use crate::checkpoint::Checkpoint;
use crate::compress::calibration::{ActivationStats, CalibrationConfig};
use crate::compress::compensation::compensate;
use crate::config::HardwareConfig;
use crate::crossbar::tiling::TileShape;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::prune::budget::{self, Budget};
use crate::prune::{Cutoff, PruneMethod, PruneRule, PruneStats, prune};

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// Every tile once, as the paper counts.
    #[default]
    PerTile,
    /// Every conversion of an inference.
    PerInference,
}

/// How much it matters that a weight stays; what a budget spares. Each layer's sums to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Importance {
    /// `input` where the others make up for what goes, else `magnitude`: what docs/pruning.md found
    /// better.
    #[default]
    Auto,
    /// Its square.
    Magnitude,
    /// Its square times the mean square of its input over training images.
    Input,
}

/// Fields of a pruning. Those that its rule does not use are accepted and ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(default, deny_unknown_fields)]
pub struct PruneSpec {
    /// How tiles are brought to their levels.
    pub rule: PruneRule,
    /// One prune ratio a layer, in percent; empty to count by the hardware's `tol`.
    pub ratios: Vec<f64>,
    /// The improvement of ADC energy that a budget reaches, by the hardware's `adc`.
    pub target: Option<f64>,
    /// What a budget counts.
    pub weighting: Weighting,
    /// What a budget spares.
    pub importance: Importance,
    /// Whether the weights that are left are changed to make up for those that went.
    pub compensate: bool,
    /// Training images on which inputs are measured, where they are needed.
    pub images: usize,
}

impl Default for PruneSpec {
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

/// What is known of a network besides its weights.
#[derive(Clone, Copy, Default)]
pub struct PruneContext<'a> {
    /// Output positions of each layer.
    pub positions: Option<&'a [u64]>,
    /// What its convolutions see; collected if [`PruneSpec::calibration`] asks for it.
    pub inputs: Option<&'a ActivationStats>,
}

impl PruneSpec {
    /// The method that the fields name.
    ///
    /// # Errors
    /// If a budget has no target.
    pub fn method(&self, hardware: &HardwareConfig) -> Result<PruneMethod> {
        let cutoff = if self.ratios.is_empty() {
            Cutoff::Tolerance(hardware.tol)
        } else {
            Cutoff::Ratios(self.ratios.clone())
        };
        PruneMethod::from_fields(self.rule, cutoff, self.target)
    }

    /// Checks what can be known before there are weights, for so many crossbar layers where that is known.
    ///
    /// # Errors
    /// Names the field that is missing or out of range.
    pub fn validate(&self, hardware: &HardwareConfig, layers: Option<usize>) -> Result<()> {
        self.method(hardware)?.validate(layers.unwrap_or(self.ratios.len()))?;
        if self.calibration().is_some_and(|gathering| gathering.images == 0) {
            return Err(Error::field("images", 0, "takes 1 or more images to measure inputs on"));
        }
        Ok(())
    }

    /// Whether a budget's importance asks for inputs.
    fn by_input(&self) -> bool {
        self.rule == PruneRule::Budget
            && match self.importance {
                Importance::Auto => self.compensate,
                Importance::Magnitude => false,
                Importance::Input => true,
            }
    }

    /// What has to be gathered of the network's inputs; none when the weights are enough.
    pub fn calibration(&self) -> Option<CalibrationConfig> {
        let needed = self.compensate || self.by_input();
        needed.then_some(CalibrationConfig { images: self.images, moments: self.compensate })
    }

    /// The checkpoint pruned, and compensated where that is asked for; what pruning did to the tiles.
    ///
    /// # Errors
    /// When there is no crossbar layer, a field is out of range, a target can't be met, or something
    /// is not known that is needed.
    pub async fn prune(
        &self,
        dense: &Checkpoint,
        hardware: &HardwareConfig,
        known: PruneContext<'_>,
        compute: Option<&ComputeDevice>,
    ) -> Result<(Checkpoint, PruneStats)> {
        let mut layers = dense.matrices(false)?;
        let outcome = self.apply(&mut layers, hardware, known)?;
        let pruned = dense.clone().with_layers(layers);
        match (known.inputs, compute) {
            _ if !self.compensate => Ok((pruned, outcome)),
            (Some(inputs), Some(compute)) => Ok((compensate(dense, pruned, inputs, compute).await?, outcome)),
            _ => Err(Error::field("compensate", true, NEEDS_DATA)),
        }
    }

    /// Prunes the layers in place, without compensation.
    ///
    /// # Errors
    /// When a field is out of range, a target can't be met, or conversions of an inference are to be
    /// counted and the positions are not known.
    pub fn apply(
        &self,
        layers: &mut [Matrix],
        hardware: &HardwareConfig,
        known: PruneContext<'_>,
    ) -> Result<PruneStats> {
        let shape = TileShape::from(hardware);
        let method = self.method(hardware)?;
        let PruneMethod::Budget { target } = method else { return prune(layers, shape, &method) };
        let energy = TileEnergy::new(hardware)?;
        let weights = self.weights(layers.len(), known.positions)?;
        let budget = Budget { target, energy: &energy, weights: weights.as_deref() };
        let importance = match known.inputs {
            _ if !self.by_input() => budget::magnitude_importance(layers),
            Some(inputs) => by_input(layers, inputs)?,
            None => return Err(Error::field("importance", "input", NEEDS_DATA)),
        };
        budget::prune(layers, shape, &importance, &budget)
    }

    /// How much a column of each layer counts.
    fn weights(&self, layers: usize, positions: Option<&[u64]>) -> Result<Option<Vec<f64>>> {
        match (self.weighting, positions) {
            (Weighting::PerTile, _) => Ok(None),
            (Weighting::PerInference, Some(known)) if known.len() == layers => {
                Ok(Some(known.iter().map(|&count| count as f64).collect()))
            }
            (Weighting::PerInference, _) => {
                let why = "needs the network's output positions";
                Err(Error::field("weighting", "per-inference", why))
            }
        }
    }
}

const NEEDS_DATA: &str = "needs the network and training images";

/// Squared weights times the mean squares of their inputs, over each layer's sum.
fn by_input(layers: &[Matrix], inputs: &ActivationStats) -> Result<Vec<Vec<f32>>> {
    let of_layer = |layer: &Matrix| {
        let inputs = inputs.get(&layer.name).filter(|inputs| inputs.mean_square.len() == layer.cols);
        let missing = || Error::layer("weighing a layer's weights", &*layer.name, "its inputs are not known");
        Ok(budget::weighted_importance(layer, &inputs.ok_or_else(missing)?.mean_square))
    };
    layers.iter().map(of_layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AdcModel;
    use crate::report::analyze;

    fn layers() -> Vec<Matrix> {
        let weights = |seed: u32, count: u32| {
            (0..count).map(|i| (f64::from(i * 7919 + seed) * 0.618_034).sin() as f32).collect()
        };
        vec![
            Matrix::new("a", 32, 64, weights(1, 32 * 64)).expect("fits"),
            Matrix::new("b", 64, 32, weights(2, 64 * 32)).expect("fits"),
        ]
    }

    fn budget(target: f64) -> PruneSpec {
        PruneSpec { rule: PruneRule::Budget, target: Some(target), ..PruneSpec::default() }
    }

    #[test]
    fn a_budget_reaches_its_target_by_the_model_it_names() {
        for adc in [AdcModel::Paper, AdcModel::Lossless] {
            let hardware = HardwareConfig { tile: 16, adc, ..HardwareConfig::default() };
            let mut pruned = layers();
            budget(2.0).apply(&mut pruned, &hardware, PruneContext::default()).expect("can be met");
            let energy = analyze(&pruned, &hardware).energy;
            let reached = if adc == AdcModel::Paper { energy.paper } else { energy.lossless };
            let improvement = reached.improvement.expect("something converts");
            assert!((2.0..2.2).contains(&improvement), "{adc}: {improvement}");
        }
    }

    #[test]
    fn conversions_of_an_inference_weigh_layers() {
        let hardware = HardwareConfig { tile: 16, ..HardwareConfig::default() };
        let spec = PruneSpec { weighting: Weighting::PerInference, ..budget(2.0) };
        let mut pruned = layers();
        assert!(spec.apply(&mut pruned, &hardware, PruneContext::default()).is_err());
        // All conversions happen in the first layer: the second has nothing to give.
        let known = PruneContext { positions: Some(&[1_000_000, 0]), inputs: None };
        spec.apply(&mut pruned, &hardware, known).expect("can be met");
        assert_eq!(pruned[1], layers()[1]);
        assert!(pruned[0].data.iter().filter(|w| **w == 0.0).count() > 32 * 64 / 2);
    }

    #[test]
    fn what_a_budget_lacks_is_named() {
        let hardware = HardwareConfig::default();
        let refused = |spec: &PruneSpec, hardware: &HardwareConfig| {
            spec.apply(&mut layers(), hardware, PruneContext::default()).expect_err("refused").to_string()
        };
        assert!(refused(&PruneSpec { target: None, ..budget(2.0) }, &hardware).contains("target"));
        let sliced = HardwareConfig { adc: AdcModel::LosslessSliced, ..HardwareConfig::default() };
        assert!(refused(&budget(2.0), &sliced).contains("adc"));
        let by_input = PruneSpec { importance: Importance::Input, ..budget(2.0) };
        assert!(refused(&by_input, &hardware).contains("training images"));
    }
}
