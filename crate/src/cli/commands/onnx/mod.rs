//! What the commands do with an ONNX model instead of weights.

pub mod classify;
pub mod images;
pub mod layers;
pub mod simulate;
