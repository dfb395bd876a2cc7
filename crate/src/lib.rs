//! Shows, trains and measures how sparsity makes analog in-memory computing cheaper.
//!
//! Analog crossbars compute a matrix product in memory, but every column is read by an
//! analog-to-digital converter (ADC), and the ADCs take most of the energy. **D.U.B.** sparsity
//! (discrete powers of 2, unstructured inside a column, balanced over the columns of a crossbar;
//! Ibrayev et al., arXiv 2403.13082) saves one ADC bit each time the active rows are halved.
//!
//! ```
//! use crossdub::{HardwareConfig, Matrix, analyze};
//!
//! // Four output channels of eight inputs; each keeps two weights.
//! let weights = [0.5, 0.0, 0.0, 0.0, -0.25, 0.0, 0.0, 0.0].repeat(4);
//! let layer = Matrix::new("conv1", 4, 8, weights)?;
//! let analysis = analyze(&[layer], &HardwareConfig { tile: 8, ..HardwareConfig::default() });
//!
//! // Two of eight rows are active: level 2, so one of three ADC bits is left.
//! assert_eq!(analysis.energy.paper.improvement, Some(3.0));
//! # Ok::<(), crossdub::Error>(())
//! ```
//!
//! # Map
//!
//! Data flows one way; each module imports only modules above it:
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`error`], [`parallel`] | the one error type; a map over all cores (from `crossdub-kernels`) |
//! | [`config`] | [`TrainConfig`] and [`HardwareConfig`]: one schema for options, TOML, URL and JSON |
//! | [`metrics`] | accuracy and probabilities from class scores |
//! | [`matrix`] | a layer's weights as plain floats |
//! | [`checkpoint`] | named tensors from safetensors and PyTorch bytes, and to safetensors |
//! | [`crossbar`] | tiles, sparsity, Hoyer density, levels, bit slices |
//! | [`adc`] | the bits a conversion needs and what they cost, by eleven models |
//! | [`data`] | images, standardization, augmentation, batches |
//! | [`mod@prune`] | pruning to levels, to a budget, and the baselines |
//! | [`network`] | VGG and ResNet |
//! | [`report`] | analysis, maps, energy of an inference: serializable |
//! | [`simulate`] | images through simulated crossbars and converters, bit for bit |
//! | `onnx` | with the feature `onnx`: ONNX models, analyzed, pruned and run |
//! | `device`, `loss`, `step`, `distributed`, `train`, `compress`, `workflow` | with the feature `train`: devices, regularizers, one training step, several devices, the trainer, pruning with data, recipes and the interactive run |
//! | `html` | with the feature `cli`: reports as one page |
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | none | analysis, ADC models, pruning of weights, simulation. No Burn, no file access; builds for WebAssembly |
//! | `train` | networks, training, recipes, on [Burn](https://burn.dev) |
//! | `images` | ImageNet and data sets like it, decoded from image files |
//! | `onnx` | ONNX models |
//! | `cpu`, `webgpu`, `vulkan`, `cuda`, `tch`, `remote` | the devices that train: Burn's CPU backend, WebGPU, Vulkan, CUDA, libtorch, other machines |
//! | `autotune` | graphics processors try out several shaders for each product |
//! | `cli` | what the binary `crossdub` is made of |
//! | `web`, `web-onnx` | the page's WebAssembly modules: `web` trains, `web-onnx` reads ONNX |
//! | `bindgen` | what both modules use to talk to JavaScript |
//!
//! `default` is `cli` and `cpu`: what builds the binary.

pub mod adc;
pub mod checkpoint;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "train")]
pub mod compress;
pub mod config;
pub mod crossbar;
pub mod data;
#[cfg(feature = "train")]
pub mod device;
#[cfg(feature = "train")]
pub mod distributed;
pub mod error;
#[cfg(feature = "cli")]
pub mod html;
#[cfg(any(feature = "cpu", feature = "cube"))]
mod kernels;
#[cfg(feature = "train")]
pub mod loss;
pub mod matrix;
pub mod metrics;
pub mod network;
#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(any(feature = "cli", feature = "onnx"))]
mod protobuf;
pub mod prune;
pub mod report;
mod rng;
pub mod simulate;
#[cfg(feature = "train")]
pub mod step;
#[cfg(feature = "train")]
pub mod train;
#[cfg(any(feature = "web", feature = "web-onnx"))]
mod web;
#[cfg(feature = "train")]
pub mod workflow;

pub use checkpoint::Checkpoint;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use cli::main as cli_main;
pub use config::{HardwareConfig, Resolution, TrainConfig};
pub use crossbar::tiling::Tiling;
pub use crossdub_kernels::parallel;
pub use error::{Error, ErrorKind, Result};
pub use matrix::Matrix;
pub use prune::prune;
pub use report::{Analysis, analyze};
#[cfg(feature = "train")]
pub use train::trainer::Trainer;
