//! The training session, the same on the page and on the command line: one step at a time.

pub mod checkpoint;
pub mod compensate;
pub mod divergence;
pub mod evaluate;
pub mod inputs;
pub mod masks;
#[cfg_attr(target_arch = "wasm32", path = "alone.rs")]
mod others;
mod pass;
pub mod progress;
pub mod pruning;
#[cfg(not(target_arch = "wasm32"))]
mod rehearsal;
pub mod self_test;
pub mod sensitivity;
pub mod session;
pub mod sgd;
#[cfg(not(target_arch = "wasm32"))]
mod spread;
#[cfg(not(target_arch = "wasm32"))]
mod together;
mod update;
