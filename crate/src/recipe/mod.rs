//! The path from a run to its report, which the page and the command line share: one training run,
//! or a recipe of several stages (train, prune, fine-tune). Files are the command line's affair.

pub mod file;
pub mod grid;
pub mod outcome;
pub mod stage;
mod training;

pub use training::{Report, Training, report};
