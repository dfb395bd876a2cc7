//! [`Kernels`]: whose kernels compute a network on the CPU.

use serde::{Deserialize, Serialize};

/// Whose kernels compute convolutions, poolings and normalizations on the CPU backend. Both give the same results but
/// for rounding; other backends always use Burn's.
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
