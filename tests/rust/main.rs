//! The native test binary: golden vectors, gradients, training, the command line, tidiness.
//!
//! Tests that need reference data look for it in `CROSSDUB_SHARED` (default `../shared`) and report that they
//! skip if it is missing. A small golden case is in `tests/golden`, so that a public clone tests the method too.

mod checkpoint_cases;
#[cfg(unix)]
mod cluster;
mod command_line;
mod compensation;
mod devices;
mod distillation;
mod export;
mod finished_runs;
mod fuzz_corpus;
mod golden;
mod gradients;
mod hardware;
mod hardware_options;
mod image_cases;
mod imagenet;
mod interactive;
mod invalid_input;
mod kernels;
mod masks;
mod networks;
mod onnx;
mod onnx_networks;
mod precision;
#[cfg(unix)]
mod prove;
mod published;
mod pytorch;
mod quantized_training;
mod recipe_files;
mod recipe_inputs;
mod recipes;
mod recorded_networks;
#[cfg(feature = "remote")]
mod remote;
mod resume;
mod sensitivity;
mod shared;
mod simulate;
mod simulated_networks;
mod snapshots;
mod tidy;
mod training;
#[cfg(feature = "ts")]
mod types;
