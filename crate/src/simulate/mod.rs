//! Functional simulation: the network computed tile by tile through its converters, bit for bit.
//!
//! For a layer of quantized weights `w` and inputs `u` every product is cut into tiles, weight slices,
//! polarities and input chunks; each column sum of each of these goes through an analog-to-digital
//! converter of its own resolution, and the codes are shifted and added digitally:
//!
//! `y = sum_tiles sum_slices sum_chunks 2^(slice * c + chunk * d) * (adc(sum cells+ * bits) - adc(sum cells- * bits))`
//!
//! With enough bits `y` is the integer product `sum w * u`, exactly: `lossless` and `lossless-sliced` prove
//! it. With fewer, what saturates and what accuracy it costs is counted.

pub mod activation_quantizer;
pub mod activations;
pub mod bit_serial;
pub mod column_trace;
pub mod crossbars;
pub mod fold_batch_norm;
pub mod im2col;
pub mod layer;
pub mod network;
pub mod non_idealities;
pub mod options;
pub mod pool;
pub mod reference;
pub mod report;
pub mod residual;
pub mod simulator;
