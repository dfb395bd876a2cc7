//! How to prune, chosen by one number, and the layers it is tried on before anything is committed.

use serde::{Deserialize, Serialize};

use crate::config::HardwareConfig;
use crate::crossbar::tiling::TileShape;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::prune::{PruneStats, Rule, Threshold, prune};
use crate::report::{Inference, InferenceConfig, TileDetail, View, inference, tile_detail, view};

/// How the whole network is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The rule.
    pub rule: Rule,
    /// Share of each layer's weights that counts as almost zero, in percent.
    pub strength: f64,
    /// The improvement of ADC energy that a budget goes for.
    pub target: f64,
}

impl Choice {
    /// Prunes the layers in place.
    ///
    /// # Errors
    /// When the number that its rule uses is out of range.
    pub fn apply(&self, layers: &mut [Matrix], hardware: &HardwareConfig) -> Result<PruneStats> {
        let threshold = match self.rule {
            Rule::Budget => Threshold::Target(self.target),
            _ => Threshold::uniform(self.strength, layers.len()),
        };
        prune(layers, TileShape::from(hardware), self.rule, &threshold)
    }
}

/// A network's crossbar layers and what the last choice would leave of them.
pub struct Layers {
    present: Vec<Matrix>,
    tried: Option<Tried>,
}

/// What pruning left, and all that it depended on besides the layers.
struct Tried {
    choice: Choice,
    hardware: HardwareConfig,
    pruned: Vec<Matrix>,
    outcome: PruneStats,
}

impl Layers {
    /// Takes up layers.
    pub fn new(present: Vec<Matrix>) -> Self {
        Self { present, tried: None }
    }

    /// The layers as they are.
    pub fn present(&self) -> &[Matrix] {
        &self.present
    }

    /// The layers pruned, on a copy that is kept until choice or hardware change.
    ///
    /// # Errors
    /// When the choice is out of range.
    pub fn pruned(&mut self, hardware: &HardwareConfig, choice: Choice) -> Result<(&[Matrix], PruneStats)> {
        let tried = match self.tried.take() {
            Some(tried) if tried.choice == choice && tried.hardware == *hardware => tried,
            _ => {
                let mut pruned = self.present.clone();
                let outcome = choice.apply(&mut pruned, hardware)?;
                Tried { choice, hardware: hardware.clone(), pruned, outcome }
            }
        };
        let tried = self.tried.insert(tried);
        Ok((&tried.pruned, tried.outcome))
    }

    /// The layers as this choice leaves them; without one they are pruned already.
    ///
    /// # Errors
    /// When the choice is out of range.
    pub fn chosen(&mut self, hardware: &HardwareConfig, choice: Option<Choice>) -> Result<&[Matrix]> {
        match choice {
            Some(choice) => Ok(self.pruned(hardware, choice)?.0),
            None => Ok(&self.present),
        }
    }

    /// What the page draws; without a choice the layers are pruned already.
    ///
    /// # Errors
    /// When the choice is out of range.
    pub fn view(&mut self, hardware: &HardwareConfig, choice: Option<Choice>) -> Result<View> {
        let Some(choice) = choice else { return Ok(view(&self.present, &self.present, hardware)) };
        self.pruned(hardware, choice)?;
        let pruned = self.tried.as_ref().map_or(&self.present, |tried| &tried.pruned);
        Ok(view(&self.present, pruned, hardware))
    }

    /// Energy of an inference by every model and policy, in the same way; `positions` where the
    /// network is known.
    ///
    /// # Errors
    /// When the choice is out of range, or the positions don't fit the layers.
    pub fn inference(
        &mut self,
        hardware: &HardwareConfig,
        choice: Option<Choice>,
        positions: Option<Vec<u64>>,
    ) -> Result<Inference> {
        let layers = self.chosen(hardware, choice)?;
        inference(layers, hardware, &InferenceConfig::all(positions)?)
    }

    /// One tile's cells, in the same way.
    ///
    /// # Errors
    /// When the choice is out of range, or there is no such tile.
    pub fn tile(
        &mut self,
        hardware: &HardwareConfig,
        at: (usize, usize),
        choice: Option<Choice>,
    ) -> Result<TileDetail> {
        if let Some(choice) = choice {
            self.pruned(hardware, choice)?;
        }
        let tried = self.tried.as_ref().filter(|_| choice.is_some());
        let pruned = tried.map_or(&self.present, |tried| &tried.pruned);
        tile_detail(&self.present, pruned, hardware, at)
    }
}
