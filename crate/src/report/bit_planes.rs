//! ADC energy of weights that are integers, counted by their set cells.

use crate::adc::{AdcEnergy, AdcModel, CellEnergy};
use crate::config::HardwareConfig;
use crate::crossbar::bit_planes::CellShape;
use crate::crossbar::bit_slicing::BitSlicing;
use crate::crossbar::quantize::QuantizedMatrix;
use crate::crossbar::tiling::Tiling;
use crate::matrix::Matrix;
use crate::parallel;

/// Energy in bits at the resolution that tells apart all sums of set cells, every crossbar of a slice and polarity counted
/// once: dense with all cells of `weight_precision` bits set, and as the integers are. `None` unless all layers hold
/// integers of at most `weight_precision` bits, on a mapping where weights of 0 set no cell.
pub(super) fn bit_plane_energy(layers: &[Matrix], hardware: &HardwareConfig) -> Option<AdcEnergy> {
    if layers.iter().any(|layer| layer.steps.is_none()) {
        return None;
    }
    let in_bits = HardwareConfig { adc: AdcModel::LosslessSliced, ..hardware.clone() };
    let energy = CellEnergy::new(&in_bits).ok()?;
    let slices = BitSlicing::from(hardware).slices();
    let (mut dense, mut actual) = (0.0, 0.0);
    for layer in layers {
        let integers = QuantizedMatrix::from_integers(layer, hardware)?;
        let tiling = Tiling::new(layer, CellShape::from(hardware).tile);
        let tiles = parallel::map(tiling.len(), |index| {
            let tile = tiling.tile(index);
            let mut counts = energy.counts(tile.rows(), slices);
            for output in tile.outputs.clone() {
                counts.add_column(&integers.row(output)[tile.inputs.clone()]);
            }
            let actual: f64 = (0..slices).map(|slice| energy.of_slice(&counts, slice)).sum();
            (energy.dense(tile.rows()), actual)
        });
        for (of_tile, left) in tiles {
            (dense, actual) = (dense + of_tile, actual + left);
        }
    }
    Some(AdcEnergy::new(dense, actual))
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
        let narrow = HardwareConfig { weight_precision: 2, ..hardware };
        assert_eq!(bit_plane_energy(&[integers], &narrow), None, "3 has more bits");
    }
}
