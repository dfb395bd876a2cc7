//! What the published runs save, by every model.
//!
//! The authors of arXiv 2403.13082 logged 69 runs, each with the histogram of its tiles by level and
//! the accuracy it kept. A histogram is enough for every model that is a function of a tile's bits:
//! `paper` at the paper's resolution, everything else at the lossless one, so that nothing is lost.
//! Weight slices and output positions are not in a histogram.

use serde::{Deserialize, Serialize};

use crate::adc::converter::Converter;
use crate::adc::{AdcEnergy, AdcParams, EnergyUnit};
use crate::config::{Resolution, SCHEMA_VERSION};
use crate::error::{Error, Result};

/// The runs, compiled in.
const RUNS: &str = include_str!("../../data/published_runs.json");
/// A run that ends at or below this accuracy, in percent, learned nothing: chance among ten classes.
const DIVERGED: f64 = 10.0;
/// How much accuracy a run may lose, in percentage points, to be ranked.
pub const RANKED_WITHIN: f64 = 1.0;

/// All runs, by every model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct Published {
    /// Version of this object's fields.
    pub schema_version: u32,
    /// Where the histograms come from.
    pub source: String,
    /// Models, in the order of each run's improvements.
    pub models: Vec<PublishedModel>,
    /// The runs: by data set and tile, the largest lossless improvement first.
    pub runs: Vec<PublishedRun>,
    /// The ranking of methods by each model.
    pub rankings: Vec<Ranking>,
}

/// A model and the resolution that it is evaluated at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct PublishedModel {
    /// Its name.
    pub model: String,
    /// How many bits a conversion has.
    pub resolution: Resolution,
    /// The unit of energies.
    pub unit: EnergyUnit,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunKind {
    /// With the whole method applied.
    Full,
    /// With the structured stage of S-DUB only.
    Structured,
    /// Without having learned anything.
    Diverged,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct PublishedRun {
    /// `CIFAR-10` (VGG11) or `ImageNet` (ResNet18).
    pub dataset: String,
    /// Rows of a crossbar.
    pub tile: usize,
    /// How it was sparsified.
    pub method: String,
    /// How it ended.
    pub kind: RunKind,
    /// Top-1 accuracy after fine-tuning, percent.
    pub accuracy: f64,
    /// Top-1 accuracy of the clean network, percent.
    pub clean_accuracy: f64,
    /// Weights that are zero.
    pub zeros: u64,
    /// Weights of all crossbar layers.
    pub weights: u64,
    /// Weight decay.
    pub lambda_l2: f64,
    /// Weight of the variance or of the groups.
    pub lambda: f64,
    /// The authors' log.
    pub log: String,
    /// Tiles by level.
    pub histogram: Vec<u64>,
    /// Improvement by each model of [`Published::models`]; `None` if nothing is left to convert.
    pub improvement: Vec<Option<f64>>,
}

/// Methods in the order of their best run, by one model, at one data set and tile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct Ranking {
    /// The data set.
    pub dataset: String,
    /// Rows of a crossbar.
    pub tile: usize,
    /// The model's name.
    pub model: String,
    /// The best first.
    pub methods: Vec<RankedMethod>,
}

/// A method's best ranked run (see [`PublishedRun::is_ranked`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct RankedMethod {
    /// How it was sparsified.
    pub method: String,
    /// Improvement by the ranking's model.
    pub improvement: f64,
    /// Accuracy that this run kept, percent.
    pub accuracy: f64,
}

#[derive(Deserialize)]
struct Source {
    source: String,
    clean_accuracy: std::collections::BTreeMap<String, f64>,
    runs: Vec<SourceRun>,
}

#[derive(Deserialize)]
struct SourceRun {
    dataset: String,
    tile: usize,
    log: String,
    histogram: Vec<u64>,
    finetuned_accuracy: f64,
    zeros: u64,
    weights: u64,
    lambda_l2: f64,
    lambda_variance: Option<f64>,
    lambda_group: Option<f64>,
    method: String,
    stage: String,
}

/// The published runs by every model with default parameters, extrapolated beyond a model's range.
///
/// # Errors
/// If the embedded runs can't be parsed, which a test rules out.
///
/// ```
/// use crossdub::report::published;
///
/// let published = published()?;
/// assert_eq!(published.runs.len(), 69);
/// let best = |model| &published.ranking("CIFAR-10", 32, model).unwrap().methods[0];
/// assert_eq!((best("paper").method.as_str(), best("lossless").method.as_str()), ("S-DUB", "S-DUB"));
/// assert!((best("paper").improvement - 8.46).abs() < 0.01);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn published() -> Result<Published> {
    let error = |why: &dyn std::fmt::Display| Error::file("reading the published runs", "", why.to_string());
    let source: Source = serde_json::from_str(RUNS).map_err(|why| error(&why))?;
    let columns: Vec<(Converter, Resolution)> = Converter::all_published(&AdcParams::default())?
        .into_iter()
        // Slices are not in a histogram.
        .filter(|converter| !converter.is_unitless_at(Resolution::LosslessSliced))
        .map(|converter| {
            let paper = converter.is_unitless_at(Resolution::Paper);
            (converter, if paper { Resolution::Paper } else { Resolution::Lossless })
        })
        .collect();
    let mut runs = Vec::new();
    for run in source.runs {
        let network = source.clean_accuracy.iter().find(|(network, _)| network.starts_with(&run.dataset));
        let clean_accuracy = network.map(|(_, accuracy)| *accuracy);
        let clean_accuracy = clean_accuracy.ok_or_else(|| error(&"a run's clean network is missing"))?;
        let improvement = |(converter, resolution): &(Converter, Resolution)| {
            let cost = |bits| Ok(converter.cost(bits)?.energy);
            Ok(AdcEnergy::from_levels(*resolution, run.tile, &run.histogram, cost)?.improvement)
        };
        runs.push(PublishedRun {
            improvement: columns.iter().map(improvement).collect::<Result<_>>()?,
            kind: match (run.finetuned_accuracy <= DIVERGED, run.stage.as_str()) {
                (true, _) => RunKind::Diverged,
                (false, "full") => RunKind::Full,
                (false, _) => RunKind::Structured,
            },
            dataset: run.dataset,
            tile: run.tile,
            method: run.method,
            accuracy: run.finetuned_accuracy,
            clean_accuracy,
            zeros: run.zeros,
            weights: run.weights,
            lambda_l2: run.lambda_l2,
            lambda: run.lambda_variance.or(run.lambda_group).unwrap_or_default(),
            log: run.log,
            histogram: run.histogram,
        });
    }
    let models = columns.iter().map(|(converter, resolution)| PublishedModel {
        model: converter.id().to_owned(),
        resolution: *resolution,
        unit: converter.unit(),
    });
    let models: Vec<PublishedModel> = models.collect();
    sort(&mut runs, &models);
    let rankings = rankings(&runs, &models);
    Ok(Published { schema_version: SCHEMA_VERSION, source: source.source, models, runs, rankings })
}

fn sort(runs: &mut [PublishedRun], models: &[PublishedModel]) {
    let lossless = models.iter().position(|model| model.model == "lossless").unwrap_or(0);
    // Nothing left to convert counts as the largest improvement.
    let saved = |run: &PublishedRun| run.improvement[lossless].unwrap_or(f64::INFINITY);
    runs.sort_by(|a, b| {
        let place = (&a.dataset, a.tile).cmp(&(&b.dataset, b.tile));
        place.then(saved(b).total_cmp(&saved(a))).then(b.accuracy.total_cmp(&a.accuracy))
    });
}

fn rankings(runs: &[PublishedRun], models: &[PublishedModel]) -> Vec<Ranking> {
    let mut places: Vec<(String, usize)> = runs.iter().map(|run| (run.dataset.clone(), run.tile)).collect();
    places.dedup();
    let mut rankings = Vec::new();
    for (dataset, tile) in places {
        for (at, model) in models.iter().enumerate() {
            let mut methods: Vec<RankedMethod> = Vec::new();
            let here =
                runs.iter().filter(|run| (&run.dataset, run.tile) == (&dataset, tile) && run.is_ranked());
            for (run, improvement) in here.filter_map(|run| Some((run, run.improvement[at]?))) {
                let ranked = RankedMethod { method: run.method.clone(), improvement, accuracy: run.accuracy };
                match methods.iter_mut().find(|other| other.method == run.method) {
                    Some(best) if best.improvement < improvement => *best = ranked,
                    Some(_) => {}
                    None => methods.push(ranked),
                }
            }
            methods.sort_by(|a, b| b.improvement.total_cmp(&a.improvement));
            rankings.push(Ranking { dataset: dataset.clone(), tile, model: model.model.clone(), methods });
        }
    }
    rankings
}

impl PublishedRun {
    /// Whether it applied the whole method and kept its accuracy.
    pub fn is_ranked(&self) -> bool {
        self.kind == RunKind::Full && self.accuracy >= self.clean_accuracy - RANKED_WITHIN
    }
}

impl Published {
    /// Index of a model in each run's improvements.
    pub fn model_index(&self, model: &str) -> Option<usize> {
        self.models.iter().position(|known| known.model == model)
    }

    /// The ranking of methods by one model, for one data set and tile.
    pub fn ranking(&self, dataset: &str, tile: usize, model: &str) -> Option<&Ranking> {
        self.rankings
            .iter()
            .find(|r| (r.dataset.as_str(), r.tile, r.model.as_str()) == (dataset, tile, model))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The claim of the page: S-DUB, group lasso and D.U.B. under `paper` and `lossless` at tile 32.
    #[test]
    fn the_order_of_methods_depends_on_the_model() {
        let published = published().expect("embedded");
        assert_eq!(published.runs.len(), 69);
        let order = |model: &str| -> Vec<(String, f64)> {
            let ranking = published.ranking("CIFAR-10", 32, model).expect("ranked");
            let round = |ratio: f64| (ratio * 100.0).round() / 100.0;
            ranking.methods.iter().map(|m| (m.method.clone(), round(m.improvement))).collect()
        };
        let named =
            |methods: [(&str, f64); 3]| methods.map(|(name, ratio)| (name.to_owned(), ratio)).to_vec();
        assert_eq!(order("paper"), named([("S-DUB", 8.46), ("DUB", 7.13), ("group-lasso-tile", 7.12)]));
        assert_eq!(order("lossless"), named([("S-DUB", 7.61), ("group-lasso-tile", 6.66), ("DUB", 3.99)]));
        let lossless = published.model_index("lossless").expect("listed");
        let find = |method: &str, accuracy: f64| {
            let run = published
                .runs
                .iter()
                .find(|run| run.tile == 32 && run.method == method && (run.accuracy - accuracy).abs() < 1e-9);
            run.expect("published").improvement[lossless].expect("a ratio")
        };
        assert!((find("S-DUB", 90.02) - 7.61).abs() < 5e-3);
        assert!((find("group-lasso-tile", 90.64) - 6.66).abs() < 5e-3);
        assert!((find("DUB", 90.27) - 3.81).abs() < 5e-3);
    }

    #[test]
    fn partial_and_diverged_runs_are_not_ranked() {
        let published = published().expect("embedded");
        let count = |kind| published.runs.iter().filter(|run| run.kind == kind).count();
        assert_eq!((count(RunKind::Structured), count(RunKind::Diverged)), (4, 3));
        assert!(published.runs.iter().filter(|run| run.kind != RunKind::Full).all(|run| !run.is_ranked()));
    }
}
