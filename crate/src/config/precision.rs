//! [`Precision`]: the number format of a training pass.

use serde::{Deserialize, Serialize};

/// The number format of activations and products in a training pass. Weights, momentum, the regularizer and evaluation
/// always use f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits with the range of f32: 8 bits of exponent, 7 of mantissa.
    Bf16,
}
