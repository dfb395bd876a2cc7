//! Published ADC models, one a file, each with its source, equation, units and range; and a user's own.

pub(crate) mod accelergy;
pub mod custom;
pub(crate) mod isaac;
pub mod lossless;
pub(crate) mod mnsim;
pub(crate) mod murmann;
pub mod neurosim_flash;
pub mod neurosim_sar;
pub mod paper;
pub(crate) mod puma;
pub(crate) mod table;
pub mod walden;
