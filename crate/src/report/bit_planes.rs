//! ADC energy by set cells, slice by slice.

use serde::{Deserialize, Serialize};

use crate::adc::{AdcEnergy, AdcModel, CellEnergy};
use crate::config::HardwareConfig;
use crate::crossbar::bit_planes::CellShape;
use crate::crossbar::bit_slicing::BitSlicing;
use crate::crossbar::quantize::QuantizedMatrix;
use crate::crossbar::tiling::Tiling;
use crate::matrix::Matrix;
use crate::parallel;

/// What the conversions of a layer take, by weight slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct LayerSlices {
    /// The parameter's name.
    pub name: String,
    /// The lowest bits first.
    pub slices: Vec<SliceEnergy>,
}

/// One weight slice of a layer at the resolution that tells apart all sums of set cells, every crossbar counted once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct SliceEnergy {
    /// The lowest magnitude bit that its cells hold.
    pub lowest_bit: u32,
    /// Conversions: one for each tile, polarity and group of rows.
    pub conversions: u64,
    /// Bits of all of them with all cells set.
    pub dense: f64,
    /// Bits as the cells are.
    pub actual: f64,
}

/// The slices of all layers, whose weights are quantized unless they are integers. Empty where weights of 0 set cells.
pub(super) fn layer_slices(layers: &[Matrix], hardware: &HardwareConfig) -> Vec<LayerSlices> {
    let Some(energy) = energy_in_bits(hardware) else { return Vec::new() };
    let of_layer = |layer: &Matrix| {
        let slices = slices_of(layer, &QuantizedMatrix::new(layer, hardware), hardware, &energy);
        LayerSlices { name: layer.name.clone(), slices }
    };
    layers.iter().map(of_layer).collect()
}

/// Energy in bits: dense with all cells of `weight_precision` bits set, and as the integers are. `None` unless all layers
/// hold integers of at most `weight_precision` bits, on a mapping where weights of 0 set no cell.
pub(super) fn bit_plane_energy(layers: &[Matrix], hardware: &HardwareConfig) -> Option<AdcEnergy> {
    if layers.iter().any(|layer| layer.steps.is_none()) {
        return None;
    }
    let energy = energy_in_bits(hardware)?;
    let (mut dense, mut actual) = (0.0, 0.0);
    for layer in layers {
        let integers = QuantizedMatrix::from_integers(layer, hardware)?;
        for slice in slices_of(layer, &integers, hardware, &energy) {
            (dense, actual) = (dense + slice.dense, actual + slice.actual);
        }
    }
    Some(AdcEnergy::new(dense, actual))
}

fn energy_in_bits(hardware: &HardwareConfig) -> Option<CellEnergy> {
    CellEnergy::new(&HardwareConfig { adc: AdcModel::LosslessSliced, ..hardware.clone() }).ok()
}

fn slices_of(
    layer: &Matrix,
    integers: &QuantizedMatrix,
    hardware: &HardwareConfig,
    energy: &CellEnergy,
) -> Vec<SliceEnergy> {
    let slicing = BitSlicing::from(hardware);
    let tiling = Tiling::new(layer, CellShape::from(hardware).tile);
    let tiles = parallel::map(tiling.len(), |index| {
        let tile = tiling.tile(index);
        let mut counts = energy.counts(tile.rows(), slicing.slices());
        for output in tile.outputs.clone() {
            counts.add_column(&integers.row(output)[tile.inputs.clone()]);
        }
        let actual = (0..slicing.slices()).map(|slice| energy.of_slice(&counts, slice)).collect::<Vec<f64>>();
        (energy.conversions(tile.rows()), energy.dense(tile.rows()) / slicing.slices() as f64, actual)
    });
    let slice = |slice: usize| {
        let start = SliceEnergy { lowest_bit: slicing.shift(slice), conversions: 0, dense: 0.0, actual: 0.0 };
        tiles.iter().fold(start, |sum, (conversions, dense, actual)| SliceEnergy {
            conversions: sum.conversions + *conversions as u64,
            dense: sum.dense + dense,
            actual: sum.actual + actual[slice],
            ..sum
        })
    };
    (0..slicing.slices()).map(slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 4 rows of 3-bit weights are 2 slices and 2 polarities of 3 bits, 12 bits a tile.
    #[test]
    fn integers_are_counted_by_their_set_cells() {
        let hardware = HardwareConfig { tile: 4, weight_precision: 3, ..HardwareConfig::default() };
        let layer = |data: Vec<f32>| Matrix::new("w", 2, 4, data).expect("fits");
        let weights = layer(vec![0.5, 1.5, 0.0, -0.5, 0.5, 0.0, 0.0, 0.0]);
        assert_eq!(bit_plane_energy(std::slice::from_ref(&weights), &hardware), None, "floats");
        let integers = weights.with_steps(vec![0.5]).expect("a step");
        // Positive: 2 set cells in the lower slice and 1 above; negative: 1 below.
        let energy = bit_plane_energy(std::slice::from_ref(&integers), &hardware).expect("integers");
        assert_eq!((energy.dense, energy.actual), (12.0, 2.0 + 1.0 + 1.0));
        let slices = layer_slices(std::slice::from_ref(&integers), &hardware)[0].slices.clone();
        let numbers = |slice: &SliceEnergy| (slice.lowest_bit, slice.conversions, slice.dense, slice.actual);
        assert_eq!(slices.iter().map(numbers).collect::<Vec<_>>(), [(0, 2, 6.0, 3.0), (1, 2, 6.0, 1.0)]);
        let narrow = HardwareConfig { weight_precision: 2, ..hardware };
        assert_eq!(bit_plane_energy(&[integers], &narrow), None, "3 has more bits");
    }
}
