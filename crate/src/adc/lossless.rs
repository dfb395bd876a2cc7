//! The lossless model: as many bits as it takes to tell all sums of a column apart.
//!
//! Exact by counting: with 1-bit inputs and 1-bit cells a column of `n` active rows takes the
//! `n + 1` values `0..=n`, so `b = ceil(log2(n + 1))`. `E = b`, unitless, so that it compares
//! with the paper's model. No bits where no row is active.

/// Bits of a column with `active` rows.
pub fn bits(active: usize) -> u32 {
    usize::BITS - active.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sums_have_a_code_and_one_bit_less_has_not() {
        for active in 0_usize..5000 {
            let bits = bits(active);
            assert!(active < 1 << bits, "{active} fits {bits} bits");
            assert!(bits == 0 || active >= 1 << (bits - 1), "{active} needs {bits} bits");
        }
    }
}
