//! One file per command.

pub mod adc;
pub mod analyze;
pub mod bench;
pub mod data;
pub mod devices;
pub mod energy;
pub mod evaluate;
pub mod export;
pub mod finetune;
pub mod onnx;
pub mod predict;
pub mod prove;
pub mod prune;
pub mod published;
pub mod regularize;
pub mod report;
pub mod run;
pub mod sensitivity;
pub mod serve;
pub mod simulate;
pub mod sweep;
pub mod train;
#[cfg(feature = "remote")]
pub mod worker;
