//! The chart of `docs/measurements.md`: the ratios to other tools as bars, and times along what grows as curves, so that a
//! cliff shows.

use std::collections::BTreeMap;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::report::Row;

type Failure = Box<dyn std::error::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 1000;
const BAR_HEIGHT: u32 = 22;
const CURVE_HEIGHT: u32 = 260;
/// Space for the names of the bars.
const NAMES: i32 = 560;
const OURS: RGBColor = RGBColor(0, 98, 155);
const OTHER: RGBColor = RGBColor(200, 120, 0);
/// What grows: its name in the rows, and the chart's title.
const CURVES: [(&str, &str); 4] = [
    ("batch", "vgg-small: images a step"),
    ("width", "vgg-small, batch 64: width"),
    ("side", "ResNet18, batch 8: pixels a side"),
    ("workers", "the page, batch 64: workers"),
];

/// Draws all rows as one SVG image.
pub fn draw(rows: &[Row]) -> Result<String, Failure> {
    let bars: Vec<(String, f64)> = rows.iter().filter(|row| row.point.is_none()).filter_map(bar).collect();
    let curves = curves(rows);
    let bars_height = BAR_HEIGHT * (bars.len() as u32 + 3);
    let height = bars_height + if curves.is_empty() { 0 } else { CURVE_HEIGHT };
    let mut image = String::new();
    {
        let root = SVGBackend::with_string(&mut image, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let (top, bottom) = root.split_vertically(bars_height);
        draw_bars(&top, &bars)?;
        let panels = bottom.split_evenly((1, curves.len().max(1)));
        for (panel, (title, curve)) in panels.iter().zip(&curves) {
            draw_curve(panel, title, curve)?;
        }
        root.present()?;
    }
    Ok(image)
}

/// How many times as fast as the other tool, and what is compared.
fn bar(row: &Row) -> Option<(String, f64)> {
    let (other, time) = (row.other.as_ref()?, row.other_ms?);
    Some((format!("{} | {other}", row.what), time / row.ours_ms))
}

/// A curve's points: what grows, our time, and the other tool's.
type Points = Vec<(f64, f64, Option<f64>)>;

/// The curves that have two points or more, with their titles.
fn curves(rows: &[Row]) -> Vec<(&'static str, Points)> {
    let mut by_name: BTreeMap<&str, Points> = BTreeMap::new();
    for row in rows {
        let Some((curve, at)) = &row.point else { continue };
        let point = (*at, row.ours_ms, row.other_ms.filter(|_| curve != "workers"));
        by_name.entry(curve).or_default().push(point);
    }
    let known = CURVES.into_iter();
    let found = known.filter_map(|(name, title)| by_name.get(name).map(|points| (title, points.clone())));
    found.filter(|(_, points)| points.len() > 1).collect()
}

/// The range of values with some space around it, for a logarithmic axis.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = values.fold((f64::MAX, f64::MIN), |(a, b), value| (a.min(value), b.max(value)));
    // A narrow range would have no mark on a logarithmic axis.
    let space = if most < 3.0 * least { 2.0 } else { 1.3 };
    if least > most { (0.5, 2.0) } else { (least / space, most * space) }
}

/// Logarithmic, from the mark of equal speed to either side.
fn draw_bars(area: &Area<'_>, bars: &[(String, f64)]) -> Result<(), Failure> {
    let (least, most) = range(bars.iter().map(|(_, ratio)| *ratio).chain([0.5, 2.0]));
    let width = f64::from(WIDTH as i32 - NAMES - 60);
    let place = |ratio: f64| NAMES + ((ratio / least).ln() / (most / least).ln() * width) as i32;
    let text = ("sans-serif", 12).into_font();
    let title = "How many times as fast as the other tool (logarithmic; the line is as fast)";
    area.draw(&Text::new(title, (10, 8), ("sans-serif", 14).into_font().style(FontStyle::Bold)))?;
    for (at, (name, ratio)) in bars.iter().enumerate() {
        let top = (BAR_HEIGHT * (at as u32 + 2)) as i32;
        let color = if *ratio < 1.0 { OTHER } else { OURS };
        let (from, to) = (place(1.0).min(place(*ratio)), place(1.0).max(place(*ratio)));
        area.draw(&Rectangle::new([(from, top + 3), (to, top + BAR_HEIGHT as i32 - 4)], color.filled()))?;
        area.draw(&Text::new(name.clone(), (10, top + 4), text.clone()))?;
        area.draw(&Text::new(format!("{ratio:.2}"), (to + 6, top + 4), text.clone()))?;
    }
    let bottom = (BAR_HEIGHT * (bars.len() as u32 + 2)) as i32;
    let line = vec![(place(1.0), BAR_HEIGHT as i32 * 2 - 4), (place(1.0), bottom)];
    area.draw(&PathElement::new(line, BLACK))?;
    Ok(())
}

fn draw_curve(area: &Area<'_>, title: &str, points: &Points) -> Result<(), Failure> {
    let (left, right) = range(points.iter().map(|(at, ..)| *at));
    let times = points.iter().flat_map(|(_, ours, other)| [Some(*ours), *other].into_iter().flatten());
    let (least, most) = range(times);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 13))
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(48)
        .build_cartesian_2d((left..right).log_scale(), (least..most).log_scale())?;
    let number = |value: &f64| format!("{value:.0}");
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).bold_line_style(BLACK.mix(0.15)).x_labels(5).y_labels(5);
    mesh.x_label_formatter(&number).y_label_formatter(&number).y_desc("ms").draw()?;
    let ours: Vec<(f64, f64)> = points.iter().map(|(at, ours, _)| (*at, *ours)).collect();
    let other: Vec<(f64, f64)> = points.iter().filter_map(|(at, _, other)| Some((*at, (*other)?))).collect();
    for (name, color, line) in [("Crossdub", OURS, ours), ("PyTorch", OTHER, other)] {
        if line.is_empty() {
            continue;
        }
        chart
            .draw_series(LineSeries::new(line, color.stroke_width(2)).point_size(3))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_curves_are_drawn() {
        let compared = Row {
            what: "analysis".to_owned(),
            ours_ms: 2.0,
            other: Some("PyTorch CPU".to_owned()),
            other_ms: Some(5.0),
            ..Row::default()
        };
        let at = |batch: f64| Row { point: Some(("batch".to_owned(), batch)), ..compared.clone() };
        let image = draw(&[compared.clone(), at(1.0), at(64.0)]).expect("drawn");
        assert!(image.starts_with("<svg") && image.contains("2.50"), "{image}");
        assert!(image.contains("analysis | PyTorch CPU") && image.contains("images a step"), "{image}");
        assert!(draw(&[]).is_ok());
    }
}
