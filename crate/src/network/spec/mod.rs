//! Network descriptions: layers, shapes, parameter names and memory, checked before anything is allocated. No Burn.
//!
//! [`NetworkSpec`] is read from a [`TrainConfig`](crate::config::TrainConfig). `param` describes single parameters and
//! how each is initialized, `conv` a convolution; `vgg` and `resnet` build the two architectures from them;
//! `initialize` draws weights; `positions` counts how often layers are read; `adapt` fits a checkpoint's names.

mod adapt;
mod conv;
mod initialize;
mod network;
mod param;
mod positions;
mod resnet;
mod vgg;

pub use crate::config::BlockKind;
pub use conv::{CHANNELS, ConvSpec};
pub use initialize::initialize;
#[cfg(feature = "train")]
pub(crate) use network::WeightShape;
pub use network::{ConvShape, NetworkSpec, infer_classes};
pub use param::{Init, ParamSpec};
pub use resnet::{ResNetSpec, ResidualBlockSpec};
pub use vgg::{VggConvSpec, VggSpec};
