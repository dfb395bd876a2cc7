//! Energy of a tile's conversion from its active rows: what a budget for pruning counts.

use super::converter::{Converter, MAX_BITS};
use super::resolution::{ColumnOccupancy, Readout};
use crate::config::{AdcModel, HardwareConfig, Resolution, Subtraction};
use crate::error::{Error, Result};

/// Energy of a column's conversions by the active rows of its tile; 0 without an active row, and never less
/// with more of them.
#[derive(Debug, Clone, PartialEq)]
pub struct TileEnergy {
    resolution: Resolution,
    readout: Readout,
    /// The most rows that are active at once.
    at_once: usize,
    /// Energy of a conversion by its bits.
    costs: Vec<f64>,
}

impl TileEnergy {
    /// The paper's count on a crossbar with `rows` rows: `N` bits less the level.
    pub fn paper(rows: usize) -> Self {
        Self {
            resolution: Resolution::Paper,
            readout: Readout::binary(rows),
            at_once: usize::MAX,
            costs: bits_as_costs(MAX_BITS),
        }
    }

    /// By the hardware's `adc`: `paper` as [`paper`](Self::paper) counts, other models at the bits that
    /// tell all sums of the active rows apart. Values beyond a model's range are extrapolated, so that
    /// all levels can be compared.
    ///
    /// # Errors
    /// For `lossless-sliced`, which counts set cells, not active rows; for models other than `paper` if the mapping sets
    /// cells for weights of 0; and for conversions of more bits than converters have.
    ///
    /// ```
    /// use crossdub::adc::TileEnergy;
    /// use crossdub::config::{AdcModel, HardwareConfig};
    ///
    /// let hardware = HardwareConfig { tile: 32, adc: AdcModel::Puma, ..HardwareConfig::default() };
    /// let energy = TileEnergy::new(&hardware)?;
    /// // 8 of 32 active rows need 4 bits, at 0.225 pJ each.
    /// assert_eq!(energy.at(8, 32), 4.0 * 0.225);
    /// assert_eq!(TileEnergy::paper(32).at(8, 32), 3.0);
    /// # Ok::<(), crossdub::error::Error>(())
    /// ```
    pub fn new(hardware: &HardwareConfig) -> Result<Self> {
        match hardware.adc {
            AdcModel::Paper => return Ok(Self::paper(hardware.tile)),
            AdcModel::LosslessSliced => {
                let why = "depends on set cells, but a budget only counts active rows; \
                           use paper, lossless or a model";
                return Err(Error::field("adc", hardware.adc, why));
            }
            _ => {}
        }
        if hardware.subtraction == Subtraction::Offset {
            let why = "sets cells for weights of 0, so that pruning saves nothing; use digital or analog, or the model paper";
            return Err(Error::field("subtraction", "offset", why));
        }
        let readout = Readout::new(hardware);
        let costs = conversion_costs(hardware.adc, Resolution::Lossless.dense_bits(&readout))?;
        Ok(Self { resolution: Resolution::Lossless, readout, at_once: hardware.rows_at_once(), costs })
    }

    /// Energy of the conversions of a column with `active` of a tile's `rows` rows active, in the model's unit. Rows that
    /// are not active at once take conversions of their own, each of which may see all that are left.
    pub fn at(&self, active: usize, rows: usize) -> f64 {
        let of_group = |rows: usize| {
            let column = ColumnOccupancy::from_active(active.min(rows), rows);
            self.costs[self.resolution.bits(&self.readout, column) as usize]
        };
        if self.at_once >= rows {
            return of_group(rows);
        }
        let (full, rest) = (rows / self.at_once, rows % self.at_once);
        full as f64 * of_group(self.at_once) + if rest > 0 { of_group(rest) } else { 0.0 }
    }
}

/// Energy of a conversion by its bits, up to `most`; values beyond a model's range are extrapolated.
///
/// # Errors
/// If converters don't have as many bits.
pub(super) fn conversion_costs(model: AdcModel, most: u32) -> Result<Vec<f64>> {
    match model {
        AdcModel::Paper | AdcModel::Lossless | AdcModel::LosslessSliced => Ok(bits_as_costs(most)),
        model if most > MAX_BITS => {
            let why = format!("counts up to {MAX_BITS} bits, and a conversion of a full column takes {most}");
            Err(Error::field("adc", model, why))
        }
        model => {
            let converter = Converter::from(model).extrapolating();
            let cost = |bits| converter.cost(bits).map(|cost| cost.energy);
            (0..=MAX_BITS).map(cost).collect()
        }
    }
}

/// Costs of the unitless models: a conversion costs its bits.
fn bits_as_costs(most: u32) -> Vec<f64> {
    (0..=most).map(f64::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_rows_are_converted_one_after_another() {
        let hardware = HardwareConfig {
            tile: 128,
            active_rows: 32,
            adc: AdcModel::Lossless,
            ..HardwareConfig::default()
        };
        let energy = TileEnergy::new(&hardware).expect("counts rows");
        // Four conversions of 6 bits; 3 active rows may all lie in any group.
        assert_eq!(energy.at(128, 128), 24.0);
        assert_eq!(energy.at(3, 128), 8.0);
        assert_eq!((energy.at(0, 128), energy.at(9, 9)), (0.0, 4.0));
        assert_eq!(energy.at(40, 40), 6.0 + 4.0);
        let offset = HardwareConfig { subtraction: Subtraction::Offset, ..hardware };
        assert!(TileEnergy::new(&offset).expect_err("saves nothing").to_string().contains("subtraction"));
        let paper = HardwareConfig { adc: AdcModel::Paper, ..offset };
        assert_eq!(TileEnergy::new(&paper).expect("the paper's count").at(128, 128), 7.0);
    }
}
