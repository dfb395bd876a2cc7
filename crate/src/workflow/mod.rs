//! From a run to its report: train, prune, fine-tune.
//!
//! A [recipe](recipe::Recipe) lists stages; [`executor::run_recipe`] runs them. The page's
//! [`InteractiveRun`](interactive::InteractiveRun) takes the same stages step by step. Both report in
//! one [`RunReport`](report::RunReport). Files are the command line's affair.

pub mod executor;
pub mod interactive;
pub mod memory_store;
pub mod recipe;
pub mod report;
pub mod stage;
pub mod sweep;
