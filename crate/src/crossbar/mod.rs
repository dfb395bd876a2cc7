//! Crossbars: how a matrix is cut into tiles, how sparse and balanced their columns are, the
//! discrete levels, pruning to them, and the cells that quantized weights set. Plain Rust on plain floats; never Burn.

pub mod bit_slicing;
pub mod hoyer;
pub mod levels;
pub mod quantile;
pub mod quantize;
pub mod sparsity;
pub mod tiling;
