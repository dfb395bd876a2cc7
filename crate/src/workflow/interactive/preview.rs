//! How to prune with one number, and the preview of the result.

use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::compress::fields::PruneFields;
use crate::compress::pruning::{PruneConfig, PruneContext, with_quantized_layers};
use crate::config::{AdcModel, HardwareConfig};
use crate::crossbar::bit_planes::LayerQuantization;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::prune::bit_planes::{self, BitPlaneBudget, BitPlaneOptions};
use crate::prune::{PruneMethod, PruneRule, PruneStats};
use crate::report::{Inference, InferenceConfig, TileDetail, View, inference, tile_detail, view};

/// How the whole network is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct PruneSettings {
    /// The rule.
    pub rule: PruneRule,
    /// Weights of each layer that count as almost zeros, in percent; used by `exact` and `paper`.
    pub strength: f64,
    /// The improvement in ADC energy: by the paper's count with `budget`, by that of set cells with `bit-planes`. The other
    /// rules don't use it.
    pub target: f64,
}

impl PruneSettings {
    /// From a rule, a strength in percent, and a target of improvement.
    pub const fn new(rule: PruneRule, strength: f64, target: f64) -> Self {
        Self { rule, strength, target }
    }

    /// The config for a network of `layers` crossbar layers, and the hardware with the ADC model of the target.
    ///
    /// # Errors
    /// When the value that the rule uses is out of range.
    pub(super) fn resolve(
        self,
        hardware: &HardwareConfig,
        layers: usize,
    ) -> Result<(PruneConfig, HardwareConfig)> {
        let Self { rule, strength, target } = self;
        let fields = PruneFields::new(rule).with_ratios(vec![strength; layers]).with_target(target);
        let hardware = HardwareConfig { adc: AdcModel::Paper, ..hardware.clone() };
        Ok((PruneConfig::from_fields(&fields, &hardware, Some(layers))?, hardware))
    }

    /// Prunes the layers in place.
    ///
    /// # Errors
    /// When the value that the rule uses is out of range, or a target can't be met.
    pub fn apply(self, layers: &mut [Matrix], hardware: &HardwareConfig) -> Result<PruneStats> {
        let (config, hardware) = self.resolve(hardware, layers.len())?;
        config.apply(layers, &hardware, PruneContext::default())
    }
}

/// A network's crossbar layers, and the preview of the last settings.
pub struct LayerCache {
    current: Vec<Matrix>,
    preview: Option<PrunePreview>,
    /// What bit planes choose from, on some hardware, so that another target takes no search.
    options: Option<(HardwareConfig, BitPlaneOptions)>,
}

/// The pruned layers, and everything that they depend on besides the current ones.
struct PrunePreview {
    settings: PruneSettings,
    hardware: HardwareConfig,
    pruned: Vec<Matrix>,
    stats: PruneStats,
    /// What bit planes have chosen.
    chosen: Vec<LayerQuantization>,
}

impl LayerCache {
    /// A cache of these current layers.
    pub fn new(current: Vec<Matrix>) -> Self {
        Self { current, preview: None, options: None }
    }

    /// Takes other current layers; the same ones keep what is known of them.
    pub fn replace(&mut self, current: Vec<Matrix>) {
        if current != self.current {
            *self = Self::new(current);
        }
    }

    /// The current layers.
    pub fn current(&self) -> &[Matrix] {
        &self.current
    }

    /// The pruned layers. They are cached until settings or hardware change.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn pruned(
        &mut self,
        hardware: &HardwareConfig,
        settings: PruneSettings,
    ) -> Result<(&[Matrix], PruneStats)> {
        let preview = match self.preview.take() {
            Some(preview) if preview.settings == settings && preview.hardware == *hardware => preview,
            _ => {
                let mut pruned = self.current.clone();
                let chosen = self.choose_bit_planes(hardware, settings)?;
                let stats = match &chosen {
                    Some(chosen) => bit_planes::apply(&mut pruned, chosen, hardware),
                    None => settings.apply(&mut pruned, hardware)?,
                };
                let chosen = chosen.unwrap_or_default();
                PrunePreview { settings, hardware: hardware.clone(), pruned, stats, chosen }
            }
        };
        let preview = self.preview.insert(preview);
        Ok((&preview.pruned, preview.stats))
    }

    /// What bit planes choose, if that is the rule.
    fn choose_bit_planes(
        &mut self,
        hardware: &HardwareConfig,
        settings: PruneSettings,
    ) -> Result<Option<Vec<LayerQuantization>>> {
        let (config, hardware) = settings.resolve(hardware, self.current.len())?;
        let PruneMethod::BitPlanes { target } = config.method else { return Ok(None) };
        let budget = BitPlaneBudget { target, hardware: &hardware, weights: None };
        let mut options = match self.options.take() {
            Some((searched, options)) if searched == hardware => options,
            _ => BitPlaneOptions::new(&self.current, None, &budget)?,
        };
        let chosen = options.choose(&self.current, None, &budget);
        self.options = Some((hardware, options));
        chosen.map(Some)
    }

    /// The checkpoint that these layers are of, with the pruned ones.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn pruned_checkpoint(
        &mut self,
        dense: &Checkpoint,
        hardware: &HardwareConfig,
        settings: PruneSettings,
    ) -> Result<Checkpoint> {
        let pruned = self.pruned(hardware, settings)?.0.to_vec();
        let chosen = self.preview.as_ref().map(|preview| preview.chosen.clone()).unwrap_or_default();
        with_quantized_layers(dense, pruned, chosen)
    }

    /// The pruned layers, or the current ones if there are no settings because the network is pruned already.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn pruned_or_current(
        &mut self,
        hardware: &HardwareConfig,
        settings: Option<PruneSettings>,
    ) -> Result<&[Matrix]> {
        match settings {
            Some(settings) => Ok(self.pruned(hardware, settings)?.0),
            None => Ok(&self.current),
        }
    }

    /// What the page draws, of [`pruned_or_current`](Self::pruned_or_current) layers.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn view(&mut self, hardware: &HardwareConfig, settings: Option<PruneSettings>) -> Result<View> {
        let Some(settings) = settings else { return Ok(view(&self.current, &self.current, hardware)) };
        self.pruned(hardware, settings)?;
        let pruned = self.preview.as_ref().map_or(&self.current, |preview| &preview.pruned);
        Ok(view(&self.current, pruned, hardware))
    }

    /// Energy of an inference by every model and resolution, of the same layers; `positions` if the network is known.
    ///
    /// # Errors
    /// When the settings are out of range, or the positions don't fit the layers.
    pub fn inference(
        &mut self,
        hardware: &HardwareConfig,
        settings: Option<PruneSettings>,
        positions: Option<Vec<u64>>,
    ) -> Result<Inference> {
        let layers = self.pruned_or_current(hardware, settings)?;
        inference(layers, hardware, &InferenceConfig::all(positions)?)
    }

    /// The cells of a tile, of the same layers.
    ///
    /// # Errors
    /// When the settings are out of range, or there is no such tile.
    pub fn tile(
        &mut self,
        hardware: &HardwareConfig,
        at: (usize, usize),
        settings: Option<PruneSettings>,
    ) -> Result<TileDetail> {
        if let Some(settings) = settings {
            self.pruned(hardware, settings)?;
        }
        let preview = self.preview.as_ref().filter(|_| settings.is_some());
        let pruned = preview.map_or(&self.current, |preview| &preview.pruned);
        tile_detail(&self.current, pruned, hardware, at)
    }
}
