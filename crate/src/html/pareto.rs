//! Plots accuracy against the improvement in ADC energy, with the published runs on the same data set.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::aggregate::{MeanStd, SeedGroup};
use super::figure::{Figure, MARGIN, WIDTH, axes, horizontal_range, line, marker, vertical_range};
use super::published::{PublishedPoint, published_dataset, published_points};
use super::scale::{Scale, at, number};
use crate::report::RunKind;

const HEIGHT: f64 = 330.0;

/// The data of a plot: one data set, one model.
struct Plot<'a> {
    data: &'a str,
    model: &'a str,
    /// Groups with their number in the table of results, accuracy and improvement.
    runs: Vec<(usize, &'a SeedGroup, MeanStd, MeanStd)>,
    published: Vec<PublishedPoint>,
    recipes: Vec<String>,
}

/// The figure for the groups on one data set; empty if no group has both accuracy and improvement.
pub fn pareto(data: &str, model: &str, numbered: &[(usize, &SeedGroup)]) -> Markup {
    let place = |&(number, group): &(usize, &'_ SeedGroup)| {
        Some((number, group.accuracy?, *group.improvement.get(model)?))
    };
    let runs: Vec<_> = numbered
        .iter()
        .filter_map(|pair| place(pair).map(|(number, accuracy, saved)| (number, pair.1, accuracy, saved)))
        .collect();
    if runs.is_empty() {
        return html! {};
    }
    let recipes: BTreeSet<String> = runs.iter().map(|(_, group, ..)| group.recipe.clone()).collect();
    let published =
        published_dataset(data).map_or_else(Vec::new, |(dataset, _)| published_points(dataset, model));
    Plot { data, model, runs, published, recipes: recipes.into_iter().collect() }.figure()
}

impl Plot<'_> {
    fn figure(&self) -> Markup {
        let (x, y) = self.scales();
        let title = format!("Accuracy against energy saved, {}", self.model);
        let legend = self.legend();
        let height = HEIGHT + 18.0 * legend.len() as f64;
        let drawing = html! {
            (axes(HEIGHT, (&x, &format!("improvement in ADC energy ({}), logarithmic", self.model)), (&y, "accuracy, %")))
            @for run in &self.published { (Self::published_mark(run, &x, &y)) }
            (self.front(&x, &y))
            @for (number, group, accuracy, saved) in &self.runs { (self.run_mark(*number, group, (*accuracy, *saved), &x, &y)) }
            @for (row, (shape, class, words)) in legend.iter().enumerate() {
                @let top = HEIGHT + 6.0 + 18.0 * row as f64;
                (marker(*shape, (MARGIN.0 + 6.0, top), 5.0, class))
                text.tick x=(at(MARGIN.0 + 20.0)) y=(at(top + 4.0)) { (words) }
            }
        };
        Figure {
            title: &title,
            description: "Accuracy of each run against its improvement in ADC energy; the upper right is better",
            height,
            drawing,
            caption: self.caption(),
            table: self.table(),
        }
        .html()
    }

    /// Axes that span our runs, and the published ones that did not diverge.
    fn scales(&self) -> (Scale, Scale) {
        let converged = || self.published.iter().filter(|run| run.kind != RunKind::Diverged);
        // A deviation may be larger than its mean, and a logarithmic axis ends above 0.
        let saved = self.runs.iter().flat_map(|(.., saved)| ends(*saved)).filter(|end| *end > 0.0);
        let accuracies = self.runs.iter().flat_map(|(_, _, accuracy, _)| ends(*accuracy));
        let x = saved.chain(converged().filter_map(|run| run.improvement)).chain([1.0]);
        let y = accuracies.chain(converged().map(|run| run.accuracy));
        (Scale::logarithmic(x, horizontal_range()), Scale::linear(y, vertical_range(HEIGHT)))
    }

    fn published_mark(run: &PublishedPoint, x: &Scale, y: &Scale) -> Markup {
        let Some(saved) = run.improvement else { return html! {} };
        let place = (x.place(saved), y.place(run.accuracy));
        html! {
            g {
                title {
                    "published: " (run.method) ", tile " (run.tile) ", " (run.outcome()) ": "
                    (number(run.accuracy)) " % at " (number(saved)) "x"
                }
                @match run.kind {
                    RunKind::Diverged => (cross(place)),
                    RunKind::Structured => (marker(2, place, 4.0, "published")),
                    RunKind::Full => (marker(0, place, 3.2, "published")),
                }
            }
        }
    }

    fn run_mark(
        &self,
        number_of: usize,
        group: &SeedGroup,
        (accuracy, saved): (MeanStd, MeanStd),
        x: &Scale,
        y: &Scale,
    ) -> Markup {
        let place = (x.place(saved.mean), y.place(accuracy.mean));
        let series = self.recipes.iter().position(|recipe| *recipe == group.recipe).unwrap_or(0);
        html! {
            g {
                title { (number_of) ": " (group.label()) ": " (mean_std(&accuracy)) " % at " (mean_std(&saved)) "x" }
                @if let Some(deviation) = accuracy.deviation {
                    line.error x1=(at(place.0)) x2=(at(place.0)) y1=(at(y.place(accuracy.mean - deviation)))
                        y2=(at(y.place(accuracy.mean + deviation))) {}
                }
                @if let Some(deviation) = saved.deviation {
                    line.error y1=(at(place.1)) y2=(at(place.1)) x1=(at(x.place(saved.mean - deviation)))
                        x2=(at(x.place(saved.mean + deviation))) {}
                }
                (marker(series, place, 5.0, &format!("mark s{}", series % 6)))
                text.value x=(at((place.0 + 7.0).min(WIDTH - 14.0))) y=(at(place.1 - 6.0)) { (number_of) }
            }
        }
    }

    /// A line through the Pareto front of our runs.
    fn front(&self, x: &Scale, y: &Scale) -> Markup {
        let mut points: Vec<(f64, f64)> = self.runs.iter().map(|(_, _, a, s)| (s.mean, a.mean)).collect();
        points.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
        let mut best = f64::NEG_INFINITY;
        points.retain(|&(_, accuracy)| {
            let better = accuracy > best;
            best = best.max(accuracy);
            better
        });
        line("front", points.into_iter().map(|(saved, accuracy)| (x.place(saved), y.place(accuracy))))
    }

    fn legend(&self) -> Vec<(usize, String, String)> {
        let runs = self.recipes.iter().enumerate();
        let mut rows: Vec<_> = runs
            .map(|(at, recipe)| {
                (at, format!("mark s{}", at % 6), format!("{recipe} (numbers as in the table of runs)"))
            })
            .collect();
        if !self.published.is_empty() {
            rows.push((0, "published".to_owned(), "published, complete".to_owned()));
            rows.push((2, "published".to_owned(), "published, structured part of S-DUB only".to_owned()));
        }
        rows
    }

    fn caption(&self) -> Markup {
        let diverged = self.published.iter().filter(|run| run.kind == RunKind::Diverged).count();
        html! {
            "The upper right is better; the dashed line is the Pareto front of our runs. "
            @if let Some((dataset, network)) = published_dataset(self.data) {
                "Gray: the " (self.published.len()) " runs that arXiv 2403.13082 published for " (network) " on "
                (dataset) " at tiles of 32 to 256"
                @if diverged > 0 { ", of which " (diverged) " diverged to chance (crosses on the edge)" }
                ". A smaller network, or fewer images, will not reach them."
            } @else {
                "No runs were published on this data set."
            }
        }
    }

    fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let head = ["run", "accuracy, %", "improvement", "remark"].map(str::to_owned).to_vec();
        let runs = self.runs.iter().map(|(number, group, accuracy, saved)| {
            vec![
                format!("{number}: {}", group.label()),
                mean_std(accuracy),
                format!("{}x", mean_std(saved)),
                "this report".to_owned(),
            ]
        });
        let published = self.published.iter().map(|run| {
            let saved = run.improvement.map_or_else(|| "-".to_owned(), |saved| format!("{}x", number(saved)));
            vec![
                format!("{}, tile {}", run.method, run.tile),
                number(run.accuracy),
                saved,
                format!("published, {}", run.outcome()),
            ]
        });
        (head, runs.chain(published).collect())
    }
}

/// Mean and deviation as text.
pub fn mean_std(mean_std: &MeanStd) -> String {
    match mean_std.deviation {
        Some(deviation) => format!("{:.2} \u{b1} {deviation:.2}", mean_std.mean),
        None => format!("{:.2}", mean_std.mean),
    }
}

fn ends(mean_std: MeanStd) -> [f64; 2] {
    let deviation = mean_std.deviation.unwrap_or(0.0);
    [mean_std.mean - deviation, mean_std.mean + deviation]
}

fn cross((x, y): (f64, f64)) -> Markup {
    let d = format!("M{} {}l8 8m0-8l-8 8", at(x - 4.0), at(y - 4.0));
    html! { path.published d=(d) {} }
}
