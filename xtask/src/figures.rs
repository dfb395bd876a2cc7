//! `cargo xtask figures`: the waterfall of `docs/bit-planes.md`, drawn from the measured figures in `docs/bit-planes.json`.

use std::fs;
use std::path::PathBuf;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

use crate::env::BuildEnv;
use crate::error::{Error, file_error};

type Failure = Box<dyn std::error::Error>;

const WIDTH: u32 = 1000;
const STEP_HEIGHT: u32 = 46;
const HEADER_HEIGHT: u32 = 64;
const FOOTER_HEIGHT: u32 = 30;
/// Space for the names of the steps, and for what is written behind the bars.
const NAMES: i32 = 400;
const LABELS: i32 = 190;
const BAR: RGBColor = RGBColor(0, 98, 155);
const FIRST: RGBColor = RGBColor(110, 110, 110);
const GRID: RGBColor = RGBColor(221, 221, 221);
const MARKS: [f64; 6] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];

/// A network of the waterfall: the one before with one thing more.
struct Step {
    name: String,
    improvement: f64,
    accuracy: f64,
    deviation: Option<f64>,
}

/// Writes the chart beside its figures.
pub fn run(env: &BuildEnv) -> crate::error::Result<bool> {
    let figures = figures_file(env);
    let text = fs::read_to_string(&figures).map_err(file_error("read", &figures))?;
    let image = draw(&text).map_err(|error| Error::new(format!("{}: {error}", figures.display())))?;
    let file = figures.with_extension("svg");
    fs::write(&file, image).map_err(file_error("write", &file))?;
    println!("{}", file.display());
    Ok(true)
}

fn figures_file(env: &BuildEnv) -> PathBuf {
    env.root.join("docs/bit-planes.json")
}

/// The chart of `{"title", "note", "steps": [{"name", "improvement", "accuracy", "deviation"}]}`.
fn draw(figures: &str) -> Result<String, Failure> {
    let figures: Value = serde_json::from_str(figures)?;
    let steps = figures["steps"].as_array().ok_or("no steps")?;
    let steps = steps.iter().map(read_step).collect::<Result<Vec<Step>, Failure>>()?;
    let text = |key: &str| figures[key].as_str().unwrap_or_default().to_owned();
    let most = steps.iter().fold(2.0, |most: f64, step| most.max(step.improvement));
    let height = HEADER_HEIGHT + STEP_HEIGHT * steps.len() as u32 + FOOTER_HEIGHT;
    let mut image = String::new();
    {
        let area = SVGBackend::with_string(&mut image, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let font = |size: i32| ("sans-serif", size).into_font();
        area.draw(&Text::new(text("title"), (10, 10), font(16).style(FontStyle::Bold)))?;
        area.draw(&Text::new(text("note"), (10, 34), font(12)))?;
        let width = f64::from(WIDTH as i32 - NAMES - LABELS);
        let place = |improvement: f64| NAMES + (improvement.ln() / most.ln() * width) as i32;
        let bottom = (height - FOOTER_HEIGHT) as i32;
        let below = font(12).into_text_style(&area).pos(Pos::new(HPos::Center, VPos::Top));
        for mark in MARKS.into_iter().filter(|mark| *mark <= most) {
            let at = place(mark);
            area.draw(&PathElement::new(vec![(at, HEADER_HEIGHT as i32 - 4), (at, bottom)], GRID))?;
            area.draw(&Text::new(format!("{mark:.0}x"), (at, bottom + 6), below.clone()))?;
        }
        let mut before = 1.0;
        for (at, step) in steps.iter().enumerate() {
            let top = (HEADER_HEIGHT + STEP_HEIGHT * at as u32) as i32;
            let (from, to) = (place(before), place(step.improvement));
            let (left, right) = (from.min(to), from.max(to).max(from.min(to) + 2));
            let color = if at == 0 { FIRST } else { BAR };
            area.draw(&Rectangle::new([(left, top + 8), (right, top + 32)], color.filled()))?;
            if at + 1 < steps.len() {
                let down = vec![(to, top + 32), (to, top + STEP_HEIGHT as i32 + 8)];
                area.draw(&PathElement::new(down, BLACK.mix(0.5)))?;
            }
            area.draw(&Text::new(step.name.clone(), (10, top + 13), font(13)))?;
            area.draw(&Text::new(label(step), (right + 8, top + 13), font(13)))?;
            before = step.improvement;
        }
        area.present()?;
    }
    Ok(image)
}

fn read_step(step: &Value) -> Result<Step, Failure> {
    let number = |key: &str| step[key].as_f64().filter(|value| value.is_finite());
    let needed = |key: &str| number(key).ok_or_else(|| format!("{step}: no number `{key}`"));
    Ok(Step {
        name: step["name"].as_str().ok_or("a step without a name")?.to_owned(),
        improvement: needed("improvement")?,
        accuracy: needed("accuracy")?,
        deviation: number("deviation"),
    })
}

fn label(step: &Step) -> String {
    let spread = step.deviation.map(|deviation| format!(" ± {deviation:.2}")).unwrap_or_default();
    format!("{:.2}x, {:.2}{spread} %", step.improvement, step.accuracy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_shows_the_figures() {
        let env = BuildEnv::find().expect("the checkout");
        let figures = fs::read_to_string(figures_file(&env)).expect("the figures");
        let image = fs::read_to_string(figures_file(&env).with_extension("svg")).expect("the chart");
        assert!(image == draw(&figures).expect("drawn"), "cargo xtask figures has not been run");
    }

    #[test]
    fn steps_without_numbers_are_named() {
        let error = draw(r#"{"steps": [{"name": "a", "improvement": 2}]}"#).expect_err("no accuracy");
        assert!(error.to_string().contains("no number `accuracy`"), "{error}");
        let image = draw(r#"{"steps": [{"name": "a", "improvement": 2, "accuracy": 80, "deviation": 0.5}]}"#);
        assert!(image.expect("drawn").contains("2.00x, 80.00 ± 0.50 %"));
    }
}
