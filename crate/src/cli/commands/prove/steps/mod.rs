//! What each step does, one file a kind.

mod browser;
mod evaluate;
mod gradient;
mod losses;
mod lost_device;
pub mod machine;
mod pipeline;
pub mod recipe;
mod resume;
mod simulate;
mod training;

use super::context::Context;
use super::plan::{ProveStep, StepKind};
use super::record::{Recorder, Status};
use crate::error::{Error, Result};

/// How a step ended, and why if not well.
type StepOutcome = (Status, Option<String>);

/// The outcome of a step that completed.
const DONE: StepOutcome = (Status::Done, None);

/// A step that does not apply here.
fn skipped(why: impl Into<String>) -> StepOutcome {
    (Status::Skipped, Some(why.into()))
}

/// A step that found something wrong.
fn failed(why: impl Into<String>) -> StepOutcome {
    (Status::Failed, Some(why.into()))
}

/// A step that had too little time.
fn out_of_time(why: impl Into<String>) -> StepOutcome {
    (Status::OutOfTime, Some(why.into()))
}

/// Runs a step.
///
/// # Errors
/// When something fails that the step does not expect.
pub fn run(step: &ProveStep, context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    match step.work {
        StepKind::Machine => machine::describe(context, record),
        StepKind::Device => machine::open(context, record),
        StepKind::Gradient => gradient::compare(context, record),
        StepKind::Training { model, batch, precision } => {
            training::measure(&training::Case { model, batch, precision }, context, record)
        }
        StepKind::Losses => losses::compare(context, record),
        StepKind::Resume => resume::compare(context, record),
        StepKind::LostDevice => lost_device::provoke(context, record),
        StepKind::Evaluate => evaluate::measure(context, record),
        StepKind::Simulate => simulate::measure(context, record),
        StepKind::Pipeline => pipeline::measure(context, record),
        StepKind::Browser => browser::measure(context, record),
        StepKind::Recipe => recipe::run(context, record),
    }
}

/// Does a second process's part of a step.
///
/// # Errors
/// When it fails, or there is no such helper.
pub fn help(helper: &str, step: &ProveStep, context: &Context) -> Result<()> {
    match (helper, step.work) {
        ("launches", StepKind::Training { model, batch, precision }) => {
            training::count_launches(&training::Case { model, batch, precision }, context)
        }
        ("victim", StepKind::LostDevice) => lost_device::be_the_victim(context),
        _ => Err(Error::field("helper", helper, "there is no such helper")),
    }
}
