//! The nearest integers of one column of a crossbar that keep to caps on its set cells: a magnitude's digits lie in cells of
//! several crossbars (slices), those of negative weights in others. (New here.)

use crate::rounding::nearest_within;

/// Projects columns onto the integers that keep to their caps; keeps its buffers.
///
/// ```
/// use crossdub_kernels::column_projection::ColumnProjection;
///
/// // 3 bits with their sign on cells of one bit: two slices, the lower first, each positive and negative.
/// let mut columns = ColumnProjection::new(3, 1, 4);
/// // Three positive weights have their lowest bit set, and one may: 2.9 keeps its higher bit.
/// assert_eq!(columns.project(&[1.1, 2.9, 1.2, -1.0], &[1, 1, 1, 1]), [0, 2, 1, -1]);
/// ```
pub struct ColumnProjection {
    slices: usize,
    cell_bits: u32,
    rows_at_once: usize,
    largest: i16,
    integers: Vec<i16>,
    cells: Vec<SetCell>,
    /// Set cells of the rows in work, by slice and polarity.
    counts: Vec<usize>,
}

/// A set cell of the slice that is being cleared.
#[derive(Clone, Copy)]
struct SetCell {
    row: usize,
    /// The nearest magnitude without the cell below the weight's, all cells below it set, and what it costs.
    below: (u32, f64),
    /// The next one above, which is infinitely dear beyond the largest integer.
    above: (u32, f64),
}

impl ColumnProjection {
    /// For weights of 2 to 16 bits, their sign among them, on cells of so many bits, with so many rows active at once.
    pub fn new(precision: u32, cell_bits: u32, rows_at_once: usize) -> Self {
        Self {
            slices: (precision - 1).div_ceil(cell_bits) as usize,
            cell_bits,
            rows_at_once,
            largest: ((1_i32 << (precision - 1)) - 1) as i16,
            integers: Vec::new(),
            cells: Vec::new(),
            counts: Vec::new(),
        }
    }

    /// The integers of one column of a tile, with a cap for each slice and polarity. The weights are in units of the step.
    pub fn project(&mut self, weights: &[f64], caps: &[usize]) -> &[i16] {
        self.integers.clear();
        // An empty tile: what clearing cell by cell would leave.
        if caps.iter().all(|&cap| cap == 0) {
            self.integers.resize(weights.len(), 0);
            return &self.integers;
        }
        for (group, weights) in weights.chunks(self.rows_at_once.max(1)).enumerate() {
            self.project_rows(group * self.rows_at_once, weights, caps);
        }
        &self.integers
    }

    /// Adds the integers of the rows from `first` on, which are active at once.
    fn project_rows(&mut self, first: usize, weights: &[f64], caps: &[usize]) {
        let largest = f64::from(self.largest);
        self.integers.extend(weights.iter().map(|&weight| nearest_within(weight, largest) as i16));
        if caps.iter().all(|&cap| cap >= weights.len()) {
            return;
        }
        self.counts.clear();
        self.counts.resize(2 * self.slices, 0);
        for at in first..self.integers.len() {
            let integer = self.integers[at];
            self.count(u32::from(integer.unsigned_abs()), integer.signum(), 1);
        }
        for sign in [1_i16, -1] {
            // From the highest slice down: what is cleared above may set cells below, never the other way round.
            for slice in (0..self.slices).rev() {
                self.clear(slice, sign, caps, (first, weights));
            }
        }
    }

    /// The digit of a magnitude in a slice.
    #[inline(always)]
    fn digit(&self, magnitude: u32, slice: usize) -> u32 {
        (magnitude >> (slice as u32 * self.cell_bits)) & ((1 << self.cell_bits) - 1)
    }

    /// Where a slice and polarity have their cap and count.
    #[inline(always)]
    fn place(slice: usize, sign: i16) -> usize {
        2 * slice + usize::from(sign < 0)
    }

    /// Adds the cells of an integer to the counts, or removes them.
    #[inline(always)]
    fn count(&mut self, magnitude: u32, sign: i16, change: isize) {
        let (mut left, mut slice) = (magnitude, 0);
        while left != 0 {
            if left & ((1 << self.cell_bits) - 1) != 0 {
                let count = &mut self.counts[Self::place(slice, sign)];
                *count = count.wrapping_add_signed(change);
            }
            left >>= self.cell_bits;
            slice += 1;
        }
    }

    /// Clears the cheapest cells of one slice and polarity until no more are set than its cap allows.
    fn clear(&mut self, slice: usize, sign: i16, caps: &[usize], (first, weights): (usize, &[f64])) {
        let place = Self::place(slice, sign);
        let over = self.counts[place].saturating_sub(caps[place]);
        if over == 0 {
            return;
        }
        self.list_cells(slice, sign, (first, weights));
        if self.cells.iter().all(|cell| cell.above.1 == f64::INFINITY) {
            // None can rise, so that clearing one changes nothing for the others.
            let by_cost = |a: &SetCell, b: &SetCell| a.below.1.total_cmp(&b.below.1).then(a.row.cmp(&b.row));
            self.cells.select_nth_unstable_by(over - 1, by_cost);
            for at in 0..over {
                let SetCell { row, below: (to, _), .. } = self.cells[at];
                self.replace(first + row, sign, to);
            }
            return;
        }
        for _ in 0..over {
            let mut best: Option<(f64, usize, bool)> = None;
            for (at, cell) in self.cells.iter().enumerate() {
                if best.is_none_or(|(least, ..)| cell.below.1 < least) {
                    best = Some((cell.below.1, at, false));
                }
                if best.is_none_or(|(least, ..)| cell.above.1 < least)
                    && self.may_rise(slice, sign, caps, first, cell)
                {
                    best = Some((cell.above.1, at, true));
                }
            }
            let Some((_, at, rises)) = best else { return };
            let cell = self.cells.remove(at);
            self.replace(first + cell.row, sign, if rises { cell.above.0 } else { cell.below.0 });
        }
    }

    /// Gives a row another magnitude, and counts its cells.
    #[inline(always)]
    fn replace(&mut self, row: usize, sign: i16, magnitude: u32) {
        self.count(u32::from(self.integers[row].unsigned_abs()), sign, -1);
        self.count(magnitude, sign, 1);
        self.integers[row] = sign * magnitude as i16;
    }

    /// Lists the set cells of a slice and polarity with what it costs to clear each.
    fn list_cells(&mut self, slice: usize, sign: i16, (first, weights): (usize, &[f64])) {
        let largest = u32::from(self.largest.unsigned_abs());
        let low = slice as u32 * self.cell_bits;
        let high = low + self.cell_bits;
        self.cells.clear();
        for (row, (&integer, &weight)) in self.integers[first..].iter().zip(weights).enumerate() {
            let magnitude = u32::from(magnitude_of(integer, sign));
            if self.digit(magnitude, slice) == 0 {
                continue;
            }
            let loss = |magnitude: u32| (weight.abs() - f64::from(magnitude)).powi(2);
            let below = ((magnitude >> high) << high) | ((1 << low) - 1);
            let above = ((magnitude >> high) + 1) << high;
            let rise = if above <= largest { loss(above) - loss(magnitude) } else { f64::INFINITY };
            self.cells.push(SetCell {
                row,
                below: (below, loss(below) - loss(magnitude)),
                above: (above, rise),
            });
        }
    }

    /// Whether the slices above have room for the cells that rounding up sets.
    fn may_rise(&self, slice: usize, sign: i16, caps: &[usize], first: usize, cell: &SetCell) -> bool {
        let from = u32::from(self.integers[first + cell.row].unsigned_abs());
        (slice + 1..self.slices).all(|higher| {
            let place = Self::place(higher, sign);
            self.counts[place] < caps[place]
                || self.digit(cell.above.0, higher) == 0
                || self.digit(from, higher) != 0
        })
    }
}

/// The magnitude of an integer of this sign; 0 for others.
#[inline(always)]
fn magnitude_of(integer: i16, sign: i16) -> u16 {
    (integer * sign).max(0).unsigned_abs()
}
