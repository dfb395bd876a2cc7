//! Runs as one self-contained HTML page: text, tables and figures, nothing loaded from anywhere.
//!
//! A figure is a function of data; every number in it comes from a report, and a table beside it
//! says the same. Colours are told apart by people who see few of them, and are never alone: a
//! shape, a pattern or a number goes with each.

mod aggregate;
mod curves;
mod energies;
mod figure;
mod histograms;
mod maps;
mod page;
mod pareto;
pub mod published;
pub mod run;
mod scale;
mod tables;

pub use aggregate::{Group, MeanStd, groups};
pub use page::page;
pub use tables::csv;
