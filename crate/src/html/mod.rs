//! Runs as one self-contained HTML page with text, tables and figures, which loads nothing.
//!
//! A figure is a function of data: all its numbers come from a report, and a table next to it has the same data. Colors
//! work with color blindness and are never the only distinction: each comes with a shape, a pattern or a number.

mod aggregate;
mod curves;
mod energies;
mod figure;
mod histograms;
mod maps;
mod page;
mod pareto;
mod published;
pub mod run;
mod scale;
mod tables;

pub use aggregate::{MeanStd, SeedGroup, groups};
pub use page::page;
pub use tables::csv;
