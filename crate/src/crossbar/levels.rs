//! Discrete levels: a tile at level `k` has the sparsity `1 - 2^-k`, which saves `k` ADC bits in the
//! paper's count (arXiv 2403.13082).

/// The levels `0..=N+1` of a crossbar with `rows` rows, `N = ceil(log2(rows))`.
///
/// Level `k` holds sparsities from `1 - 2^-k` to below `1 - 2^-(k+1)`. The last level, `N + 1`, has
/// sparsity 1: since a tile has at most `2^N` rows, it holds exactly the tiles without an active row.
///
/// ```
/// use crossdub::crossbar::levels::Levels;
///
/// let levels = Levels::new(32);
/// assert_eq!((levels.dense_bits(), levels.count(), levels.empty()), (5, 7, 6));
/// // 8 of 32 rows are active: sparsity 0.75, level 2.
/// assert_eq!(levels.level_of(8, 32), 2);
/// assert_eq!(levels.rows_at(32, 2), 8);
/// assert_eq!(levels.level_of(0, 32), levels.empty());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    dense_bits: u32,
}

impl Levels {
    /// The levels of a crossbar with `rows` rows (word lines).
    pub fn new(rows: usize) -> Self {
        Self { dense_bits: rows.next_power_of_two().trailing_zeros() }
    }

    /// `N`: the ADC bits that a dense tile needs in the paper's count.
    pub fn dense_bits(self) -> u32 {
        self.dense_bits
    }

    /// The last level, of tiles without an active row.
    pub fn empty(self) -> usize {
        self.dense_bits as usize + 1
    }

    /// Number of levels, `N + 2`.
    pub fn count(self) -> usize {
        self.dense_bits as usize + 2
    }

    /// The level of a column with `active` of its `rows` rows active.
    pub fn level_of(self, active: usize, rows: usize) -> usize {
        // 1 - active/rows >= 1 - 2^-k, without rounding.
        (1..=self.empty()).take_while(|&k| active << k <= rows).last().unwrap_or(0)
    }

    /// Whether that column's sparsity lies in the upper half of `level`, nearer to the next one.
    pub fn in_upper_half(self, active: usize, rows: usize, level: usize) -> bool {
        // The midpoint of a level is 1 - 0.75 * 2^-level.
        (4 * active) << level <= 3 * rows
    }

    /// Rows that a column of `rows` rows keeps at `level`: at least one.
    pub fn rows_at(self, rows: usize, level: usize) -> usize {
        (rows >> level).max(1).min(rows)
    }

    /// Counts tiles by level: [`count`](Self::count) numbers.
    ///
    /// # Panics
    /// If a level is above [`empty`](Self::empty).
    pub fn histogram(self, levels: impl IntoIterator<Item = usize>) -> Vec<u64> {
        let mut histogram = vec![0; self.count()];
        for level in levels {
            histogram[level] += 1;
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_the_published_edges() {
        let levels = Levels::new(32);
        assert_eq!((levels.dense_bits(), levels.count()), (5, 7));
        for (active, level) in
            [(32, 0), (17, 0), (16, 1), (9, 1), (8, 2), (4, 3), (3, 3), (2, 4), (1, 5), (0, 6)]
        {
            assert_eq!(levels.level_of(active, 32), level, "{active} of 32");
        }
        assert_eq!(levels.level_of(1, 27), 4, "a narrow tile ends at the level of its true sparsity");
    }

    #[test]
    fn midpoints_split_the_levels() {
        let levels = Levels::new(32);
        assert!(levels.in_upper_half(24, 32, 0) && !levels.in_upper_half(25, 32, 0));
        assert!(levels.in_upper_half(12, 32, 1) && !levels.in_upper_half(13, 32, 1));
    }
}
