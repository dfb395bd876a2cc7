//! The published runs (arXiv 2403.13082) on the data set of a report, for comparison.

use crate::report::{RunKind, published};

/// A published run by one ADC model.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedPoint {
    /// The method, for example `DUB` or `group-lasso-tile`.
    pub method: String,
    /// Rows of a crossbar.
    pub tile: usize,
    /// Accuracy after fine-tuning, in percent.
    pub accuracy: f64,
    /// How the run ended.
    pub kind: RunKind,
    /// Improvement of ADC energy; `None` if nothing is left to convert.
    pub improvement: Option<f64>,
}

impl PublishedPoint {
    /// How the run ended, in words.
    pub fn outcome(&self) -> &'static str {
        match self.kind {
            RunKind::Full => "complete",
            RunKind::Structured => "structured part only",
            RunKind::Diverged => "diverged",
        }
    }
}

/// The published data set and network for a run's data; `None` if nothing was published on it.
pub fn published_dataset(data: &str) -> Option<(&'static str, &'static str)> {
    match data {
        "cifar10" => Some(("CIFAR-10", "VGG11")),
        "imagenet" => Some(("ImageNet", "ResNet18")),
        _ => None,
    }
}

/// The published runs on a data set (by its published name), by one ADC model.
pub fn published_points(dataset: &str, model: &str) -> Vec<PublishedPoint> {
    // The runs are compiled in, and a test reads them.
    let Ok(published) = published() else { return Vec::new() };
    let Some(model) = published.model_index(model) else { return Vec::new() };
    let runs = published.runs.into_iter().filter(|run| run.dataset == dataset);
    runs.map(|run| PublishedPoint {
        improvement: run.improvement[model],
        kind: run.kind,
        method: run.method,
        tile: run.tile,
        accuracy: run.accuracy,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_data_sets_have_all_runs() {
        let of_data = |data| published_points(published_dataset(data).expect("published").0, "paper");
        let all = [of_data("cifar10"), of_data("imagenet")].concat();
        let count = |kind| all.iter().filter(|run| run.kind == kind).count();
        assert_eq!(all.len(), 69);
        assert_eq!((count(RunKind::Diverged), count(RunKind::Structured)), (3, 4));
        let best = all.iter().filter_map(|run| run.improvement).fold(0.0, f64::max);
        assert!((best - 8.4637).abs() < 1e-3, "{best}");
        assert_eq!(published_dataset("builtin"), None);
    }
}
