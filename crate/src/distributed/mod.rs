//! Training steps on several devices.
//!
//! `DeviceGroup` splits each batch over its devices and sums the gradients, in one of two ways:
//! `gather` sums them on the first device, which works on every backend; `all_reduce` sums them between CUDA devices
//! that each hold a replica of the network (distributed data parallel), after `self_check` has tried that on known
//! values. In the browser a run has one device (`workers`), and workers with replicas may share its batches
//! (`shared_batch`).

#[cfg(not(target_arch = "wasm32"))]
mod all_reduce;
#[cfg_attr(target_arch = "wasm32", path = "workers.rs")]
pub(crate) mod device_group;
#[cfg(not(target_arch = "wasm32"))]
mod gather;
#[cfg(not(target_arch = "wasm32"))]
mod panics;
#[cfg(not(target_arch = "wasm32"))]
mod part_output;
mod parts;
#[cfg(not(target_arch = "wasm32"))]
mod replica;
#[cfg(not(target_arch = "wasm32"))]
mod self_check;
#[cfg(any(test, target_arch = "wasm32"))]
pub(crate) mod shared_batch;
#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod test_reduce;
