//! Transposed matrices.

/// Rows and columns of a block: its lines stay in the cache while it is turned.
const BLOCK: usize = 16;

/// The transpose of a row-major matrix of this many rows and columns.
///
/// ```
/// assert_eq!(crossdub_kernels::transpose::transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
/// ```
///
/// # Panics
/// When there are fewer values.
pub fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut turned = vec![0.0; rows * columns];
    for top in (0..rows).step_by(BLOCK) {
        for left in (0..columns).step_by(BLOCK) {
            for column in left..columns.min(left + BLOCK) {
                for row in top..rows.min(top + BLOCK) {
                    turned[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_changes_its_place() {
        for (rows, columns) in [(1, 1), (3, 50), (16, 16), (17, 33), (0, 4)] {
            let values: Vec<f32> = (0..rows * columns).map(|at| at as f32).collect();
            let turned = transposed(&values, rows, columns);
            for row in 0..rows {
                for column in 0..columns {
                    assert_eq!(turned[column * rows + row], values[row * columns + column]);
                }
            }
            assert_eq!(transposed(&turned, columns, rows), values);
        }
    }
}
