//! The trainer, the same on the page and on the command line: one step at a time.

pub mod checkpoint;
pub mod divergence;
pub mod evaluate;
pub(crate) mod forward_backward;
pub mod masks;
pub(crate) mod optimizer_step;
pub mod progress;
pub mod self_test;
pub mod sgd;
pub mod trainer;
