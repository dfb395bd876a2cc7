//! One training step on one device: forward and backward, the optimizer, masks. Several devices build on it in
//! `distributed`.

pub(crate) mod forward_backward;
#[cfg(all(feature = "cpu", not(target_arch = "wasm32")))]
mod fused_step;
pub mod masks;
pub(crate) mod optimizer_step;
pub mod sgd;
pub(crate) mod state;
