//! ADC energy: how many bits a conversion needs ([`resolution`]) and what a conversion of that many
//! bits costs ([`converter`]).
//!
//! [`models`] holds one file per published model, each with its source, equation, units and range. A
//! conversion of 0 bits does not happen and costs 0 in every model.

pub mod accelerator;
mod cell_energy;
pub mod conversions;
pub mod converter;
mod energy;
mod estimate;
pub mod models;
mod params;
pub mod resolution;
mod tile_energy;

pub use crate::config::AdcModel;
pub use cell_energy::{CellCounts, CellEnergy};
pub use energy::AdcEnergy;
pub use estimate::{EnergyUnit, ModelEstimate, OutOfRange};
pub use params::AdcParams;
pub use tile_energy::TileEnergy;
