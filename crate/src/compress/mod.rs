//! Pruning with data: calibration measures what convolutions see, compensation updates the surviving weights,
//! sensitivity measures how far each layer can be pruned.

pub mod calibration;
pub mod compensation;
pub mod fields;
pub mod pruning;
pub mod sensitivity;
