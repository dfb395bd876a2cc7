//! Pruning that looks at data: calibration, compensation, sensitivity.

pub mod calibration;
pub mod compensation;
pub mod pruning;
pub mod sensitivity;
