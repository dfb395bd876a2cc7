//! Readers of the application: training, recipes and reports.

use crossdub::html::run::FinishedRun;
use crossdub::train::checkpoint::TrainingCheckpoint;
use crossdub::workflow::recipe::Recipe;
use crossdub::workflow::sweep;

use super::targets::{MIB, Target, checked, target};

/// The targets that need Burn.
pub const TARGETS: &[Target] = &[
    target("training_checkpoint", training_checkpoint, MIB, 256),
    target("recipe", recipe, 2 * MIB, 1024),
    target("sweep_list", sweep_list, 16 * MIB, 512),
    target("run_report", run_report, 2 * MIB, 512),
];

fn training_checkpoint(data: &[u8]) {
    if let Some(checkpoint) = checked(TrainingCheckpoint::read(data)) {
        let _ = (checkpoint.config(), checkpoint.hardware(), checkpoint.step());
    }
}

fn recipe(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    checked(Recipe::read(&text, &[]));
}

fn sweep_list(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    checked(sweep::parse_list(&text));
    if let Some(line) = text.lines().next() {
        checked(sweep::SweptField::parse(line));
        checked(sweep::parse_change(line));
    }
}

fn run_report(data: &[u8]) {
    checked(FinishedRun::read("runs/one", data));
}
