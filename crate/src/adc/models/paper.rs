//! The paper's model: energy proportional to bits, one bit less per level.
//!
//! Source: arXiv 2403.13082 and the authors' code. `E = b`, `b = N - k` with `N = ceil(log2(rows))`
//! and level `k`; a tile without an active row needs no conversion. Unitless; every tile counts once.
//!
//! The count is generous: one active row (`k = N`) costs nothing, though its sums take two values.

use crate::adc::estimate::ModelEstimate;
use crate::crossbar::levels::Levels;

/// What a conversion costs: its bits.
pub(crate) fn estimate(bits: u32) -> ModelEstimate {
    ModelEstimate::from_energy(f64::from(bits))
}

/// Bits of a tile at `level`.
///
/// ```
/// use crossdub::adc::models::paper;
/// use crossdub::crossbar::levels::Levels;
///
/// let levels = Levels::new(32);
/// assert_eq!([0, 1, 5, 6].map(|level| paper::bits(levels, level)), [5, 4, 0, 0]);
/// ```
pub fn bits(levels: Levels, level: usize) -> u32 {
    levels.dense_bits().saturating_sub(level as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_saves_a_bit() {
        let levels = Levels::new(32);
        let bits: Vec<u32> = (0..levels.count()).map(|level| bits(levels, level)).collect();
        assert_eq!(bits, [5, 4, 3, 2, 1, 0, 0]);
    }
}
