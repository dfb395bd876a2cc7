//! Networks: their description ([`spec`], without Burn) and, with the feature `train`, the networks themselves as Burn
//! modules, under PyTorch's parameter names.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`spec`] | [`NetworkSpec`]: layers, shapes, parameter names, memory; initial weights |
//! | `module` | [`Network`]: forward passes, whole or segment by segment |
//! | `vgg`, `resnet` | the two architectures as Burn modules |
//! | `fully_connected`, `quantizable_layer` | a layer of the classifier; convolutions and those, with their weights in one layout |
//! | `layers` | a layer by this crate's kernels or by Burn's |
//! | `hook` | the callback that sees each convolution with its input |
//! | `dropout`, `precision` | random masks that do not depend on the split of a batch; bf16 |
//! | `quantizer` | quantized inputs, and the learned steps of weights and inputs |
//! | `parameters` | parameters as named tensors, in PyTorch's layouts |

#[cfg(feature = "train")]
pub mod dropout;
#[cfg(feature = "train")]
mod fully_connected;
#[cfg(feature = "train")]
mod hook;
#[cfg(feature = "train")]
mod layers;
#[cfg(feature = "train")]
mod module;
#[cfg(feature = "train")]
pub mod parameters;
#[cfg(feature = "train")]
mod precision;
#[cfg(feature = "train")]
pub(crate) mod quantizable_layer;
#[cfg(feature = "train")]
pub(crate) mod quantizer;
#[cfg(feature = "train")]
pub mod resnet;
pub mod spec;
#[cfg(feature = "train")]
pub mod vgg;

#[cfg(feature = "train")]
pub use hook::ConvHook;
#[cfg(feature = "train")]
pub use module::Network;
pub use spec::NetworkSpec;
