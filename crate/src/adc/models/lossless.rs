//! The lossless count: enough bits to tell all sums of a column apart.
//!
//! Exact by counting: `n` cells of `b_cell` bits under inputs of `b_in` bits at a time sum up to
//! `n * (2^b_in - 1) * (2^b_cell - 1)`, and 0 is one more value, so
//! `b = ceil(log2(n * (2^b_in - 1) * (2^b_cell - 1) + 1))`. With 1-bit inputs and cells a column of
//! `n` active rows takes the `n + 1` values `0..=n`. `E = b`, unitless, comparable with the paper's
//! model. 0 bits where nothing can be summed.

/// Bits that tell all sums of `n` cells apart, `dac_bits` of an input at a time, `cell_bits` a cell
/// (both at most 16); at most 64.
///
/// ```
/// use crossdub::adc::models::lossless::bits_for;
///
/// assert_eq!(bits_for(32, 1, 1), 6); // sums from 0 to 32
/// assert_eq!(bits_for(5, 2, 2), 6); // 0 to 5 * 3 * 3
/// assert_eq!(bits_for(0, 1, 1), 0);
/// ```
pub fn bits_for(n: usize, dac_bits: u32, cell_bits: u32) -> u32 {
    let most = |bits: u32| (1_u64 << bits.min(32)) - 1;
    let largest = (n as u64).saturating_mul(most(dac_bits)).saturating_mul(most(cell_bits));
    u64::BITS - largest.leading_zeros()
}

/// The same for sums of either sign, from a pair of columns of up to `n` cells each: one bit more.
pub fn signed_bits_for(n: usize, dac_bits: u32, cell_bits: u32) -> u32 {
    match bits_for(n, dac_bits, cell_bits) {
        0 => 0,
        bits => bits + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sums_fit_and_one_bit_less_is_too_few() {
        for (dac, cell) in [(1, 1), (1, 2), (2, 1), (4, 3), (8, 8)] {
            for active in 0_u64..3000 {
                let largest = active * ((1 << dac) - 1) * ((1 << cell) - 1);
                let bits = bits_for(active as usize, dac, cell);
                assert!(largest < 1 << bits, "{active} fits {bits} bits");
                assert!(bits == 0 || largest >= 1 << (bits - 1), "{active} needs {bits} bits");
            }
        }
    }

    #[test]
    fn a_sign_takes_one_bit_and_empty_columns_none() {
        assert_eq!([0, 1, 31, 32].map(|n| bits_for(n, 1, 1)), [0, 1, 5, 6]);
        assert_eq!([0, 1, 31, 32].map(|n| signed_bits_for(n, 1, 1)), [0, 2, 6, 7]);
        assert_eq!(bits_for(128, 8, 4), 19, "128 * 255 * 15 + 1 sums");
        assert_eq!(bits_for(usize::MAX, 16, 16), 64, "no overflow");
    }
}
