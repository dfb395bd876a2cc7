//! Options that commands share. Options for configuration fields are declared in `config::fields` and flattened
//! here.

pub mod checkpoint;
pub mod converter;
pub mod crossbar;
pub mod data;
pub mod image_range;
pub mod inference;
pub mod network;
pub mod onnx;
pub mod recipe;
pub mod simulation;
pub mod train;
