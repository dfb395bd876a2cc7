//! What all figures have in common: title, drawing, caption and table; axes; lines and markers.

use maud::{Markup, html};

use super::scale::{Scale, at, number};

/// Width of a drawing, in units of the SVG.
pub const WIDTH: f64 = 420.0;
/// Margins around the axes: left, right, top, bottom.
pub const MARGIN: (f64, f64, f64, f64) = (48.0, 12.0, 22.0, 40.0);

/// A figure, with its data as a table.
pub struct Figure<'a> {
    /// Its title.
    pub title: &'a str,
    /// A description for screen readers.
    pub description: &'a str,
    /// Height of the drawing.
    pub height: f64,
    /// The drawing.
    pub drawing: Markup,
    /// The caption.
    pub caption: Markup,
    /// The data: header and rows.
    pub table: (Vec<String>, Vec<Vec<String>>),
}

impl Figure<'_> {
    /// The figure as HTML.
    pub fn html(&self) -> Markup {
        html! {
            figure {
                h4 { (self.title) }
                svg viewBox=(format!("0 0 {WIDTH} {}", at(self.height))) role="img" aria-label=(self.description) {
                    (self.drawing)
                }
                figcaption { (self.caption) }
                details {
                    summary { "As a table" }
                    (table(&self.table.0, &self.table.1))
                }
            }
        }
    }
}

/// A table; the first column names the rows.
pub fn table(head: &[String], rows: &[Vec<String>]) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr { @for cell in head { th scope="col" { (cell) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (at, cell) in row.iter().enumerate() {
                                @if at == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The left and right ends of the horizontal axis.
pub fn horizontal_range() -> (f64, f64) {
    (MARGIN.0, WIDTH - MARGIN.1)
}

/// The lower and upper ends of the vertical axis of a drawing of this height.
pub fn vertical_range(height: f64) -> (f64, f64) {
    (height - MARGIN.3, MARGIN.2)
}

/// Both axes with grid lines, ticks and names.
pub fn axes(height: f64, (x, x_name): (&Scale, &str), (y, y_name): (&Scale, &str)) -> Markup {
    let ((left, right), (bottom, top)) = (horizontal_range(), vertical_range(height));
    html! {
        @for tick in y.ticks(5) {
            line.grid x1=(at(left)) x2=(at(right)) y1=(at(y.place(tick))) y2=(at(y.place(tick))) {}
            text.tick x=(at(left - 6.0)) y=(at(y.place(tick) + 4.0)) text-anchor="end" { (number(tick)) }
        }
        @for tick in x.ticks(6) {
            line.grid x1=(at(x.place(tick))) x2=(at(x.place(tick))) y1=(at(top)) y2=(at(bottom)) {}
            text.tick x=(at(x.place(tick))) y=(at(bottom + 15.0)) text-anchor="middle" { (number(tick)) }
        }
        line.axis x1=(at(left)) x2=(at(right)) y1=(at(bottom)) y2=(at(bottom)) {}
        text.name x=(at(0.5 * (left + right))) y=(at(bottom + 32.0)) text-anchor="middle" { (x_name) }
        text.name x=(at(-0.5 * (top + bottom))) y="11" text-anchor="middle" transform="rotate(-90)" { (y_name) }
    }
}

/// A line through points.
pub fn line(class: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Markup {
    let path: Vec<String> = points.into_iter().map(|(x, y)| format!("{} {}", at(x), at(y))).collect();
    html! { @if path.len() > 1 { path class=(class) d=(format!("M{}", path.join("L"))) {} } }
}

/// Number of marker shapes, which distinguish series without color.
const SHAPES: usize = 6;

/// The marker of a series at this position, `size` units in radius.
pub fn marker(series: usize, (x, y): (f64, f64), size: f64, class: &str) -> Markup {
    let corners = |offsets: &[(f64, f64)]| {
        let point = |(dx, dy): &(f64, f64)| format!("{} {}", at(x + dx * size), at(y + dy * size));
        format!("M{}Z", offsets.iter().map(point).collect::<Vec<_>>().join("L"))
    };
    let shape = match series % SHAPES {
        0 => return html! { circle class=(class) cx=(at(x)) cy=(at(y)) r=(at(size)) {} },
        1 => corners(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => corners(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
        3 => corners(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
        4 => corners(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
        _ => corners(&[(0.0, -1.2), (1.15, -0.35), (0.7, 1.0), (-0.7, 1.0), (-1.15, -0.35)]),
    };
    html! { path class=(class) d=(shape) {} }
}
