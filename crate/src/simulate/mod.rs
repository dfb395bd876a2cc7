//! Functional simulation: a network computed tile by tile through its converters, bit for bit.
//!
//! For a layer of quantized weights `w` and inputs `u` every product is split into tiles, weight slices,
//! polarities and input chunks. Each of their column sums goes through an analog-to-digital converter
//! with a resolution of its own, and the codes are shifted and added digitally:
//!
//! `y = sum_tiles sum_slices sum_chunks 2^(slice * c + chunk * d) * (adc(sum cells+ * bits) - adc(sum cells- * bits))`
//!
//! With enough bits `y` is exactly the integer product `sum w * u`; `lossless` and `lossless-sliced` have
//! enough. With fewer, sums saturate, and the report counts them and the accuracy that they cost.
//!
//! One layer, without a network:
//!
//! ```
//! use crossdub::config::{HardwareConfig, Resolution};
//! use crossdub::matrix::Matrix;
//! use crossdub::simulate::bit_serial::simulate;
//! use crossdub::simulate::crossbars::Crossbars;
//! use crossdub::simulate::reference;
//!
//! // One output of four inputs, two windows of unsigned 8-bit inputs.
//! let layer = Matrix::new("w", 1, 4, vec![1.0, -0.5, 0.0, 0.25])?;
//! let inputs = [3, 200, 7, 255, 0, 1, 2, 3];
//! let run = |resolution| {
//!     let hardware = HardwareConfig { tile: 4, resolution, ..HardwareConfig::default() };
//!     let crossbars = Crossbars::new(&layer, &hardware);
//!     (simulate(&crossbars, &inputs, 0), reference::integers(&crossbars.weights, &inputs, 0))
//! };
//! let (lossless, exact) = run(Resolution::Lossless);
//! assert_eq!((lossless.sums, lossless.saturated), (exact, vec![0]));
//! let (one_bit, exact) = run(Resolution::Bits(1));
//! assert!(one_bit.sums != exact && one_bit.saturated[0] > 0);
//! # Ok::<(), crossdub::error::Error>(())
//! ```
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`simulator`] | [`Simulator`](simulator::Simulator): a whole network, a few images at a time |
//! | [`crossbars`], [`bit_serial`], `level_products` | a layer's cells as bit planes, and its conversions in integers; the same by products of levels |
//! | [`non_idealities`] | the noise model: programming errors, stuck cells, read noise, coarse ADC ranges |
//! | `calibration` | the ranges of the layers' inputs |
//! | [`activation_quantizer`], [`im2col`] | inputs as integers, and as the windows of a convolution |
//! | [`network`], [`residual`], [`fold_batch_norm`], [`layer`], [`pool`] | the network as simulated layers |
//! | [`mod@reference`] | the digital products to compare with |
//! | [`column_trace`], [`report`] | every conversion of one column; the results of all |

pub mod activation_quantizer;
pub mod activations;
pub mod bit_serial;
pub(crate) mod calibration;
pub mod column_trace;
pub mod config;
pub(crate) mod crossbar_reading;
pub mod crossbars;
pub mod fold_batch_norm;
pub mod im2col;
pub mod layer;
pub(crate) mod level_products;
pub mod network;
pub mod non_idealities;
pub mod pool;
pub mod reference;
pub mod report;
pub mod residual;
pub mod simulator;
