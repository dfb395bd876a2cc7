//! [`Kernels`]: whose kernels compute a network.

use serde::{Deserialize, Serialize};

/// Whose kernels compute: on the CPU backend convolutions, poolings and normalizations, on graphics processors (without
/// the feature `autotune`) convolutions, max pooling and small fully connected layers. Both give the same results
/// but for rounding. All else, and every other backend, uses Burn's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Kernels {
    /// This crate's.
    #[default]
    Crossdub,
    /// Burn's, for comparison.
    Burn,
}
