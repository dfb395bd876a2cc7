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
use super::plan::{Step, Work};
use super::record::{Recorder, Status};
use crate::error::{Error, Result};

/// How a step ended, and why if not well.
type Outcome = (Status, Option<String>);

/// The outcome of a step that completed.
const DONE: Outcome = (Status::Done, None);

/// A step that does not apply here.
fn skipped(why: impl Into<String>) -> Outcome {
    (Status::Skipped, Some(why.into()))
}

/// A step that found something wrong.
fn failed(why: impl Into<String>) -> Outcome {
    (Status::Failed, Some(why.into()))
}

/// A step that had too little time.
fn out_of_time(why: impl Into<String>) -> Outcome {
    (Status::OutOfTime, Some(why.into()))
}

/// Runs a step.
///
/// # Errors
/// When something fails that the step does not expect.
pub fn run(step: &Step, context: &Context, record: &mut Recorder) -> Result<Outcome> {
    match step.work {
        Work::Machine => machine::describe(context, record),
        Work::Device => machine::open(context, record),
        Work::Gradient => gradient::compare(context, record),
        Work::Training { model, batch, precision } => {
            training::measure(&training::Case { model, batch, precision }, context, record)
        }
        Work::Losses => losses::compare(context, record),
        Work::Resume => resume::compare(context, record),
        Work::LostDevice => lost_device::provoke(context, record),
        Work::Evaluate => evaluate::measure(context, record),
        Work::Simulate => simulate::measure(context, record),
        Work::Pipeline => pipeline::measure(context, record),
        Work::Browser => browser::measure(context, record),
        Work::Recipe => recipe::run(context, record),
    }
}

/// Does a second process's part of a step.
///
/// # Errors
/// When it fails, or there is no such helper.
pub fn help(helper: &str, step: &Step, context: &Context) -> Result<()> {
    match (helper, step.work) {
        ("launches", Work::Training { model, batch, precision }) => {
            training::count_launches(&training::Case { model, batch, precision }, context)
        }
        ("victim", Work::LostDevice) => lost_device::be_the_victim(context),
        _ => Err(Error::field("helper", helper, "there is no such helper")),
    }
}
