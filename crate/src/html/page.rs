//! Assembles the page.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::aggregate::{SeedGroup, groups};
use super::curves::curves;
use super::energies::{MODELS, converters, energies, energy_of, ratio};
use super::figure::table;
use super::histograms::histograms;
use super::maps::maps;
use super::pareto::{mean_std, pareto};
use super::run::{FinishedRun, stage_fields, stage_name};
use super::scale::number;
use crate::workflow::stage_report::StageReport;

/// The style sheet, which is part of the page.
const STYLE: &str = include_str!("style.css");
/// The largest number of runs that are shown expanded.
const MAX_EXPANDED: usize = 2;

/// Runs as one page.
///
/// ```
/// # #[cfg(feature = "cpu")] pollster::block_on(async {
/// # use crossdub::config::{ClassifierWidths, DeviceChoice, HardwareConfig, TrainConfig};
/// # use crossdub::device::ComputeDevice;
/// # use crossdub::train::trainer::Trainer;
/// use crossdub::html::page;
/// use crossdub::html::run::FinishedRun;
/// use crossdub::workflow::report::RunReport;
///
/// # let config = TrainConfig { plan: "4 M".parse()?, classifier: ClassifierWidths::default(), batch: 8, ..TrainConfig::default() };
/// # let data = crossdub::data::synthetic::generate(0, 8, 10);
/// # let device = ComputeDevice::open(&DeviceChoice::Cpu).await?;
/// # let trainer = Trainer::new(config, HardwareConfig::default(), data, device, 1 << 30, None)?;
/// let report = RunReport::from_trainer(&trainer, &trainer.matrices().await?);
/// let html = page("My run", &[FinishedRun::new("run-1", report)]);
/// assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<h1>My run</h1>"));
/// # Ok::<(), crossdub::Error>(())
/// # }).unwrap();
/// ```
pub fn page(title: &str, runs: &[FinishedRun]) -> String {
    let groups = groups(runs);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p { (summary(runs)) }
                }
                main {
                    section aria-labelledby="results" {
                        h2 id="results" { "Results" }
                        (results(&groups))
                    }
                    (tradeoffs(runs, &groups))
                    section aria-labelledby="runs" {
                        h2 id="runs" { "Runs" }
                        @for (at, run) in runs.iter().enumerate() { (run_section(at, run, runs.len() <= MAX_EXPANDED)) }
                    }
                }
                footer {
                    p {
                        "Made by Crossdub " (env!("CARGO_PKG_VERSION")) ". D.U.B. sparsity and the count of energy called "
                        em { "paper" } ": Ibrayev, Garg, Chakraborty and Roy, arXiv 2403.13082."
                    }
                }
            }
        }
    };
    markup.into_string()
}

/// A summary of all runs in a few sentences.
fn summary(runs: &[FinishedRun]) -> String {
    let list = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>().join("; ");
    let count = match runs.len() {
        1 => "One run".to_owned(),
        count => format!("{count} runs"),
    };
    format!(
        "{count} on {}. Network: {}. Crossbars of {} rows. Device: {}. Crossdub {}.",
        list(runs.iter().map(data).collect()),
        list(runs.iter().map(|run| run.network()).collect()),
        list(runs.iter().map(|run| run.tile().to_string()).collect()),
        list(runs.iter().map(|run| run.device()).collect()),
        list(runs.iter().map(|run| run.report.version.clone()).collect()),
    )
}

fn data(run: &FinishedRun) -> String {
    match &run.report.data {
        Some(data) => {
            let (name, train, test) = (run.data_name(), data.train_images, data.test_images);
            format!("{name} ({train} images, evaluated on {test} others)")
        }
        None => run.data_name(),
    }
}

/// One row per group of runs that differ only in their seed.
fn results(groups: &[SeedGroup]) -> Markup {
    let columns: BTreeSet<&String> = groups.iter().flat_map(|group| group.fields.keys()).collect();
    let columns: Vec<&String> = columns.into_iter().filter(|name| *name != "recipe").collect();
    let mut head = vec!["#".to_owned(), "recipe".to_owned()];
    head.extend(columns.iter().map(|name| (*name).clone()));
    head.extend(["seeds", "accuracy, %"].map(str::to_owned));
    head.extend(MODELS.iter().map(|model| format!("{model}, x")));
    let row = |(at, group): (usize, &SeedGroup)| {
        let mut cells = vec![(at + 1).to_string(), group.recipe.clone()];
        cells.extend(
            columns.iter().map(|name| group.fields.get(*name).cloned().unwrap_or_else(|| "-".to_owned())),
        );
        cells.push(group.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", "));
        cells.push(group.accuracy.as_ref().map_or_else(|| "-".to_owned(), mean_std));
        cells.extend(
            MODELS.iter().map(|model| group.improvement.get(*model).map_or_else(|| "-".to_owned(), mean_std)),
        );
        cells
    };
    let rows: Vec<Vec<String>> = groups.iter().enumerate().map(row).collect();
    let several = groups.iter().any(|group| group.runs.len() > 1);
    html! {
        (table(&head, &rows))
        p.note {
            "After the last stage, on held-out images. Improvement: dense ADC energy divided by the energy at each tile's level."
            @if several { " Runs that differ only in their seed share a row: mean \u{b1} sample standard deviation." }
        }
    }
}

/// Accuracy against energy, one section per data set.
fn tradeoffs(runs: &[FinishedRun], groups: &[SeedGroup]) -> Markup {
    let data_of = |group: &SeedGroup| group.runs.first().map(|&at| runs[at].data_name()).unwrap_or_default();
    let sets: BTreeSet<String> = groups.iter().map(data_of).collect();
    html! {
        section aria-labelledby="tradeoff" {
            h2 id="tradeoff" { "Accuracy against energy" }
            @for data in &sets {
                @let numbered: Vec<(usize, &SeedGroup)> =
                    groups.iter().enumerate().filter(|(_, group)| data_of(group) == *data).map(|(at, group)| (at + 1, group)).collect();
                h3 { (data) }
                div.figures {
                    @for model in MODELS { (pareto(data, model, &numbered)) }
                }
            }
        }
    }
}

/// Everything about one run.
fn run_section(at: usize, run: &FinishedRun, open: bool) -> Markup {
    html! {
        details.run open[open] {
            summary { h3 id=(format!("run-{}", at + 1)) { (run.folder) } }
            @if let Some(text) = run.report.description.as_deref().filter(|text| !text.is_empty()) {
                p { (text.trim_end_matches('.')) "." }
            }
            (stages(run))
            div.figures {
                (curves(run))
                (energies(run))
                (histograms(run))
                (maps(run))
            }
            (converters(run))
            (provenance(run))
        }
    }
}

fn stages(run: &FinishedRun) -> Markup {
    let head = ["stage", "kind", "epochs", "accuracy, %", "loss", "zeros, %"].map(str::to_owned).into_iter();
    let head: Vec<String> = head.chain(MODELS.map(str::to_owned)).chain(["time, s".to_owned()]).collect();
    let row = |stage: &StageReport| {
        let plain = |value: Option<f64>, places: usize| {
            value.map_or_else(|| "-".to_owned(), |v| format!("{v:.places$}"))
        };
        let mut cells = vec![stage_name(stage).to_owned(), stage.kind.to_string()];
        cells.push(if stage.epochs.is_empty() { "-".to_owned() } else { stage.epochs.len().to_string() });
        cells.push(plain(stage.accuracy, 2));
        cells.push(plain(stage.loss, 4));
        cells.push(format!("{:.2}", 100.0 * stage.zeros as f64 / stage.weights.max(1) as f64));
        cells.extend(MODELS.iter().map(|model| ratio(Some(energy_of(stage, model)))));
        cells.push(stage.seconds.map_or_else(|| "-".to_owned(), |seconds| number(seconds.round())));
        cells
    };
    let rows: Vec<Vec<String>> = run.stages.iter().map(row).collect();
    table(&head, &rows)
}

/// Everything needed to reproduce the numbers.
fn provenance(run: &FinishedRun) -> Markup {
    let fields = run.fields();
    let shared = fields.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
    let own = run.stages.iter().flat_map(|stage| {
        let own = stage_fields(stage).into_iter();
        let differs = own.filter(|(name, value)| fields.get(name) != Some(value));
        differs.map(|(name, value)| vec![format!("{}.{name}", stage_name(stage)), value]).collect::<Vec<_>>()
    });
    let rows: Vec<Vec<String>> = shared.chain(own).collect();
    html! {
        dl {
            dt { "recipe" } dd { (run.name()) }
            dt { "seed" } dd { (run.seed()) }
            dt { "data" } dd {
                (data(run))
                @if let Some(data) = run.report.data.as_ref().filter(|data| !data.sha256.is_empty()) {
                    br; span.hash { "SHA-256 " (data.sha256) }
                }
            }
            dt { "network" } dd { (run.network()) }
            dt { "device" } dd { (run.device()) }
            dt { "version" } dd { "Crossdub " (run.report.version) }
        }
        details {
            summary { "All fields" }
            (table(&["field", "value"].map(str::to_owned), &rows))
        }
    }
}
