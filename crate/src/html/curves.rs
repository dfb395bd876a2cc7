//! Training curves: accuracy and loss over the epochs of all stages.

use maud::{Markup, html};

use super::figure::{Figure, axes, horizontal_range, line, vertical_range};
use super::run::{FinishedRun, stage_name};
use super::scale::{Scale, at, number};
use crate::workflow::stage_report::{Epoch, StageReport};

const HEIGHT: f64 = 230.0;

/// A training stage, and the number of epochs before it.
struct StageCurve<'a> {
    stage: &'a StageReport,
    before: usize,
}

impl StageCurve<'_> {
    fn points<'b>(
        &'b self,
        x: &'b Scale,
        y: &'b Scale,
        value: fn(&Epoch) -> f64,
    ) -> impl Iterator<Item = (f64, f64)> {
        let epochs = self.stage.epochs.iter();
        epochs.map(move |epoch| (x.place((self.before + epoch.epoch) as f64), y.place(value(epoch))))
    }
}

fn parts(run: &FinishedRun) -> Vec<StageCurve<'_>> {
    let mut before = 0;
    let mut parts = Vec::new();
    for stage in run.stages.iter().filter(|stage| !stage.epochs.is_empty()) {
        parts.push(StageCurve { stage, before });
        before += stage.epochs.len();
    }
    parts
}

/// Accuracy and loss of a run; empty if it has no epochs.
pub fn curves(run: &FinishedRun) -> Markup {
    let parts = parts(run);
    if parts.is_empty() {
        return html! {};
    }
    html! { (accuracy(&parts)) (loss(&parts)) }
}

fn epochs_axis(parts: &[StageCurve<'_>]) -> Scale {
    let total = parts.last().map_or(1, |part| part.before + part.stage.epochs.len());
    Scale::exact((0.0, total as f64), horizontal_range())
}

fn values<'a>(parts: &'a [StageCurve<'_>], value: fn(&Epoch) -> f64) -> impl Iterator<Item = f64> + 'a {
    parts.iter().flat_map(move |part| part.stage.epochs.iter().map(value))
}

/// The names of the stages, and lines between them.
fn stage_bands(parts: &[StageCurve<'_>], x: &Scale) -> Markup {
    let (bottom, top) = vertical_range(HEIGHT);
    html! {
        @for (number, part) in parts.iter().enumerate() {
            @let start = x.place(part.before as f64);
            @if number > 0 {
                line.divide x1=(at(start)) x2=(at(start)) y1=(at(top)) y2=(at(bottom)) {}
            }
            // On alternating lines, so that adjacent names do not overlap.
            text.band x=(at(start + 3.0)) y=(at(top - 3.0 - 11.0 * (number % 2) as f64)) { (stage_name(part.stage)) }
        }
    }
}

fn accuracy(parts: &[StageCurve<'_>]) -> Markup {
    let x = epochs_axis(parts);
    let y = Scale::linear(values(parts, |epoch| epoch.accuracy), vertical_range(HEIGHT));
    let drawing = html! {
        (axes(HEIGHT, (&x, "epoch"), (&y, "accuracy, %")))
        (stage_bands(parts, &x))
        @for part in parts {
            (line("line s0", part.points(&x, &y, |epoch| epoch.accuracy)))
            @for (epoch, (px, py)) in part.stage.epochs.iter().zip(part.points(&x, &y, |epoch| epoch.accuracy)) {
                circle.dot.s0 cx=(at(px)) cy=(at(py)) r=(dot_size(parts)) {
                    title { (stage_name(part.stage)) ", epoch " (epoch.epoch) ": " (number(epoch.accuracy)) " %" }
                }
            }
        }
    };
    Figure {
        title: "Accuracy on held-out images",
        description: "Accuracy on held-out images after each epoch, stage after stage",
        height: HEIGHT,
        drawing,
        caption: html! { "After each epoch. Dashed lines separate the training stages; pruning happens between them." },
        table: table(parts),
    }
    .html()
}

fn loss(parts: &[StageCurve<'_>]) -> Markup {
    let x = epochs_axis(parts);
    let both = values(parts, |epoch| epoch.loss).chain(values(parts, |epoch| epoch.training_loss));
    let y = Scale::linear(both, vertical_range(HEIGHT));
    let left = horizontal_range().0;
    let drawing = html! {
        (axes(HEIGHT, (&x, "epoch"), (&y, "cross-entropy")))
        (stage_bands(parts, &x))
        @for part in parts {
            (line("line s0", part.points(&x, &y, |epoch| epoch.loss)))
            (line("line s1 dashed", part.points(&x, &y, |epoch| epoch.training_loss)))
        }
        (line("line s0", [(left, HEIGHT + 4.0), (left + 24.0, HEIGHT + 4.0)]))
        text.tick x=(at(left + 30.0)) y=(at(HEIGHT + 8.0)) { "held-out images" }
        (line("line s1 dashed", [(left + 150.0, HEIGHT + 4.0), (left + 174.0, HEIGHT + 4.0)]))
        text.tick x=(at(left + 180.0)) y=(at(HEIGHT + 8.0)) { "training batches" }
    };
    Figure {
        title: "Loss",
        description: "Cross-entropy on held-out images and on training batches after each epoch",
        height: HEIGHT + 14.0,
        drawing,
        caption: html! {
            "Training batches are augmented and use dropout, so their loss is usually higher. "
            "Neither includes the regularizer."
        },
        table: table(parts),
    }
    .html()
}

fn dot_size(parts: &[StageCurve<'_>]) -> &'static str {
    let epochs: usize = parts.iter().map(|part| part.stage.epochs.len()).sum();
    if epochs > 60 { "1.5" } else { "3" }
}

fn table(parts: &[StageCurve<'_>]) -> (Vec<String>, Vec<Vec<String>>) {
    let head = ["stage", "epoch", "accuracy, %", "loss", "training loss", "regularizer"];
    let row = |stage: &StageReport, epoch: &Epoch| {
        vec![
            stage_name(stage).to_owned(),
            epoch.epoch.to_string(),
            number(epoch.accuracy),
            number(epoch.loss),
            number(epoch.training_loss),
            number(epoch.regularizer),
        ]
    };
    let rows = parts.iter().flat_map(|part| part.stage.epochs.iter().map(|epoch| row(part.stage, epoch)));
    (head.map(str::to_owned).to_vec(), rows.collect())
}
