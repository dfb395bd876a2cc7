//! Crossbars: how a matrix is cut into tiles, how sparse and balanced their columns are, the
//! discrete levels, pruning to them, and the cells that quantized weights set. Plain Rust on plain floats; never Burn.

pub mod count;
pub mod density;
pub mod level;
pub mod percentile;
pub mod prune;
pub mod quantize;
pub mod slice;
pub mod tiling;
