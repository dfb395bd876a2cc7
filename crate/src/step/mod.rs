//! One training step on one device: forward and backward, the optimizer, masks. Several devices build on it in
//! `distributed`.

#[cfg(feature = "cpu")]
mod cpu_straight_through;
pub(crate) mod forward_backward;
#[cfg(any(feature = "cpu", feature = "cube"))]
mod fused_step;
pub mod masks;
pub(crate) mod optimizer_step;
pub mod sgd;
pub(crate) mod state;
pub(crate) mod straight_through;
