//! The stages that an interactive run has completed.

use serde::{Deserialize, Serialize};

use super::preview::PruneSettings;
use crate::config::{LayerCaps, LayerPrecisions, TrainConfig};
use crate::prune::PruneRule;
use crate::train::progress::HistoryEntry;
use crate::workflow::stage_report::{StagePruning, StageReport};

/// The stages before the current one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct CompletedStages {
    /// The completed stages: training, pruning, perhaps fine-tuning.
    pub stages: Vec<StageReport>,
    /// The configuration that the run was started with.
    #[serde(rename = "spec")]
    pub config: TrainConfig,
    /// One entry per step of these stages.
    pub history: Vec<HistoryEntry>,
    /// Number of epochs of these stages.
    pub epochs: usize,
    /// The checkpoint of the trained network, which `undo` returns to. It is stored separately, as bytes.
    #[serde(skip)]
    pub trained: Vec<u8>,
}

impl CompletedStages {
    /// What fine-tuning starts from, and whether zeros stay zero: those of bit planes are integers like others, whose
    /// precisions and caps are those of the weights.
    pub(super) fn finetuning(&self) -> (TrainConfig, bool) {
        let of_bit_planes = self.stages.iter().any(|stage| {
            matches!(
                stage.pruning,
                Some(StagePruning::Interactive(PruneSettings { rule: PruneRule::BitPlanes, .. }))
            )
        });
        let config = self.config.clone();
        if !of_bit_planes {
            return (config, true);
        }
        (
            TrainConfig {
                quantize_precision: LayerPrecisions::default(),
                quantize_cap: LayerCaps::default(),
                quantize_linear: false,
                quantize_ramp: 0,
                ..config
            },
            false,
        )
    }

    /// The same with this checkpoint of the trained network.
    #[must_use]
    pub fn with_trained(self, trained: Vec<u8>) -> Self {
        Self { trained, ..self }
    }
}
