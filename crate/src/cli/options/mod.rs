//! Options that commands share.

pub mod converter;
pub mod image_range;
pub mod inference;
pub mod recipe;
pub mod shared;
pub mod simulation;
pub mod train;
