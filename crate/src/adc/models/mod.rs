//! Published ADC models, one file each with its source, equation, units and range; and custom ones.

pub mod accelergy;
pub mod custom;
pub mod isaac;
pub mod lossless;
pub mod mnsim;
pub mod murmann;
pub mod neurosim_flash;
pub mod neurosim_sar;
pub mod paper;
pub mod puma;
mod table;
pub mod walden;
