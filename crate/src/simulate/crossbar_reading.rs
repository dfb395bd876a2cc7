//! The crossbars of one layer, read for one image, and the errors that this makes.

use super::bit_serial::{self, Output};
use super::config::SimulationConfig;
use super::crossbars::Crossbars;
use super::level_products;
use super::non_idealities::{AdcRanges, NonIdealLayer, ProgrammedCells};

/// A layer's crossbars as one image meets them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CrossbarReading<'a> {
    pub crossbars: &'a Crossbars,
    /// Their programmed cells; `None` if their sums are plain counts.
    pub programmed: Option<&'a ProgrammedCells>,
    pub adc_ranges: &'a AdcRanges,
    pub config: &'a SimulationConfig,
    /// Index of the image in the data set, for the random numbers.
    pub image: usize,
    /// Index of the layer, for the random numbers.
    pub layer: usize,
}

impl CrossbarReading<'_> {
    /// The sums of all windows, and how many conversions saturate: see [`bit_serial::simulate`].
    pub fn simulate(self, patches: &[u16], zero: u16) -> Output {
        let Self { crossbars, programmed, adc_ranges, config, image, layer } = self;
        match programmed {
            None => ideal(crossbars, patches, zero),
            Some(programmed) => {
                let (image, layer) = (image as u64, layer as u64);
                let layer = NonIdealLayer { crossbars, programmed, adc_ranges, config, image, layer };
                layer.simulate(patches, zero)
            }
        }
    }
}

/// The sums of all windows on crossbars without errors, the faster way.
pub(crate) fn ideal(crossbars: &Crossbars, patches: &[u16], zero: u16) -> Output {
    if level_products::pays(&crossbars.layout) {
        level_products::simulate(crossbars, patches, zero)
    } else {
        bit_serial::simulate(crossbars, patches, zero)
    }
}

/// The errors of a layer's crossbars; see [`LayerReport`](super::report::LayerReport).
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorCounts {
    pub saturated_by_tile: Vec<u64>,
    pub mismatched_outputs: u64,
    pub clipped_activations: u64,
}

impl ErrorCounts {
    /// Adds the errors of another image.
    pub fn add(&mut self, other: Self) {
        self.mismatched_outputs += other.mismatched_outputs;
        self.clipped_activations += other.clipped_activations;
        if self.saturated_by_tile.is_empty() {
            self.saturated_by_tile = other.saturated_by_tile;
        } else {
            let pairs = self.saturated_by_tile.iter_mut().zip(other.saturated_by_tile);
            pairs.for_each(|(sum, count)| *sum += count);
        }
    }
}

/// Number of outputs that differ from the exact ones.
pub(crate) fn mismatches(exact: &[i64], sums: &[i64]) -> u64 {
    exact.iter().zip(sums).filter(|(exact, sum)| exact != sum).count() as u64
}
