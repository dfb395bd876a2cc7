//! ONNX: the one supported format that describes the whole network, so strides, groups, the order of layers
//! and the size of their outputs are read, not guessed.
//!
//! The reader and the interpreter are our own. Pruning changes weights at their place in the file and leaves
//! every other byte as it was, so tensors must keep their places, which generated Protocol Buffers code
//! forgets. Simulation replaces single nodes by crossbars and needs their exact operands, which the
//! libraries that run ONNX have fused or packed by then. What is left, some hundred operators of
//! float tensors, is small beside such a library.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `wire`, `proto` | the file: fields and messages |
//! | `initializer`, `tensor`, `element` | constants, and tensors in memory |
//! | `graph` | nodes in order, values by number |
//! | `ops/` | operators: shapes, and computation |
//! | `plan` | constants and shapes, for given input shapes |
//! | `fuse` | quantized models as the integer operators they mean |
//! | [`layers`] | products with constant weights, as crossbar matrices |
//! | [`crossbar_layers`] | those of them that are mapped, and what is left out |
//! | [`positions`] | how often an image reads a layer's crossbars |
//! | [`network`] | a model, and a network that runs |
//! | [`simulate`] | a network on simulated crossbars |
//! | [`export`] | a network of Crossdub's as a model |
//! | [`prune`] | a model with other weights, all else byte for byte |

pub mod crossbar_layers;
mod element;
pub mod export;
mod fuse;
mod graph;
mod initializer;
mod input_shape;
pub mod layers;
pub mod left_out;
pub mod network;
mod ops;
mod parameters;
mod plan;
pub mod positions;
mod proto;
pub mod prune;
pub mod simulate;
mod static_value;
mod tensor;
mod wire;

pub use self::element::ElementType;
pub use self::graph::Input;
pub use self::input_shape::parse_input_shape;
pub use self::network::{OnnxModel, OnnxNetwork};
pub use self::plan::InputShapes;
pub use self::proto::Dimension;
pub use self::tensor::Tensor;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
