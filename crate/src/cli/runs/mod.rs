//! Runs in folders: training, stages, locks, leases, estimates, and the inputs of commands.

pub mod dry_run;
pub mod dry_run_recipe;
pub mod folder_lock;
pub mod folder_store;
pub mod inputs;
pub mod lease;
pub mod observer;
pub mod results;
pub mod run_folder;
pub mod run_settings;
pub mod stage_folder;
pub mod tensorboard;
pub mod training;
