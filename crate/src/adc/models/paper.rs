//! The paper's model: energy proportional to bits, one bit less a level.
//!
//! Source: arXiv 2403.13082 and the authors' code. `E = b`, `b = N - k` with `N = ceil(log2(rows))`
//! and level `k`; a tile without an active row needs no conversion. Unitless, every tile counts once.
//!
//! It is generous: one active row (`k = N`) costs nothing, though its column still takes two values.

use crate::adc::converter::ModelEstimate;
use crate::crossbar::levels::Levels;

/// What a conversion costs: its bits.
pub(crate) fn estimate(bits: u32) -> ModelEstimate {
    ModelEstimate::from_energy(f64::from(bits))
}

/// Bits of a tile at level `bin`.
pub fn bits(levels: Levels, bin: usize) -> u32 {
    levels.bits().saturating_sub(bin as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_saves_a_bit() {
        let levels = Levels::new(32);
        let bits: Vec<u32> = (0..levels.bins()).map(|bin| bits(levels, bin)).collect();
        assert_eq!(bits, [5, 4, 3, 2, 1, 0, 0]);
    }
}
