//! The number of tiles at each level, before and after each pruning.

use maud::{Markup, html};

use super::figure::{Figure, MARGIN, horizontal_range, vertical_range};
use super::run::{FinishedRun, stage_name};
use super::scale::{Scale, at};
use crate::workflow::stage::StageKind;

const HEIGHT: f64 = 210.0;

/// The histograms before the first pruning and after each one; without pruning, the last one.
fn series(run: &FinishedRun) -> Vec<(String, &[u64])> {
    let prunes = || run.stages.iter().enumerate().filter(|(_, stage)| stage.kind == StageKind::Prune);
    let before = prunes().next().and_then(|(at, _)| run.stages.get(at.checked_sub(1)?));
    let mut series: Vec<(String, &[u64])> = Vec::new();
    if let Some(stage) = before {
        series.push((format!("after {}", stage_name(stage)), &stage.histogram));
    }
    series.extend(
        prunes().map(|(_, stage)| (format!("after {}", stage_name(stage)), stage.histogram.as_slice())),
    );
    if series.is_empty() {
        series.extend(
            run.last().map(|stage| (format!("after {}", stage_name(stage)), stage.histogram.as_slice())),
        );
    }
    series
}

/// The name of a level.
fn level(at: usize, levels: usize) -> String {
    if at + 1 == levels { "zero".to_owned() } else { at.to_string() }
}

/// The figure; empty if there are no tiles.
pub fn histograms(run: &FinishedRun) -> Markup {
    let series = series(run);
    let levels = series.iter().map(|(_, histogram)| histogram.len()).max().unwrap_or(0);
    if levels == 0 {
        return html! {};
    }
    let most = series.iter().flat_map(|(_, histogram)| histogram.iter()).copied().max().unwrap_or(1);
    let height = HEIGHT + 16.0 * series.len() as f64;
    let y =
        Scale::exact((0.0, most.max(1) as f64), (vertical_range(HEIGHT).0, vertical_range(HEIGHT).1 + 12.0));
    let (left, right) = horizontal_range();
    let slot = (right - left) / levels as f64;
    let bar = (0.8 * slot / series.len() as f64).min(46.0);
    let drawing = html! {
        line.axis x1=(at(left)) x2=(at(right)) y1=(at(y.place(0.0))) y2=(at(y.place(0.0))) {}
        @for column in 0..levels {
            @let middle = left + (column as f64 + 0.5) * slot;
            @for (number, (name, histogram)) in series.iter().enumerate() {
                @let count = histogram.get(column).copied().unwrap_or(0);
                @let x = middle + (number as f64 - 0.5 * series.len() as f64) * bar;
                @let top = y.place(count as f64);
                rect class=(format!("bar s{number}")) x=(at(x + 1.0)) y=(at(top)) width=(at(bar - 2.0))
                    height=(at(y.place(0.0) - top)) {
                    title { (name) ": " (count) " tiles at level " (level(column, levels)) }
                }
                @if count > 0 {
                    text.value x=(at(x + 0.5 * bar)) y=(at(top - 3.0)) text-anchor="middle" { (count) }
                }
            }
            text.tick x=(at(middle)) y=(at(y.place(0.0) + 15.0)) text-anchor="middle" { (level(column, levels)) }
        }
        text.name x=(at(0.5 * (left + right))) y=(at(y.place(0.0) + 31.0)) text-anchor="middle" { "level" }
        text.name x=(at(-0.5 * (y.place(0.0) + MARGIN.2))) y="11" text-anchor="middle" transform="rotate(-90)" { "tiles" }
        @for (number, (name, _)) in series.iter().enumerate() {
            @let top = HEIGHT + 2.0 + 16.0 * number as f64;
            rect class=(format!("bar s{number}")) x=(at(left)) y=(at(top)) width="11" height="11" {}
            text.tick x=(at(left + 17.0)) y=(at(top + 10.0)) { (name) ": bar " (number + 1) " of each level" }
        }
    };
    Figure {
        title: "Tiles by level",
        description: "Number of tiles at each level of sparsity, before and after pruning",
        height,
        drawing,
        caption: html! {
            "In a tile at level k, every column has at most a fraction 2" sup { "-k" } " of its rows active; "
            "each level saves one bit. Tiles at " em { "zero" } " have no active row and need no conversion."
        },
        table: table(&series, levels),
    }
    .html()
}

fn table(series: &[(String, &[u64])], levels: usize) -> (Vec<String>, Vec<Vec<String>>) {
    let head = std::iter::once("level".to_owned()).chain(series.iter().map(|(name, _)| name.clone()));
    let row = |column: usize| {
        let counts =
            series.iter().map(|(_, histogram)| histogram.get(column).copied().unwrap_or(0).to_string());
        std::iter::once(level(column, levels)).chain(counts).collect()
    };
    (head.collect(), (0..levels).map(row).collect())
}
