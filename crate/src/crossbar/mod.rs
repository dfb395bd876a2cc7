//! Crossbars: how a matrix is cut into tiles, how sparse and balanced the tiles' columns are, the
//! discrete levels of sparsity, and the cells that quantized weights set. Plain Rust on plain floats;
//! never Burn.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`tiling`] | which weights lie in which tile |
//! | [`sparsity`] | zeros and almost zeros of a tile, and its level |
//! | [`levels`] | the discrete levels |
//! | [`hoyer`] | Hoyer density and balance, which the regularizer acts on |
//! | [`quantile`] | percentiles, as numpy computes them |
//! | [`quantize`] | weights as integers |
//! | [`bit_slicing`] | integers as cells of several crossbars |
//! | [`bit_planes`] | integers whose columns have few set cells |

pub mod bit_planes;
pub mod bit_slicing;
pub mod hoyer;
pub mod levels;
pub mod quantile;
pub mod quantize;
pub mod sparsity;
pub mod tiling;
