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

/// The greatest common divisor.
fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// Pixels that are read side by side: the longest run of which both a row of the grid and a panel are multiples.
pub(super) fn run_length(row: usize, panel: usize, stride: usize) -> usize {
    match common_divisor(row, panel.min(32)) {
        run @ (2 | 4 | 8 | 16 | 32) if stride == 1 => run,
        _ => 1,
    }
}

/// Copies a run of values from each of `starts`, moved by `offset`; `run` is a [`run_length`].
#[inline(always)]
pub(super) fn gather(run: usize, values: &[f32], starts: &[usize], offset: usize, to: &mut [f32]) {
    match run {
        32 => gather_runs::<32>(values, starts, offset, to),
        16 => gather_runs::<16>(values, starts, offset, to),
        8 => gather_runs::<8>(values, starts, offset, to),
        4 => gather_runs::<4>(values, starts, offset, to),
        2 => gather_runs::<2>(values, starts, offset, to),
        _ => gather_runs::<1>(values, starts, offset, to),
    }
}

#[inline(always)]
fn gather_runs<const RUN: usize>(values: &[f32], starts: &[usize], offset: usize, to: &mut [f32]) {
    let (to, _) = to.as_chunks_mut::<RUN>();
    for (to, start) in to.iter_mut().zip(starts) {
        let from = start + offset;
        to.copy_from_slice(&values[from..from + RUN]);
    }
}
