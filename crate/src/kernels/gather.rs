//! Copies of pixels: maps into larger ones, and runs of neighbours.

/// Copies a map into a larger one.
pub(super) fn copy_inside(
    from: &[f32],
    width: usize,
    to: &mut [f32],
    to_width: usize,
    [top, left]: [usize; 2],
) {
    for (y, row) in from.chunks_exact(width).enumerate() {
        let start = (y + top) * to_width + left;
        to[start..start + width].copy_from_slice(row);
    }
}

/// The greatest common divisor: pixels that are always neighbours in a row.
pub(super) fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// Copies `RUN` values from each of `starts`, moved by `offset`.
#[inline(always)]
pub(super) fn gather<const RUN: usize>(values: &[f32], starts: &[usize], offset: usize, to: &mut [f32]) {
    let (to, _) = to.as_chunks_mut::<RUN>();
    for (to, start) in to.iter_mut().zip(starts) {
        let from = start + offset;
        to.copy_from_slice(&values[from..from + RUN]);
    }
}
