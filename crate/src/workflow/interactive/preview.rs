//! How to prune, set by one number, and a preview of what it leaves before anything is committed.

use serde::{Deserialize, Serialize};

use crate::config::HardwareConfig;
use crate::crossbar::tiling::TileShape;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::prune::{Cutoff, PruneMethod, PruneRule, PruneStats, prune};
use crate::report::{Inference, InferenceConfig, TileDetail, View, inference, tile_detail, view};

/// How the whole network is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct PruneSettings {
    /// The rule.
    pub rule: PruneRule,
    /// Share of each layer's weights that counts as almost zero, in percent.
    pub strength: f64,
    /// The improvement of ADC energy that a budget goes for.
    pub target: f64,
}

impl PruneSettings {
    /// Prunes the layers in place.
    ///
    /// # Errors
    /// When the number that its rule uses is out of range.
    pub fn apply(&self, layers: &mut [Matrix], hardware: &HardwareConfig) -> Result<PruneStats> {
        let cutoff = Cutoff::uniform(self.strength, layers.len());
        let method = PruneMethod::from_fields(self.rule, cutoff, Some(self.target))?;
        prune(layers, TileShape::from(hardware), &method)
    }
}

/// A network's crossbar layers and what the last settings would leave of them.
pub struct LayerCache {
    current: Vec<Matrix>,
    preview: Option<PrunePreview>,
}

/// What pruning left, and all that it depended on besides the layers.
struct PrunePreview {
    settings: PruneSettings,
    hardware: HardwareConfig,
    pruned: Vec<Matrix>,
    outcome: PruneStats,
}

impl LayerCache {
    /// A cache of these layers.
    pub fn new(current: Vec<Matrix>) -> Self {
        Self { current, preview: None }
    }

    /// The layers as they are.
    pub fn current(&self) -> &[Matrix] {
        &self.current
    }

    /// The layers pruned, on a copy that is kept until settings or hardware change.
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
                let outcome = settings.apply(&mut pruned, hardware)?;
                PrunePreview { settings, hardware: hardware.clone(), pruned, outcome }
            }
        };
        let preview = self.preview.insert(preview);
        Ok((&preview.pruned, preview.outcome))
    }

    /// The layers as these settings leave them; without settings they are pruned already.
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

    /// What the page draws; without settings the layers are pruned already.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn view(&mut self, hardware: &HardwareConfig, settings: Option<PruneSettings>) -> Result<View> {
        let Some(settings) = settings else { return Ok(view(&self.current, &self.current, hardware)) };
        self.pruned(hardware, settings)?;
        let pruned = self.preview.as_ref().map_or(&self.current, |preview| &preview.pruned);
        Ok(view(&self.current, pruned, hardware))
    }

    /// Energy of an inference by every model and policy, in the same way; `positions` where the
    /// network is known.
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

    /// One tile's cells, in the same way.
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
