//! The path from a run to its report, which the page and the command line share: one training run,
//! or a recipe of several stages (train, prune, fine-tune). Files are the command line's affair.

pub mod interactive;
pub mod recipe;
pub mod report;
pub mod stage;
pub mod sweep;
mod training;

pub use training::{Report, Training, report};
