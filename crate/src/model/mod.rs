//! Networks as Burn modules, and the only place where they become named tensors and matrices and back.

pub mod dropout;
pub mod initialize;
pub mod network;
pub mod parameters;
pub mod plan;
pub mod precision;
pub mod resnet;
pub mod resnet_plan;
pub mod vgg;
