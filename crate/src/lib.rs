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
//! | [`spec`] | what a run is, one schema for options, TOML, URL and JSON |
//! | [`matrix`] | a layer's weights, no Burn type |
//! | [`weights`] | named tensors from and to safetensors and PyTorch files |
//! | [`crossbar`] | tiles, column densities, levels, pruning |
//! | [`adc`] | the bits a tile needs and what they cost |
//! | [`data`] | images, their standardization, augmentation, batches |
//! | [`report`] | plain results: analysis, preview, maps |
//! | [`device`], [`model`], [`loss`] | Burn: devices, networks, regularizers |
//! | [`train`] | the training session |
//! | [`simulate`] | images through simulated crossbars and converters, bit for bit |
//! | [`recipe`] | runs of several stages, their sweeps and reports |
//! | `html` | runs as one page, in builds with the command line |
//! | [`story`] | the page's trainer: train, prune, fine-tune, undo, by hand |
//!
//! ```
//! use crossdub::matrix::Matrix;
//! use crossdub::report::analyze;
//! use crossdub::spec::HardwareSpec;
//!
//! // Four output channels of eight inputs; each keeps two weights.
//! let row = [0.5, 0.0, 0.0, 0.0, -0.25, 0.0, 0.0, 0.0];
//! let layer = Matrix::new("conv", 4, 8, row.repeat(4))?;
//! let hardware = HardwareSpec { tile: 8, ..HardwareSpec::default() };
//! let analysis = analyze(&[layer], &hardware);
//! // Two of eight rows are active: level 2, so 1 of 3 bits is left.
//! assert_eq!(analysis.histogram, [0, 0, 1, 0, 0]);
//! assert_eq!(analysis.energy.paper.improvement, Some(3.0));
//! # Ok::<(), crossdub::error::Error>(())
//! ```

pub mod adc;
#[cfg(feature = "cli")]
pub mod cli;
pub mod crossbar;
pub mod data;
pub mod device;
pub mod error;
#[cfg(feature = "cli")]
pub mod html;
pub mod loss;
pub mod matrix;
pub mod model;
pub mod parallel;
pub mod recipe;
pub mod report;
pub mod simulate;
pub mod spec;
pub mod story;
pub mod train;
#[cfg(feature = "web")]
pub mod web;
pub mod weights;
