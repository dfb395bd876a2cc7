//! Options that several commands share.

pub mod converter;
pub mod inference;
pub mod shared;
pub mod simulation;
pub mod train;
