//! Accuracy against improvement: our runs before the published ones of the same data set.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::aggregate::{Group, Spread};
use super::figure::{Figure, MARGIN, WIDTH, across, axes, line, marker, upward};
use super::published::{Published, Standing, counterpart, published};
use super::scale::{Scale, at, number};

const HEIGHT: f64 = 330.0;

/// What is drawn: one data set, one model.
struct Plot<'a> {
    data: &'a str,
    model: &'a str,
    /// Groups with their number in the table of runs.
    ours: Vec<(usize, &'a Group, Spread, Spread)>,
    theirs: Vec<Published>,
    recipes: Vec<String>,
}

/// The figure for the groups on one data set; nothing where there is nothing to draw.
pub fn pareto(data: &str, model: &str, numbered: &[(usize, &Group)]) -> Markup {
    let place = |&(number, group): &(usize, &'_ Group)| {
        Some((number, group.accuracy?, *group.improvement.get(model)?))
    };
    let ours: Vec<_> = numbered
        .iter()
        .filter_map(|pair| place(pair).map(|(number, accuracy, saved)| (number, pair.1, accuracy, saved)))
        .collect();
    if ours.is_empty() {
        return html! {};
    }
    let recipes: BTreeSet<String> = ours.iter().map(|(_, group, ..)| group.recipe.clone()).collect();
    let theirs = counterpart(data).map_or_else(Vec::new, |(dataset, _)| published(dataset));
    Plot { data, model, ours, theirs, recipes: recipes.into_iter().collect() }.figure()
}

impl Plot<'_> {
    fn figure(&self) -> Markup {
        let (x, y) = self.scales();
        let title = format!("Accuracy against energy saved, {}", self.model);
        let legend = self.legend();
        let height = HEIGHT + 18.0 * legend.len() as f64;
        let drawing = html! {
            (axes(HEIGHT, (&x, &format!("improvement of ADC energy ({}), logarithmic", self.model)), (&y, "accuracy, %")))
            @for run in &self.theirs { (self.their_mark(run, &x, &y)) }
            (self.front(&x, &y))
            @for (number, group, accuracy, saved) in &self.ours { (self.our_mark(*number, group, (*accuracy, *saved), &x, &y)) }
            @for (row, (shape, class, words)) in legend.iter().enumerate() {
                @let top = HEIGHT + 6.0 + 18.0 * row as f64;
                (marker(*shape, (MARGIN.0 + 6.0, top), 5.0, class))
                text.tick x=(at(MARGIN.0 + 20.0)) y=(at(top + 4.0)) { (words) }
            }
        };
        Figure {
            title: &title,
            description: "Accuracy of each run against its improvement of ADC energy; to the upper right is better",
            height,
            drawing,
            caption: self.caption(),
            table: self.table(),
        }
        .html()
    }

    /// Axes around our runs and those of theirs that did not diverge.
    fn scales(&self) -> (Scale, Scale) {
        let sound = || self.theirs.iter().filter(|run| run.standing != Standing::Diverged);
        let saved = self.ours.iter().flat_map(|(.., saved)| ends(*saved));
        let accuracies = self.ours.iter().flat_map(|(_, _, accuracy, _)| ends(*accuracy));
        let x = saved.chain(sound().filter_map(|run| run.improvement(self.model))).chain([1.0]);
        let y = accuracies.chain(sound().map(|run| run.accuracy));
        (Scale::logarithmic(x, across()), Scale::linear(y, upward(HEIGHT)))
    }

    fn their_mark(&self, run: &Published, x: &Scale, y: &Scale) -> Markup {
        let Some(saved) = run.improvement(self.model) else { return html! {} };
        let place = (x.place(saved), y.place(run.accuracy));
        html! {
            g {
                title {
                    "published: " (run.method) ", tile " (run.tile) ", " (run.standing.words()) ": "
                    (number(run.accuracy)) " % at " (number(saved)) "x"
                }
                @match run.standing {
                    Standing::Diverged => (cross(place)),
                    Standing::StructuredOnly => (marker(2, place, 4.0, "theirs")),
                    Standing::Whole => (marker(0, place, 3.2, "theirs")),
                }
            }
        }
    }

    fn our_mark(
        &self,
        number_of: usize,
        group: &Group,
        (accuracy, saved): (Spread, Spread),
        x: &Scale,
        y: &Scale,
    ) -> Markup {
        let place = (x.place(saved.mean), y.place(accuracy.mean));
        let series = self.recipes.iter().position(|recipe| *recipe == group.recipe).unwrap_or(0);
        html! {
            g {
                title { (number_of) ": " (group.label()) ": " (spread(&accuracy)) " % at " (spread(&saved)) "x" }
                @if let Some(deviation) = accuracy.deviation {
                    line.error x1=(at(place.0)) x2=(at(place.0)) y1=(at(y.place(accuracy.mean - deviation)))
                        y2=(at(y.place(accuracy.mean + deviation))) {}
                }
                @if let Some(deviation) = saved.deviation {
                    line.error y1=(at(place.1)) y2=(at(place.1)) x1=(at(x.place(saved.mean - deviation)))
                        x2=(at(x.place(saved.mean + deviation))) {}
                }
                (marker(series, place, 5.0, &format!("ours s{}", series % 6)))
                text.value x=(at((place.0 + 7.0).min(WIDTH - 14.0))) y=(at(place.1 - 6.0)) { (number_of) }
            }
        }
    }

    /// A line through those of our runs that no other beats in both.
    fn front(&self, x: &Scale, y: &Scale) -> Markup {
        let mut points: Vec<(f64, f64)> = self.ours.iter().map(|(_, _, a, s)| (s.mean, a.mean)).collect();
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
        let ours = self.recipes.iter().enumerate();
        let mut rows: Vec<_> = ours
            .map(|(at, recipe)| {
                (at, format!("ours s{}", at % 6), format!("{recipe} (numbers: the table of runs)"))
            })
            .collect();
        if !self.theirs.is_empty() {
            rows.push((0, "theirs".to_owned(), "published, complete".to_owned()));
            rows.push((2, "theirs".to_owned(), "published, structured part of S-DUB only".to_owned()));
        }
        rows
    }

    fn caption(&self) -> Markup {
        let diverged = self.theirs.iter().filter(|run| run.standing == Standing::Diverged).count();
        html! {
            "To the upper right is better; the dashed line joins our runs that none beats in both. "
            @if let Some((dataset, network)) = counterpart(self.data) {
                "Behind: the " (self.theirs.len()) " runs that arXiv 2403.13082 published for " (network) " on "
                (dataset) " at tiles of 32 to 256"
                @if diverged > 0 { ", of which " (diverged) " diverged to chance (crosses on the edge)" }
                ". A smaller network, or fewer images, can't be expected to reach them."
            } @else {
                "There are no published runs on this data set."
            }
        }
    }

    fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let head = ["run", "accuracy, %", "improvement", "remark"].map(str::to_owned).to_vec();
        let ours = self.ours.iter().map(|(number, group, accuracy, saved)| {
            vec![
                format!("{number}: {}", group.label()),
                spread(accuracy),
                format!("{}x", spread(saved)),
                "ours".to_owned(),
            ]
        });
        let theirs = self.theirs.iter().map(|run| {
            let saved = run
                .improvement(self.model)
                .map_or_else(|| "-".to_owned(), |saved| format!("{}x", number(saved)));
            vec![
                format!("{}, tile {}", run.method, run.tile),
                number(run.accuracy),
                saved,
                format!("published, {}", run.standing.words()),
            ]
        });
        (head, ours.chain(theirs).collect())
    }
}

/// Mean and deviation in words.
pub fn spread(spread: &Spread) -> String {
    match spread.deviation {
        Some(deviation) => format!("{:.2} \u{b1} {deviation:.2}", spread.mean),
        None => format!("{:.2}", spread.mean),
    }
}

fn ends(spread: Spread) -> [f64; 2] {
    let deviation = spread.deviation.unwrap_or(0.0);
    [spread.mean - deviation, spread.mean + deviation]
}

fn cross((x, y): (f64, f64)) -> Markup {
    let d = format!("M{} {}l8 8m0-8l-8 8", at(x - 4.0), at(y - 4.0));
    html! { path.theirs d=(d) {} }
}
