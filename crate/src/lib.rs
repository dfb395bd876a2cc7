//! # Crossdub
//!
//! Shows, trains and measures how sparsity makes analog in-memory computing cheaper.
//!
//! Analog crossbars compute a matrix product in memory, but every column is read by an
//! analog-to-digital converter, and the converters take most of the energy. **D.U.B.** sparsity
//! (discrete powers of 2, unstructured inside a column, balanced over the columns of a crossbar;
//! Ibrayev et al., arXiv 2403.13082) saves one ADC bit for each halving of active rows.
//!
//! One crate, two doors: the page ([`web`](crate)) and the binary `crossdub`. Both walk one path,
//! and the modules are listed in its order; each imports only those above it:
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`error`], [`parallel`] | the one error type; a map over all cores |
//! | [`config`] | what a run is, one schema for options, TOML, URL and JSON |
//! | [`matrix`] | a layer's weights, no Burn type |
//! | [`checkpoint`] | named tensors from and to safetensors and PyTorch files |
//! | [`crossbar`] | tiles, column densities, levels |
//! | [`adc`] | the bits a tile needs and what they cost |
//! | [`data`] | images, their standardization, augmentation, batches |
//! | [`report`] | plain results: analysis, preview, maps |
//! | [`device`], [`network`], [`loss`] | Burn: devices, networks, regularizers |
//! | [`train`] | the training session |
//! | [`simulate`] | images through simulated crossbars and converters, bit for bit |
//! | [`workflow`] | runs of several stages, their sweeps and reports |
//! | `html` | runs as one page, in builds with the command line |
//!
//! ```
//! use crossdub::matrix::Matrix;
//! use crossdub::report::analyze;
//! use crossdub::config::HardwareConfig;
//!
//! // Four output channels of eight inputs; each keeps two weights.
//! let row = [0.5, 0.0, 0.0, 0.0, -0.25, 0.0, 0.0, 0.0];
//! let layer = Matrix::new("conv", 4, 8, row.repeat(4))?;
//! let hardware = HardwareConfig { tile: 8, ..HardwareConfig::default() };
//! let analysis = analyze(&[layer], &hardware);
//! // Two of eight rows are active: level 2, so 1 of 3 bits is left.
//! assert_eq!(analysis.histogram, [0, 0, 1, 0, 0]);
//! assert_eq!(analysis.energy.paper.improvement, Some(3.0));
//! # Ok::<(), crossdub::error::Error>(())
//! ```

pub mod adc;
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
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
#[cfg(feature = "train")]
pub mod loss;
pub mod matrix;
pub mod network;
pub mod parallel;
pub mod prune;
pub mod report;
pub mod simulate;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "web")]
pub mod web;
#[cfg(feature = "train")]
pub mod workflow;

pub use checkpoint::Weights as Checkpoint;
pub use error::{Error, ErrorKind, Result};
