//! The report's first table: what each device does, one question a line.

use super::plan::{AUTOTUNED, file_name_label};
use super::record::{Measurement, Status, StepRecord};
use super::report::{cell, number};

/// The table, and a line each for the image pipeline and the recipe. Empty without a device.
pub fn summary(records: &[StepRecord]) -> String {
    let devices: Vec<&str> =
        records.iter().filter_map(|record| record.step.strip_prefix("device-")).collect();
    if devices.is_empty() {
        return String::new();
    }
    let find = |name: String| records.iter().find(|record| record.step == name);
    let mut text =
        format!("## Summary\n\n| | {} |\n| --- |{}\n", devices.join(" | "), " --- |".repeat(devices.len()));
    let mut row = |title: &str, step: &str, answer: &dyn Fn(&StepRecord) -> String| {
        let answers = devices.iter().map(|device| {
            let autotuned = *device == file_name_label(AUTOTUNED);
            match find(format!("{step}-{device}")) {
                Some(record) => cell(&answered(record, answer)),
                None if autotuned => "only timed".to_owned(),
                None => "not run".to_owned(),
            }
        });
        text += &format!("| {title} | {} |\n", answers.collect::<Vec<_>>().join(" | "));
    };
    row("adapter", "device", &|record| record.fact("adapter").unwrap_or("unknown").to_owned());
    row("gradients, held against the CPU and the authors' code", "gradient", &|record| {
        let worst = record.figures.iter().filter_map(|figure| figure.value).fold(0.0, f64::max);
        format!("agree: the largest relative difference is {}", number(worst))
    });
    row("step of VGG11, batch 128, f32", "training-vgg11-b128-f32", &|record| times(record));
    row("losses of 200 steps beside the CPU's", "losses", &|record| {
        let parted = record.figures.iter().find(|figure| figure.id == "parted");
        match parted.map(|figure| (figure.value, figure.n)) {
            Some((Some(step), n)) => {
                format!("differ by 0.1 % at step {step} of {}", n.unwrap_or(0))
            }
            Some((None, _)) => parted.and_then(|figure| figure.not_measured.clone()).unwrap_or_default(),
            None => "not measured".to_owned(),
        }
    });
    row("a killed run, resumed", "resume", &|record| match record.value("losses") {
        Some(losses) => format!("ends with the same losses (difference {})", number(losses)),
        None => "not measured".to_owned(),
    });
    row("a run whose device is lost", "lost-device", &|_| "ends in one line, and resumes".to_owned());
    row("evaluation of VGG11", "evaluate", &|record| value(record, "speed"));
    text.push('\n');
    if let Some(pipeline) = find("pipeline".to_owned()) {
        let answer = |record: &StepRecord| {
            format!("{}; the device waits {} of the time", value(record, "training"), value(record, "wait"))
        };
        text += &format!("- ResNet18 from image files: {}\n", answered(pipeline, &answer));
    }
    if let Some(recipe) = find("recipe".to_owned()) {
        let answer = |record: &StepRecord| {
            format!(
                "accuracy {} clean and {} in the end; ADC energy improves by {} (paper's count)",
                value(record, "clean-accuracy"),
                value(record, "finetune-accuracy"),
                value(record, "finetune-paper"),
            )
        };
        text += &format!("- The recipe: {}\n", answered(recipe, &answer));
    }
    text.push('\n');
    text
}

/// The answer of a step that has one, or how it ended.
fn answered(record: &StepRecord, answer: &dyn Fn(&StepRecord) -> String) -> String {
    match record.status {
        Status::Done => answer(record),
        Status::OutOfTime if record.figures.iter().any(|figure| figure.id == "step") => answer(record),
        status => format!("{}: {}", status.word(), record.reason()),
    }
}

fn times(record: &StepRecord) -> String {
    let figure = |id: &str| record.figures.iter().find(|figure| figure.id == id && figure.value.is_some());
    let ours = figure("step").map_or_else(|| "not measured".to_owned(), with_n);
    let beside = |id: &str, place: &str| {
        figure(id).map(|theirs| format!("{ours}; PyTorch {place}: {}", with_n(theirs)))
    };
    beside("pytorch", "on the same card")
        .or_else(|| beside("pytorch-cpu", "on the CPU"))
        .unwrap_or(ours.clone())
}

fn value(record: &StepRecord, id: &str) -> String {
    let figure = record.figures.iter().find(|figure| figure.id == id && figure.value.is_some());
    figure.map_or_else(|| "not measured".to_owned(), with_n)
}

fn with_n(figure: &Measurement) -> String {
    format!("{} {} (n={})", number(figure.value.unwrap_or(f64::NAN)), figure.unit, figure.n.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, status: Status, figures: &[(&str, f64, &str, u64)]) -> StepRecord {
        let mut record = StepRecord::new(name, name, 1);
        record.status = status;
        record.figures = figures
            .iter()
            .map(|(id, value, unit, n)| Measurement {
                id: (*id).to_owned(),
                what: (*id).to_owned(),
                value: Some(*value),
                unit: (*unit).to_owned(),
                n: Some(*n),
                note: None,
                not_measured: None,
            })
            .collect();
        record
    }

    #[test]
    fn each_device_has_a_column_and_each_answer_its_n() {
        let mut wrong = record("gradient-webgpu", Status::Failed, &[]);
        wrong.why = Some("the gradient differs by 3.0e-1 | badly".to_owned());
        let step = [("step", 12.5, "ms", 7), ("pytorch-cpu", 25.0, "ms", 6)];
        let text = summary(&[
            record("device-vulkan", Status::Done, &[]),
            record("device-webgpu", Status::Done, &[]),
            record("gradient-vulkan", Status::Done, &[("gradient", 2e-6, "relative", 9)]),
            wrong,
            record("training-vgg11-b128-f32-vulkan", Status::Done, &step),
            record("recipe", Status::Done, &[("clean-accuracy", 81.5, "%", 10_000)]),
        ]);
        for expected in [
            "| | vulkan | webgpu |",
            "agree: the largest relative difference is 2.00e-6 | FAILED: the gradient differs by 3.0e-1 / badly |",
            "| 12.5 ms (n=7); PyTorch on the CPU: 25 ms (n=6) | not run |",
            "accuracy 81.5 % (n=10000) clean and not measured in the end",
        ] {
            assert!(text.contains(expected), "{expected}:\n{text}");
        }
        assert_eq!(summary(&[record("machine", Status::Done, &[])]), "");
    }
}
