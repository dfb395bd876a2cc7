//! Discrete levels: a tile at level `k` has the sparsity `1 - 2^-k`, which saves `k` ADC bits.

/// The levels `0..=N+1` of a crossbar with `tile` rows, `N = ceil(log2(tile))`.
///
/// Bin `k` holds sparsities from `1 - 2^-k` to below `1 - 2^-(k+1)`; the last bin, `N + 1`, ends at
/// 1 and, since a tile has at most `2^N` rows, holds just the tiles without an active row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    bits: u32,
}

impl Levels {
    /// The levels of a crossbar with `tile` rows.
    pub fn new(rows: usize) -> Self {
        Self { bits: rows.next_power_of_two().trailing_zeros() }
    }

    /// `N`: the ADC bits that a dense tile needs in the paper's model.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// The last bin, of tiles without an active row.
    pub fn empty(self) -> usize {
        self.bits as usize + 1
    }

    /// Number of bins, `N + 2`.
    pub fn bins(self) -> usize {
        self.bits as usize + 2
    }

    /// The bin of a column with `active` of `rows` rows active.
    pub fn level_of(self, active: usize, rows: usize) -> usize {
        // 1 - active/rows >= 1 - 2^-k, without rounding.
        (1..=self.empty()).take_while(|&k| active << k <= rows).last().unwrap_or(0)
    }

    /// Whether that column's sparsity lies in the upper half of bin `bin`.
    pub fn in_upper_half(self, active: usize, rows: usize, bin: usize) -> bool {
        // The bin's midpoint is 1 - 0.75 * 2^-bin.
        (4 * active) << bin <= 3 * rows
    }

    /// Bits of a conversion by the paper's count: `N` less one a level, and none without an active row.
    pub fn conversion_bits(self, active: usize, rows: usize) -> f64 {
        f64::from(self.bits.saturating_sub(self.level_of(active, rows) as u32))
    }

    /// Rows that a column of `rows` keeps at `level`: at least one.
    pub fn rows_at(self, rows: usize, level: usize) -> usize {
        (rows >> level).max(1).min(rows)
    }

    /// Counts tiles by bin.
    pub fn histogram(self, bins: impl IntoIterator<Item = usize>) -> Vec<u64> {
        let mut histogram = vec![0; self.bins()];
        for bin in bins {
            histogram[bin] += 1;
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_have_the_published_edges() {
        let levels = Levels::new(32);
        assert_eq!((levels.bits(), levels.bins()), (5, 7));
        for (active, bin) in
            [(32, 0), (17, 0), (16, 1), (9, 1), (8, 2), (4, 3), (3, 3), (2, 4), (1, 5), (0, 6)]
        {
            assert_eq!(levels.level_of(active, 32), bin, "{active} of 32");
        }
        assert_eq!(levels.level_of(1, 27), 4, "a narrow tile ends at the level of its true sparsity");
    }

    #[test]
    fn midpoints_split_the_bins() {
        let levels = Levels::new(32);
        assert!(levels.in_upper_half(24, 32, 0) && !levels.in_upper_half(25, 32, 0));
        assert!(levels.in_upper_half(12, 32, 1) && !levels.in_upper_half(13, 32, 1));
    }
}
