//! Energy of a tile's conversion from its active rows: what a budget for pruning counts.

use super::converter::{Converter, MAX_BITS};
use super::resolution::{ColumnOccupancy, Readout};
use crate::config::{AdcModel, HardwareConfig, Resolution, Subtraction};
use crate::error::{Error, Result};

/// Energy of one conversion by the active rows of its tile; 0 without an active row, and never less
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
    /// For `lossless-sliced`, which counts set cells, not active rows, and for conversions of more bits than converters have.
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
        let mut readout = Readout::new(hardware);
        if readout.subtraction == Subtraction::Offset {
            // A budget counts active rows in an offset mapping too, where pruning empties no cell.
            readout.subtraction = Subtraction::Digital;
        }
        let costs = conversion_costs(hardware.adc, Resolution::Lossless.dense_bits(&readout))?;
        Ok(Self { resolution: Resolution::Lossless, readout, at_once: hardware.rows_at_once(), costs })
    }

    /// Energy of a conversion of a tile with `active` of its `rows` rows active, in the model's unit.
    pub fn at(&self, active: usize, rows: usize) -> f64 {
        let column = ColumnOccupancy::from_active(active.min(self.at_once), rows);
        self.costs[self.resolution.bits(&self.readout, column) as usize]
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
