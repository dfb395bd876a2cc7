//! The numbers that a training pass computes in.

use serde::{Deserialize, Serialize};

/// The numbers that activations and products of a training pass are computed in. Weights, momentum, the regularizer and
/// evaluation are in f32 whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits with the range of 32: 8 bits of exponent, 7 of mantissa.
    Bf16,
}
