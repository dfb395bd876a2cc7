//! Groups runs that differ only in their seed, with mean and standard deviation.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::energies::{MODELS, energy_of};
use super::run::FinishedRun;

/// Mean and sample standard deviation.
///
/// ```
/// use crossdub::html::MeanStd;
///
/// let accuracy = MeanStd::from_values(&[1.0, 3.0]).expect("two values");
/// assert_eq!((accuracy.mean, accuracy.deviation), (2.0, Some(2.0_f64.sqrt())));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MeanStd {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; `None` for a single value.
    pub deviation: Option<f64>,
    /// Number of values.
    pub count: usize,
}

impl MeanStd {
    /// From values; `None` if there are none.
    pub fn from_values(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        Some(Self { mean, deviation, count })
    }
}

/// Runs that differ only in their seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SeedGroup {
    /// The fields that differ between groups.
    pub fields: BTreeMap<String, String>,
    /// The name of the recipe.
    pub recipe: String,
    /// Indices of its runs.
    pub runs: Vec<usize>,
    /// The seeds of its runs.
    pub seeds: Vec<u64>,
    /// Final accuracy, in percent.
    pub accuracy: Option<MeanStd>,
    /// Improvement of ADC energy by each model; absent if a run has nothing left to convert.
    pub improvement: BTreeMap<String, MeanStd>,
}

impl SeedGroup {
    /// A short name: the recipe, and the fields that differ between groups.
    pub fn label(&self) -> String {
        let own = self.fields.iter().filter(|(name, _)| *name != "recipe");
        let fields = own.map(|(name, value)| format!(", {name} {value}"));
        self.recipe.clone() + &fields.collect::<String>()
    }
}

/// Groups runs that differ only in their seed, in the order of their first runs.
pub fn groups(runs: &[FinishedRun]) -> Vec<SeedGroup> {
    let mut fields: Vec<_> = runs.iter().map(without_seed).collect();
    align_fields(runs, &mut fields);
    let differing = differing(&fields);
    let mut groups: Vec<(BTreeMap<String, String>, Vec<usize>)> = Vec::new();
    for (at, own) in fields.into_iter().enumerate() {
        match groups.iter_mut().find(|(of, _)| *of == own) {
            Some((_, members)) => members.push(at),
            None => groups.push((own, vec![at])),
        }
    }
    groups.into_iter().map(|(fields, members)| group(runs, &fields, &differing, members)).collect()
}

/// Adds the fields of stages that some runs have to all runs. A run has such a field only if its value differs from
/// the run's common value.
fn align_fields(runs: &[FinishedRun], fields: &mut [BTreeMap<String, String>]) {
    let named: BTreeSet<String> =
        fields.iter().flat_map(BTreeMap::keys).filter(|n| n.contains('.')).cloned().collect();
    for (run, fields) in runs.iter().zip(fields) {
        for name in &named {
            if let Some(value) = run.stage_field(name) {
                fields.entry(name.clone()).or_insert(value);
            }
        }
    }
}

fn without_seed(run: &FinishedRun) -> BTreeMap<String, String> {
    let mut fields = run.all_fields();
    fields.retain(|name, _| name != "seed" && !name.ends_with(".seed") && name != "device");
    fields
}

/// Names of the fields that differ between runs of the same recipe, and `recipe` if there are several: other differences
/// between recipes are implied by their names.
fn differing(all: &[BTreeMap<String, String>]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut first: BTreeMap<Option<&String>, &BTreeMap<String, String>> = BTreeMap::new();
    for fields in all {
        let reference = *first.entry(fields.get("recipe")).or_insert(fields);
        let both = fields.keys().chain(reference.keys());
        names.extend(both.filter(|name| fields.get(*name) != reference.get(*name)).cloned());
    }
    if first.len() > 1 {
        names.insert("recipe".to_owned());
    }
    names
}

fn group(
    runs: &[FinishedRun],
    fields: &BTreeMap<String, String>,
    differing: &BTreeSet<String>,
    members: Vec<usize>,
) -> SeedGroup {
    let own = || members.iter().map(|&at| &runs[at]);
    let finals = || own().filter_map(FinishedRun::last);
    let accuracies: Vec<f64> = finals().filter_map(|stage| stage.accuracy).collect();
    let improvement = MODELS.iter().filter_map(|model| {
        let values: Option<Vec<f64>> = finals().map(|stage| energy_of(stage, model).improvement).collect();
        Some(((*model).to_owned(), MeanStd::from_values(&values?)?))
    });
    SeedGroup {
        fields: fields.clone().into_iter().filter(|(name, _)| differing.contains(name)).collect(),
        recipe: own().next().map(|run| run.name().to_owned()).unwrap_or_default(),
        seeds: own().map(FinishedRun::seed).collect(),
        accuracy: MeanStd::from_values(&accuracies),
        improvement: improvement.collect(),
        runs: members,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HardwareConfig, TrainConfig};
    use crate::report::analyze;
    use crate::workflow::stage::StageKind;
    use crate::workflow::stage_report::StageReport;

    #[test]
    fn columns_are_the_fields_that_differ_within_a_recipe() {
        let run = |fields: &[(&str, &str)]| -> BTreeMap<String, String> {
            fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let one = run(&[("recipe", "a"), ("rule", "exact"), ("a.lambda", "1")]);
        let two = run(&[("recipe", "a"), ("rule", "paper"), ("a.lambda", "1")]);
        let other = run(&[("recipe", "b"), ("rule", "exact"), ("b.epochs", "7")]);
        let names = |all: &[_]| differing(all).into_iter().collect::<Vec<_>>();
        assert_eq!(names(&[one.clone(), two.clone()]), ["rule"]);
        assert_eq!(names(&[one.clone(), other.clone()]), ["recipe"]);
        assert_eq!(names(&[one, two, other]), ["recipe", "rule"]);
    }

    #[test]
    fn a_stage_field_equal_to_the_common_value_is_listed_if_other_runs_differ() {
        let run = |lambda: f64| {
            let config = TrainConfig { lambda: 1.0, ..TrainConfig::default() };
            let analysis = analyze(&[], &HardwareConfig::default());
            let dub = TrainConfig { lambda, ..config.clone() };
            let stage = StageReport {
                name: Some("dub".to_owned()),
                ..StageReport::from_training(StageKind::Train, &dub, &analysis, None)
            };
            let json = serde_json::json!({
                "name": "a", "version": "0", "schema_version": 1, "spec": config, "stages": [stage],
                "hardware": HardwareConfig::default(), "analysis": analysis,
                "training": { "device": "cpu", "adapter": "", "accuracy": 9.0, "loss": 1.0 },
            });
            FinishedRun::read("place", &serde_json::to_vec(&json).expect("JSON")).expect("a report")
        };
        let labels: Vec<String> = groups(&[run(1.0), run(2.0)]).iter().map(SeedGroup::label).collect();
        assert_eq!(labels, ["a, dub.lambda 1", "a, dub.lambda 2"]);
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let mean_std = MeanStd::from_values(&[1.0, 2.0, 4.0]).expect("three values");
        assert!((mean_std.mean - 7.0 / 3.0).abs() < 1e-12);
        assert!((mean_std.deviation.expect("several") - (7.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(MeanStd::from_values(&[5.0]).and_then(|one| one.deviation), None);
        assert_eq!(MeanStd::from_values(&[]), None);
    }
}
