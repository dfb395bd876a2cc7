//! Runs as CSV, one line per stage.

use super::energies::{MODELS, energy_of};
use super::run::{FinishedRun, stage_name};

/// All stages of all runs, one line each after a header, for a spreadsheet or a notebook. Cells are empty where a
/// report has no value.
pub fn csv(runs: &[FinishedRun]) -> String {
    let mut head: Vec<String> = [
        "run", "recipe", "seed", "data", "tile", "stage", "kind", "epochs", "accuracy", "loss", "weights",
        "zeros",
    ]
    .map(str::to_owned)
    .to_vec();
    head.extend(MODELS.iter().map(|model| format!("improvement_{model}")));
    head.extend(["seconds", "version", "device"].map(str::to_owned));
    let mut text = row(&head);
    for run in runs {
        for stage in &run.stages {
            let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
            let mut cells = vec![
                run.folder.clone(),
                run.name().to_owned(),
                run.seed().to_string(),
                run.data_name(),
                run.tile().to_string(),
                stage_name(stage).to_owned(),
                stage.kind.to_string(),
                stage.epochs.len().to_string(),
                number(stage.accuracy),
                number(stage.loss),
                stage.weights.to_string(),
                stage.zeros.to_string(),
            ];
            // Empty if nothing is left to convert.
            cells.extend(MODELS.iter().map(|model| number(energy_of(stage, model).improvement)));
            cells.extend([number(stage.seconds), run.report.version.clone(), run.device()]);
            text.push_str(&row(&cells));
        }
    }
    text
}

/// One line; cells with commas, quotes or line breaks are quoted (RFC 4180).
fn row(cells: &[String]) -> String {
    let quoted = |cell: &String| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_quoted() {
        let cells = ["a,b", "say \"x\"", "plain", ""].map(str::to_owned);
        assert_eq!(row(&cells), "\"a,b\",\"say \"\"x\"\"\",plain,\n");
    }
}
