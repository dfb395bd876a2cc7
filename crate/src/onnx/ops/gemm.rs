//! The product of two float matrices, in blocks that stay in the cache. The usual crates for it have
//! interfaces that are unsafe to call, which this crate forbids.

use crate::parallel;

/// Rows and columns of the block that stays in registers.
const ROWS: usize = 6;
const COLUMNS: usize = 16;
/// Terms of a sum that are added in one go.
const TERMS: usize = 256;
/// Columns that one task computes.
const TASK: usize = 16 * COLUMNS;

/// A matrix in any order.
#[derive(Debug, Clone, Copy)]
pub(in crate::onnx) struct Strided<'a> {
    pub(in crate::onnx) values: &'a [f32],
    /// Distance from one row to the next.
    pub(in crate::onnx) row: usize,
    /// Distance from one column to the next.
    pub(in crate::onnx) column: usize,
}

impl Strided<'_> {
    fn at(&self, row: usize, column: usize) -> f32 {
        self.values[row * self.row + column * self.column]
    }
}

/// `a * b` as `rows` x `columns`, row-major, where `b(term, column)` gives the second matrix.
pub(in crate::onnx) fn multiply(
    (rows, columns, terms): (usize, usize, usize),
    a: Strided<'_>,
    b: impl Fn(usize, usize) -> f32 + Sync,
) -> Vec<f32> {
    if rows == 0 || columns == 0 {
        return Vec::new();
    }
    if terms == 0 {
        return vec![0.0; rows * columns];
    }
    if columns == 1 {
        let vector: Vec<f32> = (0..terms).map(|term| b(term, 0)).collect();
        return multiply_vector((rows, terms), a, &vector);
    }
    let packed = pack(a, rows, terms);
    let tasks = columns.div_ceil(TASK);
    let blocks = parallel::map(tasks, |task| {
        let first = task * TASK;
        let width = TASK.min(columns - first);
        parallel::vectorized(
            #[inline(always)]
            || block((rows, width, terms), &packed, |term, column| b(term, first + column)),
        )
    });
    if let [_] = blocks[..] {
        return blocks.into_iter().next().unwrap_or_default();
    }
    let mut product = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for block in &blocks {
            let width = block.len() / rows;
            product.extend_from_slice(&block[row * width..(row + 1) * width]);
        }
    }
    product
}

/// The first matrix as bands of `ROWS` rows, each term by term; the last one is filled with zeros.
fn pack(a: Strided<'_>, rows: usize, terms: usize) -> Vec<f32> {
    let bands = parallel::map(rows.div_ceil(ROWS), |band| {
        let mut packed = vec![0.0; terms * ROWS];
        for row in 0..ROWS.min(rows - band * ROWS) {
            for (term, to) in packed[row..].iter_mut().step_by(ROWS).enumerate() {
                *to = a.at(band * ROWS + row, term);
            }
        }
        packed
    });
    bands.concat()
}

#[inline(always)]
fn block(
    (rows, width, terms): (usize, usize, usize),
    packed: &[f32],
    b: impl Fn(usize, usize) -> f32,
) -> Vec<f32> {
    let mut product = vec![0.0_f32; rows * width];
    let panels = width.div_ceil(COLUMNS);
    let mut panel = vec![[0.0_f32; COLUMNS]; TERMS.min(terms) * panels];
    for start in (0..terms).step_by(TERMS) {
        let length = TERMS.min(terms - start);
        for (at, lines) in panel.chunks_exact_mut(length).take(panels).enumerate() {
            let used = COLUMNS.min(width - at * COLUMNS);
            for (term, line) in lines.iter_mut().enumerate() {
                for (column, to) in line[..used].iter_mut().enumerate() {
                    *to = b(start + term, at * COLUMNS + column);
                }
            }
        }
        for (at, lines) in panel.chunks_exact(length).take(panels).enumerate() {
            let used = COLUMNS.min(width - at * COLUMNS);
            for (band, rows_of_band) in product.chunks_mut(ROWS * width).enumerate() {
                let factors = packed[(band * terms + start) * ROWS..][..length * ROWS].as_chunks::<ROWS>().0;
                let sums = kernel(factors, lines);
                for (row, sums) in rows_of_band.chunks_exact_mut(width).zip(&sums) {
                    let row = &mut row[at * COLUMNS..][..used];
                    row.iter_mut().zip(sums).for_each(|(to, sum)| *to += sum);
                }
            }
        }
    }
    product
}

/// The sums of one block in registers.
#[inline(always)]
fn kernel(factors: &[[f32; ROWS]], lines: &[[f32; COLUMNS]]) -> [[f32; COLUMNS]; ROWS] {
    let mut sums = [[0.0_f32; COLUMNS]; ROWS];
    for (factors, line) in factors.iter().zip(lines) {
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                sums[row][column] += factors[row] * line[column];
            }
        }
    }
    sums
}

/// A matrix times a vector.
fn multiply_vector((rows, terms): (usize, usize), a: Strided<'_>, vector: &[f32]) -> Vec<f32> {
    const LANES: usize = 16;
    let mut product = vec![0.0_f32; rows];
    let size = rows.div_ceil(64).max(64);
    parallel::map_chunks(&mut product, size, |at, part| {
        parallel::vectorized(
            #[inline(always)]
            || {
                let first = at * size;
                if a.column == 1 {
                    for (row, to) in part.iter_mut().enumerate() {
                        let line = &a.values[(first + row) * a.row..][..terms];
                        let ((lines, rest), (vectors, end)) =
                            (line.as_chunks::<LANES>(), vector.as_chunks::<LANES>());
                        let mut lanes = [0.0_f32; LANES];
                        for (line, vector) in lines.iter().zip(vectors) {
                            for lane in 0..LANES {
                                lanes[lane] += line[lane] * vector[lane];
                            }
                        }
                        let rest: f32 = rest.iter().zip(end).map(|(a, b)| a * b).sum();
                        *to = lanes.iter().sum::<f32>() + rest;
                    }
                } else {
                    for (term, &factor) in vector.iter().enumerate() {
                        for (row, to) in part.iter_mut().enumerate() {
                            *to += factor * a.values[(first + row) * a.row + term * a.column];
                        }
                    }
                }
            },
        );
    });
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_give_what_the_plain_sum_gives() {
        let value = |at: usize| ((at * 37 % 101) as f32 - 50.0) / 64.0;
        for (rows, columns, terms) in
            [(1, 1, 1), (7, 33, 300), (64, 600, 9), (13, 1, 40), (3, 5, 0), (6, 16, 256)]
        {
            let a: Vec<f32> = (0..rows * terms).map(value).collect();
            let b: Vec<f32> = (0..terms * columns).map(|at| value(at + 7)).collect();
            let by_rows = Strided { values: &a, row: terms, column: 1 };
            let product =
                multiply((rows, columns, terms), by_rows, |term, column| b[term * columns + column]);
            // The same matrix, transposed in memory.
            let turned: Vec<f32> = (0..rows * terms)
                .map(|at| if rows > 0 { a[at % rows * terms + at / rows] } else { 0.0 })
                .collect();
            let by_columns = Strided { values: &turned, row: 1, column: rows };
            let same =
                multiply((rows, columns, terms), by_columns, |term, column| b[term * columns + column]);
            for row in 0..rows {
                for column in 0..columns {
                    let sum: f64 = (0..terms)
                        .map(|t| f64::from(a[row * terms + t]) * f64::from(b[t * columns + column]))
                        .sum();
                    for product in [&product, &same] {
                        let found = f64::from(product[row * columns + column]);
                        assert!((found - sum).abs() < 1e-4, "{found} {sum}");
                    }
                }
            }
        }
    }
}
