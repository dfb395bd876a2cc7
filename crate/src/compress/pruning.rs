//! Pruning a whole checkpoint by one config: what the command line, recipes and the page share.

use crate::adc::{CellEnergy, TileEnergy};
use crate::checkpoint::{Checkpoint, LayerQuantizers};
use crate::compress::calibration::{ActivationStats, CalibrationConfig};
use crate::compress::compensation::{compensate, fit_steps};
use crate::compress::fields::{Importance, PruneFields, Weighting};
use crate::config::HardwareConfig;
use crate::crossbar::bit_planes::LayerQuantization;
use crate::crossbar::tiling::TileShape;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::prune::bit_planes::{self, BitPlaneBudget};
use crate::prune::budget::{self, Budget};
use crate::prune::{Cutoff, PruneMethod, PruneStats, prune};

/// How a network is pruned, with every value in range: what [`PruneFields`] mean on some hardware.
///
/// ```
/// use crossdub::compress::fields::PruneFields;
/// use crossdub::compress::pruning::{PruneConfig, PruneContext};
/// use crossdub::prune::PruneRule;
/// use crossdub::{HardwareConfig, Matrix};
///
/// let hardware = HardwareConfig { tile: 4, ..HardwareConfig::default() };
/// let fields = PruneFields::new(PruneRule::Exact).with_ratios(vec![50.0]);
/// let config = PruneConfig::from_fields(&fields, &hardware, Some(1))?;
///
/// let mut layers = [Matrix::new("w", 1, 4, vec![0.1, 0.8, -0.5, 0.2])?];
/// let stats = config.apply(&mut layers, &hardware, PruneContext::default())?;
/// assert_eq!(layers[0].data, [0.0, 0.8, -0.5, 0.0]);
/// // With two almost zeros the tile is at level 1 already.
/// assert_eq!((stats.promoted, stats.kept_level), (0, 1));
/// // One ratio, but two layers.
/// assert!(PruneConfig::from_fields(&fields, &hardware, Some(2)).is_err());
/// # Ok::<(), crossdub::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PruneConfig {
    /// What to prune and how far.
    pub method: PruneMethod,
    /// What the energy of a budget counts.
    pub weighting: Weighting,
    /// What a budget preserves.
    pub importance: Importance,
    /// Whether the surviving weights are updated to make up for the pruned ones.
    pub compensate: bool,
    /// Number of training images for calibration, where it is needed.
    pub images: usize,
}

/// What is known of a network besides its weights.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct PruneContext<'a> {
    /// Output positions of each layer; needed to count the conversions of an inference.
    pub positions: Option<&'a [u64]>,
    /// Statistics of the inputs of its convolutions; needed if [`PruneConfig::calibration`] is not `None`.
    pub inputs: Option<&'a ActivationStats>,
}

impl<'a> PruneContext<'a> {
    /// The same with the output positions of each layer.
    #[must_use]
    pub fn with_positions(self, positions: &'a [u64]) -> Self {
        Self { positions: Some(positions), ..self }
    }

    /// The same with the statistics of the convolutions' inputs.
    #[must_use]
    pub fn with_inputs(self, inputs: &'a ActivationStats) -> Self {
        Self { inputs: Some(inputs), ..self }
    }
}

impl PruneConfig {
    /// Checks the fields, with the hardware's tolerance for almost zeros if they have no ratios. `layers` is the number
    /// of crossbar layers, if it is known already.
    ///
    /// # Errors
    /// Names the field that is missing or out of range.
    pub fn from_fields(
        fields: &PruneFields,
        hardware: &HardwareConfig,
        layers: Option<usize>,
    ) -> Result<Self> {
        let PruneFields { rule, ratios, target, weighting, importance, compensate, images } = fields;
        let cutoff = match ratios.as_slice() {
            [] => Cutoff::Tolerance(hardware.tol),
            ratios => Cutoff::Ratios(ratios.to_vec()),
        };
        let method = PruneMethod::from_fields(*rule, cutoff, *target)?;
        method.validate(layers.unwrap_or(ratios.len()))?;
        let config = Self {
            method,
            weighting: *weighting,
            importance: *importance,
            compensate: *compensate,
            images: *images,
        };
        if config.calibration().is_some_and(|calibration| calibration.images == 0) {
            return Err(Error::field("images", 0, "must be 1 or more images for calibration"));
        }
        Ok(config)
    }

    /// Checks that the method can count on this hardware, before anything is trained for it.
    ///
    /// # Errors
    /// Names the field of the hardware that the method has no count for.
    pub fn check_hardware(&self, hardware: &HardwareConfig) -> Result<()> {
        match self.method {
            PruneMethod::Budget { .. } => TileEnergy::new(hardware).map(drop),
            PruneMethod::BitPlanes { .. } => CellEnergy::new(hardware).map(drop),
            _ => Ok(()),
        }
    }

    /// Whether the importance of weights depends on their inputs.
    fn needs_inputs(&self) -> bool {
        self.has_target()
            && match self.importance {
                Importance::Auto => self.compensate,
                Importance::Magnitude => false,
                Importance::Input => true,
            }
    }

    /// Whether [`PruneContext::positions`] are needed.
    pub fn needs_positions(&self) -> bool {
        self.has_target() && self.weighting == Weighting::PerInference
    }

    /// Whether a target of energy is met.
    fn has_target(&self) -> bool {
        matches!(self.method, PruneMethod::Budget { .. } | PruneMethod::BitPlanes { .. })
    }

    /// The calibration whose statistics are needed; `None` if the weights are enough.
    pub fn calibration(&self) -> Option<CalibrationConfig> {
        let needed = self.compensate || self.needs_inputs();
        needed.then_some(CalibrationConfig { images: self.images, moments: self.compensate })
    }

    /// The checkpoint pruned, and compensated if the config says so; what pruning did to the tiles.
    ///
    /// # Errors
    /// When there is no crossbar layer or not one ratio per layer, a target can't be met, the context lacks something
    /// that is needed, or the device fails.
    pub async fn prune(
        &self,
        dense: &Checkpoint,
        hardware: &HardwareConfig,
        context: PruneContext<'_>,
        compute: Option<&ComputeDevice>,
    ) -> Result<(Checkpoint, PruneStats)> {
        let (pruned, stats) = self.apply_to(dense, hardware, context)?;
        match (context.inputs, compute) {
            _ if !self.compensate => Ok((pruned, stats)),
            (Some(inputs), Some(compute)) if pruned.is_quantized() => {
                Ok((fit_steps(dense, pruned, inputs, compute).await?, stats))
            }
            (Some(inputs), Some(compute)) => Ok((compensate(dense, pruned, inputs, compute).await?, stats)),
            _ => Err(Error::field("compensate", true, NEEDS_DATA)),
        }
    }

    /// The same without a device, for configs that do not compensate.
    ///
    /// # Errors
    /// When the config compensates; otherwise as for [`prune`](Self::prune).
    pub fn prune_weights(
        &self,
        dense: &Checkpoint,
        hardware: &HardwareConfig,
        context: PruneContext<'_>,
    ) -> Result<(Checkpoint, PruneStats)> {
        if self.compensate {
            return Err(Error::field("compensate", true, NEEDS_DATA));
        }
        self.apply_to(dense, hardware, context)
    }

    fn apply_to(
        &self,
        dense: &Checkpoint,
        hardware: &HardwareConfig,
        context: PruneContext<'_>,
    ) -> Result<(Checkpoint, PruneStats)> {
        let mut layers = dense.matrices(false)?;
        let (stats, chosen) = self.apply_and_tell(&mut layers, hardware, context)?;
        Ok((with_quantized_layers(dense, layers, chosen)?, stats))
    }

    /// Prunes the layers in place, without compensation.
    ///
    /// # Errors
    /// When there is not one ratio per layer, a target can't be met, or the context lacks something that is needed.
    pub fn apply(
        &self,
        layers: &mut [Matrix],
        hardware: &HardwareConfig,
        context: PruneContext<'_>,
    ) -> Result<PruneStats> {
        Ok(self.apply_and_tell(layers, hardware, context)?.0)
    }

    /// The same, with what bit planes have chosen for each layer; nothing by the other rules.
    fn apply_and_tell(
        &self,
        layers: &mut [Matrix],
        hardware: &HardwareConfig,
        context: PruneContext<'_>,
    ) -> Result<(PruneStats, Vec<LayerQuantization>)> {
        let shape = TileShape::from(hardware);
        let target = match self.method {
            PruneMethod::Budget { target } => target,
            PruneMethod::BitPlanes { target } => {
                let chosen = self.choose_bit_planes(layers, target, hardware, context)?;
                return Ok((bit_planes::apply(layers, &chosen, hardware), chosen));
            }
            _ => return Ok((prune(layers, shape, &self.method)?, Vec::new())),
        };
        let energy = TileEnergy::new(hardware)?;
        let weights = self.column_weights(layers.len(), context.positions)?;
        let budget = Budget { target, energy: &energy, weights: weights.as_deref() };
        let importance = match context.inputs {
            _ if !self.needs_inputs() => budget::magnitude_importance(layers),
            Some(inputs) => input_importance(layers, inputs)?,
            None => return Err(Error::field("importance", "input", NEEDS_DATA)),
        };
        Ok((budget::prune(layers, shape, &importance, &budget)?, Vec::new()))
    }

    /// Precisions and caps of the layers.
    fn choose_bit_planes(
        &self,
        layers: &[Matrix],
        target: f64,
        hardware: &HardwareConfig,
        context: PruneContext<'_>,
    ) -> Result<Vec<LayerQuantization>> {
        let weights = self.column_weights(layers.len(), context.positions)?;
        let budget = BitPlaneBudget { target, hardware, weights: weights.as_deref() };
        let factors = match context.inputs {
            _ if !self.needs_inputs() => None,
            Some(inputs) => {
                Some(layers.iter().map(|layer| mean_squares(layer, inputs)).collect::<Result<Vec<_>>>()?)
            }
            None => return Err(Error::field("importance", "input", NEEDS_DATA)),
        };
        bit_planes::choose(layers, factors.as_deref(), &budget)
    }

    /// The weight of a column of each layer in the energy of a budget; `None` if every tile counts once.
    fn column_weights(&self, layers: usize, positions: Option<&[u64]>) -> Result<Option<Vec<f64>>> {
        if !self.needs_positions() {
            return Ok(None);
        }
        match positions.filter(|positions| positions.len() == layers) {
            Some(positions) => Ok(Some(positions.iter().map(|&count| count as f64).collect())),
            None => {
                let reason = "needs the network's output positions";
                Err(Error::field("weighting", "per-inference", reason))
            }
        }
    }
}

/// The checkpoint with these layers, and with the quantizers that bit planes have chosen for them, if any.
///
/// # Errors
/// If quantizers that it has already are broken.
pub(crate) fn with_quantized_layers(
    dense: &Checkpoint,
    layers: Vec<Matrix>,
    chosen: Vec<LayerQuantization>,
) -> Result<Checkpoint> {
    let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    let (mut pruned, others) = (dense.clone().with_layers(layers), dense.layers_in_other_layouts());
    for (name, weights) in names.into_iter().zip(chosen) {
        if weights.steps.len() > 1 && others.contains(&name) {
            let why = "its outputs are not the first dimension, so it can't have a step for each; use --weight-scale layer";
            return Err(Error::layer("quantizing a layer", name, why));
        }
        let inputs = dense.quantizers(&name)?.and_then(|quantizers| quantizers.inputs);
        pruned = pruned.with_quantizers(&name, &LayerQuantizers { weights, inputs });
    }
    Ok(pruned)
}

const NEEDS_DATA: &str = "needs the network and training images";

/// Squared weights times the mean squares of their inputs, divided by the layer's sum.
fn input_importance(layers: &[Matrix], inputs: &ActivationStats) -> Result<Vec<Vec<f32>>> {
    let of_layer = |layer: &Matrix| Ok(budget::weighted_importance(layer, &mean_squares(layer, inputs)?));
    layers.iter().map(of_layer).collect()
}

/// The mean square of each input of a layer.
fn mean_squares(layer: &Matrix, inputs: &ActivationStats) -> Result<Vec<f32>> {
    let inputs = inputs.get(&layer.name).filter(|inputs| inputs.mean_square.len() == layer.cols);
    let missing = || Error::layer("weighing a layer's weights", &*layer.name, "its inputs were not measured");
    Ok(inputs.ok_or_else(missing)?.mean_square.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::calibration::LayerStats;
    use crate::config::AdcModel;
    use crate::prune::PruneRule;
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

    fn budget(target: f64, hardware: &HardwareConfig) -> PruneConfig {
        let fields = PruneFields::new(PruneRule::Budget).with_target(target);
        PruneConfig::from_fields(&fields, hardware, Some(2)).expect("in range")
    }

    #[test]
    fn a_budget_reaches_its_target_by_the_configured_model() {
        for adc in [AdcModel::Paper, AdcModel::Lossless] {
            let hardware = HardwareConfig { tile: 16, adc, ..HardwareConfig::default() };
            let mut pruned = layers();
            budget(2.0, &hardware).apply(&mut pruned, &hardware, PruneContext::default()).expect("reachable");
            let energy = analyze(&pruned, &hardware).energy;
            let reached = if adc == AdcModel::Paper { energy.paper } else { energy.lossless };
            let improvement = reached.improvement.expect("something converts");
            assert!((2.0..2.2).contains(&improvement), "{adc}: {improvement}");
        }
    }

    #[test]
    fn conversions_of_an_inference_weight_the_layers() {
        let hardware = HardwareConfig { tile: 16, ..HardwareConfig::default() };
        let config = PruneConfig { weighting: Weighting::PerInference, ..budget(2.0, &hardware) };
        let mut pruned = layers();
        assert!(config.apply(&mut pruned, &hardware, PruneContext::default()).is_err());
        // All conversions happen in the first layer, so pruning the second would save nothing.
        let context = PruneContext { positions: Some(&[1_000_000, 0]), inputs: None };
        config.apply(&mut pruned, &hardware, context).expect("reachable");
        assert_eq!(pruned[1], layers()[1]);
        assert!(pruned[0].data.iter().filter(|w| **w == 0.0).count() > 32 * 64 / 2);
    }

    #[test]
    fn errors_name_the_field_that_a_budget_lacks() {
        let hardware = HardwareConfig::default();
        let fields = PruneFields::new(PruneRule::Budget);
        let error = PruneConfig::from_fields(&fields, &hardware, None).expect_err("no target");
        assert_eq!(error.field_name(), Some("target"));
        let error = |config: &PruneConfig, hardware: &HardwareConfig| {
            config.apply(&mut layers(), hardware, PruneContext::default()).expect_err("rejected")
        };
        let sliced = HardwareConfig { adc: AdcModel::LosslessSliced, ..HardwareConfig::default() };
        assert_eq!(error(&budget(2.0, &sliced), &sliced).field_name(), Some("adc"));
        let by_input = PruneConfig { importance: Importance::Input, ..budget(2.0, &hardware) };
        assert!(error(&by_input, &hardware).to_string().contains("training images"));
    }

    #[test]
    fn the_automatic_importance_depends_on_compensation() {
        let hardware = HardwareConfig { tile: 16, ..HardwareConfig::default() };
        let squares = |cols: usize| (1..=cols).map(|i| i as f32).collect();
        let stats = |layer: &Matrix| LayerStats {
            name: layer.name.clone(),
            mean_square: squares(layer.cols),
            moments: None,
        };
        let inputs = ActivationStats { layers: layers().iter().map(stats).collect() };
        let pruned = |importance, compensate| {
            let config = PruneConfig { importance, compensate, ..budget(2.0, &hardware) };
            let mut pruned = layers();
            let context = PruneContext::default().with_inputs(&inputs);
            config.apply(&mut pruned, &hardware, context).expect("reachable");
            pruned
        };
        assert_eq!(pruned(Importance::Auto, true), pruned(Importance::Input, true));
        assert_eq!(pruned(Importance::Auto, false), pruned(Importance::Magnitude, false));
        assert_ne!(pruned(Importance::Auto, true), pruned(Importance::Auto, false));
    }

    #[test]
    fn compensation_needs_data() {
        let hardware = HardwareConfig { tile: 16, ..HardwareConfig::default() };
        let config = PruneConfig { compensate: true, ..budget(2.0, &hardware) };
        let weights = Checkpoint::default();
        let error = config.prune_weights(&weights, &hardware, PruneContext::default()).expect_err("no data");
        assert_eq!(error.field_name(), Some("compensate"));
    }

    #[test]
    fn fields_out_of_range_are_rejected() {
        let hardware = HardwareConfig::default();
        let field = |fields: &PruneFields, layers| {
            let error = PruneConfig::from_fields(fields, &hardware, layers).expect_err("rejected");
            error.field_name().map(str::to_owned)
        };
        let exact = PruneFields::default();
        assert!(PruneConfig::from_fields(&exact, &hardware, Some(2)).is_ok());
        assert_eq!(field(&exact.clone().with_ratios(vec![50.0]), Some(2)).as_deref(), Some("ratios"));
        assert_eq!(field(&exact.clone().with_ratios(vec![101.0]), None).as_deref(), Some("ratios"));
        let no_images = PruneFields { compensate: true, images: 0, ..exact };
        assert_eq!(field(&no_images, None).as_deref(), Some("images"));
        let budget = PruneFields::new(PruneRule::Budget).with_target(0.5);
        assert_eq!(field(&budget, None).as_deref(), Some("target"));
    }
}
