//! From a run to its report: train, prune, fine-tune.
//!
//! A [recipe](recipe::Recipe) lists stages; [`executor::run_recipe`] runs them to the end. The page's
//! [`InteractiveRun`](interactive::InteractiveRun) is stepped by hand. Both run the same
//! [`TrainStage`](train_stage::TrainStage) and [`PruneStage`](prune_stage::PruneStage), and both give a
//! [`RunReport`](report::RunReport). Files are handled by the command line.

pub mod executor;
pub mod field_scope;
pub mod interactive;
pub mod memory_store;
pub mod observer;
pub mod prune_stage;
pub mod recipe;
pub mod report;
pub mod stage;
pub mod stage_report;
pub mod sweep;
pub mod train_stage;
