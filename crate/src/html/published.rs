//! The runs that the authors of D.U.B. published (arXiv 2403.13082), as the background of ours.

use serde::Deserialize;

use crate::adc::{AdcEnergy, AdcModel};

/// The facts, as taken from the authors' public logs.
const FACTS: &str = include_str!("../../data/published_runs.json");

/// What to know about a published run before comparing with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// Run to its end.
    Complete,
    /// The structured part of S-DUB alone.
    StructuredOnly,
    /// Diverged, to the accuracy of chance.
    Diverged,
}

impl RunStatus {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::StructuredOnly => "structured part only",
            Self::Diverged => "diverged",
        }
    }
}

/// A published run.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// `DUB`, `S-DUB`, `group-lasso-tile` and others.
    pub method: String,
    /// Rows of a crossbar.
    pub tile: usize,
    /// Accuracy after fine-tuning, in percent.
    pub accuracy: f64,
    /// What to know about it.
    pub status: RunStatus,
    /// Improvement by the paper's count, from its histogram.
    pub paper: Option<f64>,
    /// Improvement with nothing lost, from its histogram.
    pub lossless: Option<f64>,
}

impl Published {
    /// Improvement by a model of this name.
    pub fn improvement(&self, model: &str) -> Option<f64> {
        match model {
            "paper" => self.paper,
            "lossless" => self.lossless,
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Facts {
    runs: Vec<Fact>,
}

#[derive(Deserialize)]
struct Fact {
    dataset: String,
    method: String,
    tile: usize,
    stage: String,
    histogram: Vec<u64>,
    finetuned_accuracy: f64,
}

/// The published network and data set that a run's data is that of; none for data of our own.
pub fn published_dataset(data: &str) -> Option<(&'static str, &'static str)> {
    match data {
        "cifar10" => Some(("CIFAR-10", "VGG11")),
        "imagenet" => Some(("ImageNet", "ResNet18")),
        _ => None,
    }
}

/// The published runs on a data set, by the name it has there.
pub fn published(dataset: &str) -> Vec<Published> {
    let facts: Facts = match serde_json::from_str(FACTS) {
        Ok(facts) => facts,
        // Part of the program, and read by a test.
        Err(_) => return Vec::new(),
    };
    let read = |fact: Fact| {
        let improvement =
            |model| AdcEnergy::from_histogram(model, fact.tile, &fact.histogram).ok()?.improvement;
        Published {
            status: status(&fact),
            paper: improvement(AdcModel::Paper),
            lossless: improvement(AdcModel::Lossless),
            method: fact.method,
            tile: fact.tile,
            accuracy: fact.finetuned_accuracy,
        }
    };
    facts.runs.into_iter().filter(|fact| fact.dataset == dataset).map(read).collect()
}

fn status(fact: &Fact) -> RunStatus {
    // Ten classes: 10 % is what guessing gives.
    if fact.dataset == "CIFAR-10" && fact.finetuned_accuracy <= 10.0 {
        RunStatus::Diverged
    } else if fact.stage == "full" {
        RunStatus::Complete
    } else {
        RunStatus::StructuredOnly
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_published_runs_are_there_and_marked() {
        let all: Vec<Published> = ["CIFAR-10", "ImageNet"].into_iter().flat_map(published).collect();
        let count = |status| all.iter().filter(|run| run.status == status).count();
        assert_eq!(all.len(), 69);
        assert_eq!((count(RunStatus::Diverged), count(RunStatus::StructuredOnly)), (3, 4));
        let best = all.iter().filter_map(|run| run.paper).fold(0.0, f64::max);
        assert!((best - 8.4637).abs() < 1e-3, "{best}");
    }
}
