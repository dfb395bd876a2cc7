//! Crossbar maps: the final level of each tile of each layer.

use maud::{Markup, html};

use super::figure::{Figure, WIDTH};
use super::run::FinishedRun;
use super::scale::at;
use crate::report::LayerMap;

/// The largest size of a cell.
const CELL: f64 = 22.0;
/// The smallest cell with room for a digit.
const DIGIT: f64 = 12.0;
/// Space between layers.
const GAP: f64 = 26.0;

/// Colors of levels from dense to sparse (cividis): lightness increases steadily, so that the order is visible with color
/// blindness.
const STOPS: [(u8, u8, u8); 5] =
    [(0, 34, 78), (62, 76, 107), (123, 123, 120), (186, 174, 107), (254, 232, 56)];

/// The color of a level, and whether its digit is dark.
fn color(level: usize, last: usize) -> (String, bool) {
    let place = (STOPS.len() - 1) as f64 * level.min(last) as f64 / last.max(1) as f64;
    let (low, share) = (place.floor().min((STOPS.len() - 2) as f64) as usize, place);
    let share = share - low as f64;
    let mix = |a: u8, b: u8| f64::from(a) + share * (f64::from(b) - f64::from(a));
    let (from, to) = (STOPS[low], STOPS[low + 1]);
    let rgb = [mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2)];
    let [red, green, blue] = rgb.map(|value| value.round() as u8);
    (format!("#{red:02x}{green:02x}{blue:02x}"), place > 2.2)
}

/// The figure; empty if the report has no maps.
pub fn maps(run: &FinishedRun) -> Markup {
    let Some(levels) = run.last().map(|stage| stage.histogram.len()).filter(|_| !run.maps().is_empty())
    else {
        return html! {};
    };
    let last = levels.saturating_sub(1);
    let mut top = 0.0;
    let mut places = Vec::new();
    for map in run.maps() {
        let cell = (WIDTH / map.across.max(1) as f64).min(CELL);
        places.push((map, top + 16.0, cell));
        top += GAP + cell * map.down as f64;
    }
    let drawing = html! {
        @for (map, top, cell) in &places {
            text.name x="0" y=(at(top - 4.0)) { (map.name) " (" (map.across) " x " (map.down) " tiles)" }
            (layer(map, *top, *cell, last))
        }
        (legend(top + 6.0, last))
    };
    Figure {
        title: "Crossbars by level",
        description: "Every tile of every layer, coloured by its level after the last stage",
        height: top + 40.0,
        drawing,
        caption: html! {
            "Each cell is a crossbar with " (run.tile()) " rows; inputs run from left to right, outputs from top to bottom. "
            "Lighter cells are sparser; underlined cells have no active row."
        },
        table: table(run, levels),
    }
    .html()
}

/// The tiles of a layer. Adjacent tiles of the same level share a rectangle, because networks have thousands of tiles.
fn layer(map: &LayerMap, top: f64, cell: f64, last: usize) -> Markup {
    let rows = map.level.chunks(map.across.max(1)).enumerate();
    html! {
        @for (row, levels) in rows {
            @let y = top + row as f64 * cell;
            @for (start, length, level) in runs_of(levels) {
                @let x = start as f64 * cell;
                @let (fill, dark) = color(level, last);
                @let end = x + length as f64 * cell;
                rect x=(at(x)) y=(at(y)) width=(at(end - x)) height=(at(cell)) fill=(fill) {
                    title { (map.name) ", row " (row) ", tiles " (start) " to " (start + length - 1) ": level " (level) }
                }
                @if level == last {
                    line.struck x1=(at(x)) x2=(at(end)) y1=(at(y + 0.8 * cell)) y2=(at(y + 0.8 * cell)) {}
                } @else if cell >= DIGIT {
                    @for tile in start..start + length {
                        text class=(if dark { "digit on-light" } else { "digit" }) x=(at((tile as f64 + 0.5) * cell)) y=(at(y + 0.5 * cell + 4.0)) text-anchor="middle" { (level) }
                    }
                }
            }
        }
        @if cell >= 4.0 { (lattice(map, top, cell)) }
    }
}

/// The lines between cells.
fn lattice(map: &LayerMap, top: f64, cell: f64) -> Markup {
    let (width, height) = (map.across as f64 * cell, map.down as f64 * cell);
    let vertical = (1..map.across).map(|x| format!("M{} {}v{}", at(x as f64 * cell), at(top), at(height)));
    let horizontal = (1..map.down).map(|y| format!("M0 {}h{}", at(top + y as f64 * cell), at(width)));
    let path: String = vertical.chain(horizontal).collect();
    html! { @if !path.is_empty() { path.lattice d=(path) {} } }
}

/// Start, length and level of each run of equal levels.
fn runs_of(levels: &[usize]) -> Vec<(usize, usize, usize)> {
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for (at, &level) in levels.iter().enumerate() {
        match runs.last_mut() {
            Some((_, length, same)) if *same == level => *length += 1,
            _ => runs.push((at, 1, level)),
        }
    }
    runs
}

fn legend(top: f64, last: usize) -> Markup {
    let step = (WIDTH / (last + 1) as f64).min(52.0);
    html! {
        @for level in 0..=last {
            @let (fill, dark) = color(level, last);
            @let x = level as f64 * step;
            rect x=(at(x)) y=(at(top)) width=(at(step - 2.0)) height="18" fill=(fill) {}
            @if level == last {
                line.struck x1=(at(x)) x2=(at(x + step - 2.0)) y1=(at(top + 15.5)) y2=(at(top + 15.5)) {}
            }
            text class=(if dark { "digit on-light" } else { "digit" }) x=(at(x + 0.5 * step - 1.0)) y=(at(top + 13.0)) text-anchor="middle" { @if level == last { "zero" } @else { (level) } }
        }
    }
}

fn table(run: &FinishedRun, levels: usize) -> (Vec<String>, Vec<Vec<String>>) {
    let name = |level| if level + 1 == levels { "zero".to_owned() } else { format!("level {level}") };
    let head = std::iter::once("layer".to_owned()).chain((0..levels).map(name));
    let row = |map: &LayerMap| {
        let count = |level| map.level.iter().filter(|&&at| at == level).count().to_string();
        std::iter::once(map.name.clone()).chain((0..levels).map(count)).collect()
    };
    (head.collect(), run.maps().iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_tiles_of_equal_level_are_merged() {
        assert_eq!(runs_of(&[2, 2, 0, 1, 1, 1]), [(0, 2, 2), (2, 1, 0), (3, 3, 1)]);
        assert!(runs_of(&[]).is_empty());
    }

    #[test]
    fn the_first_and_last_level_have_the_end_colors() {
        assert_eq!((color(0, 6).0, color(6, 6).0), ("#00224e".to_owned(), "#fee838".to_owned()));
    }
}
