//! A stage that a run has been through, with what it left.

use serde::{Deserialize, Serialize};

use crate::config::{HardwareConfig, TrainConfig};
use crate::matrix::Matrix;
use crate::prune::PruneStats;
use crate::report::{AdcEnergies, analyze};
use crate::train::evaluate::Evaluation;
use crate::workflow::interactive::preview::PruneSettings;
use crate::workflow::stage::StageKind;

/// A stage; the names are those of a recipe's report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Stage {
    /// What was done.
    pub kind: StageKind,
    /// Steps of training that it took.
    pub steps: u64,
    /// Accuracy after it on the first held-out images, in percent, when measured.
    pub accuracy: Option<f64>,
    /// Number of those images.
    pub images: Option<usize>,
    /// Weights of all crossbar layers.
    pub weights: usize,
    /// Exact zeros among them.
    pub zeros: usize,
    /// Tiles by level after it.
    pub histogram: Vec<u64>,
    /// ADC energy after it.
    pub energy: AdcEnergies,
    /// The run, where it trained.
    pub spec: Option<TrainConfig>,
    /// How it was pruned.
    pub pruning: Option<PruneSettings>,
    /// What pruning did to the tiles.
    #[serde(flatten)]
    pub outcome: Option<PruneStats>,
}

impl Stage {
    /// A stage that left these layers.
    pub fn new(kind: StageKind, layers: &[Matrix], hardware: &HardwareConfig) -> Self {
        let analysis = analyze(layers, hardware);
        Self {
            kind,
            steps: 0,
            accuracy: None,
            images: None,
            weights: analysis.weights,
            zeros: analysis.zeros,
            histogram: analysis.histogram,
            energy: analysis.energy,
            spec: None,
            pruning: None,
            outcome: None,
        }
    }

    /// The same with its accuracy.
    #[must_use]
    pub fn measured(self, evaluation: &Evaluation) -> Self {
        Self { accuracy: Some(evaluation.accuracy), images: Some(evaluation.images), ..self }
    }
}
