//! The improvement in ADC energy after each stage, and energies by all published converters.

use maud::{Markup, html};

use super::figure::{Figure, WIDTH};
use super::run::{FinishedRun, stage_name};
use super::scale::{Scale, at, number};
use crate::adc::AdcEnergy;
use crate::report::InferenceRow;
use crate::workflow::stage_report::StageReport;

const BAR: f64 = 15.0;
const LEFT: f64 = 104.0;

/// The models of the bar charts and tables; every report has their energies.
pub const MODELS: [&str; 2] = ["paper", "lossless"];

/// The energy of a stage by one of [`MODELS`].
pub fn energy_of<'a>(stage: &'a StageReport, model: &str) -> &'a AdcEnergy {
    if model == "lossless" { &stage.energy.lossless } else { &stage.energy.paper }
}

/// The improvement as text.
pub fn ratio(energy: Option<&AdcEnergy>) -> String {
    match energy {
        None => "-".to_owned(),
        Some(energy) => energy
            .improvement
            .map_or_else(|| "nothing left to convert".to_owned(), |ratio| format!("{ratio:.3}x")),
    }
}

/// The figure.
pub fn energies(run: &FinishedRun) -> Markup {
    let models = MODELS;
    let improvement = |stage, model| energy_of(stage, model).improvement;
    let ratios =
        run.stages.iter().flat_map(|stage| models.iter().filter_map(move |model| improvement(stage, model)));
    let most = ratios.fold(1.0, f64::max);
    let x = Scale::exact((0.0, most), (LEFT, WIDTH - 52.0));
    let group = BAR * models.len() as f64 + 12.0;
    let legend = 8.0 + group * run.stages.len() as f64;
    let height = legend + 8.0 + 16.0 * models.len() as f64;
    let drawing = html! {
        @for (row, stage) in run.stages.iter().enumerate() {
            @let top = 6.0 + group * row as f64;
            text.name x=(at(LEFT - 8.0)) y=(at(top + 0.5 * (group - 12.0) + 4.0)) text-anchor="end" { (stage_name(stage)) }
            @for (number, model) in models.iter().enumerate() {
                @let energy = energy_of(stage, model);
                @let improvement = energy.improvement.unwrap_or(0.0);
                @let y = top + BAR * number as f64;
                rect class=(format!("bar s{}", number % 6)) x=(at(LEFT)) y=(at(y + 1.0)) width=(at(x.place(improvement) - LEFT))
                    height=(at(BAR - 2.0)) {
                    title { (stage_name(stage)) ", " (model) ": " (ratio(Some(energy))) }
                }
                text.value x=(at(x.place(improvement) + 4.0)) y=(at(y + BAR - 4.0)) { (ratio(Some(energy))) }
            }
        }
        line.axis x1=(at(x.place(1.0))) x2=(at(x.place(1.0))) y1="2" y2=(at(legend - 6.0)) {}
        @for (number, model) in models.iter().enumerate() {
            @let y = legend + 16.0 * number as f64;
            rect class=(format!("bar s{}", number % 6)) x=(at(LEFT)) y=(at(y)) width="11" height="11" {}
            text.tick x=(at(LEFT + 17.0)) y=(at(y + 10.0)) { (model) ": bar " (number + 1) " of each stage" }
        }
    };
    Figure {
        title: "ADC energy saved after each stage",
        description: "Improvement of ADC energy over dense tiles after each stage, by each model",
        height,
        drawing,
        caption: html! {
            "Dense energy divided by the energy at each tile's level; the line is at 1. " em { "paper" }
            " saves one bit per level and counts every tile once; " em { "lossless" }
            " counts the bits that distinguish all sums of a column."
        },
        table: table(run),
    }
    .html()
}

/// The final weights by every published converter; empty if the report does not have them.
pub fn converters(run: &FinishedRun) -> Markup {
    let Some(inference) = &run.report.analysis.inference else { return html! {} };
    let rows = &inference.table;
    let head = ["converter", "resolution", "per", "per tile", "per inference", "dense", "pruned", "unit"];
    let size = |energy: Option<&AdcEnergy>, of: fn(&AdcEnergy) -> f64| {
        energy.map_or_else(|| "-".to_owned(), |e| number(of(e)))
    };
    let cells = |row: &InferenceRow| {
        let inference = row.per_inference.as_ref();
        vec![
            if row.extrapolated { format!("{} *", row.model) } else { row.model.clone() },
            row.resolution.to_string(),
            row.per.to_string(),
            ratio(row.per_tile.as_ref()),
            ratio(inference),
            size(inference, |energy| energy.dense),
            size(inference, |energy| energy.actual),
            row.unit.to_string(),
        ]
    };
    let lines: Vec<Vec<String>> = rows.iter().map(cells).collect();
    html! {
        details {
            summary { "The final weights by every published converter" }
            (super::figure::table(&head.map(str::to_owned), &lines))
            p.note {
                "Improvement with every tile counted once, as in the paper, and for all conversions of one image; "
                "dense and pruned are the energies of one image. "
                em { "per" } " is the unit that shares one resolution."
                @if rows.iter().any(|row| row.extrapolated) { " * extrapolated beyond the range of the model." }
            }
        }
    }
}

fn table(run: &FinishedRun) -> (Vec<String>, Vec<Vec<String>>) {
    let head = std::iter::once("stage".to_owned()).chain(MODELS.map(str::to_owned));
    let row = |stage: &StageReport| {
        let ratios = MODELS.iter().map(|model| ratio(Some(energy_of(stage, model))));
        std::iter::once(stage_name(stage).to_owned()).chain(ratios).collect()
    };
    (head.collect(), run.stages.iter().map(row).collect())
}
