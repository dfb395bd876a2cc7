//! Training, the same on the page and on the command line: one step at a time.

pub mod checkpoint;
pub mod divergence;
pub mod evaluate;
pub mod progress;
mod quantization;
pub mod self_test;
mod teacher;
pub mod trainer;
mod training_step;
