//! Crossbars: how a matrix is cut into tiles, how sparse and balanced their columns are, the
//! discrete levels, and pruning to them. Plain Rust on plain floats; never Burn.

pub mod count;
pub mod density;
pub mod level;
pub mod percentile;
pub mod prune;
pub mod tiling;
