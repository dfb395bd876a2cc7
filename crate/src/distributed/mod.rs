//! One training step on several devices: gradients gathered, or reduced among them.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod all_reduce;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod gather;
#[cfg_attr(target_arch = "wasm32", path = "single.rs")]
pub(crate) mod group;
#[cfg(not(target_arch = "wasm32"))]
mod self_check;
