//! Pixels in the order in which a product needs them: padded maps, and runs of neighbours from them.

use crate::{TASK, parallel};

/// Where source maps lie among the zeros around them, so that every tap of a kernel reads inside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Padding {
    /// Zeros above and to the left.
    pub before: [usize; 2],
    /// Height and width with all zeros.
    pub size: [usize; 2],
    /// Step of the taps in each direction.
    pub stride: [usize; 2],
}

impl Padding {
    /// Pixels of a row with the same remainder by the stride. Those lie side by side, so that a tap reads neighbours
    /// with any stride.
    fn part(&self) -> usize {
        self.size[1].div_ceil(self.stride[1])
    }

    /// Values of a padded row.
    pub fn width(&self) -> usize {
        self.part() * self.stride[1]
    }

    /// Values of a padded map.
    pub fn elements(&self) -> usize {
        self.size[0] * self.width()
    }

    /// Where the pixel lies that taps without offset read for an output pixel.
    #[inline(always)]
    pub fn start(&self, y: usize, x: usize) -> usize {
        y * self.stride[0] * self.width() + x
    }

    /// How far a tap reads from [`Padding::start`], by its offset from the first pixel of the map.
    pub fn offset(&self, [y, x]: [isize; 2]) -> usize {
        let row = (y + self.before[0] as isize) as usize;
        let column = (x + self.before[1] as isize) as usize;
        row * self.width() + column % self.stride[1] * self.part() + column / self.stride[1]
    }

    /// Copies a map of this width into a padded one of zeros.
    pub fn copy(&self, from: &[f32], width: usize, to: &mut [f32]) {
        let (part, stride) = (self.part(), self.stride[1]);
        let rows = to.chunks_exact_mut(self.width()).skip(self.before[0]);
        for (from, to) in from.chunks_exact(width).zip(rows) {
            if stride == 1 {
                copy_short(from, &mut to[self.before[1]..]);
                continue;
            }
            for first in 0..stride.min(width) {
                let column = first + self.before[1];
                let to = &mut to[column % stride * part..][..part][column / stride..];
                copy_every(stride, &from[first..], to);
            }
        }
    }
}

/// Maps with zeros around each.
pub(super) struct PaddedMaps {
    pub values: Vec<f32>,
    pub padding: Padding,
}

impl PaddedMaps {
    /// Copies maps of this height and width.
    pub fn new(source: &[f32], [height, width]: [usize; 2], padding: Padding) -> Self {
        let elements = padding.elements();
        let maps = source.len() / (height * width).max(1);
        let mut values = vec![0.0; maps * elements];
        let some = TASK.div_ceil(elements.max(1));
        parallel::map_chunks(&mut values, some * elements, |task, values| {
            let from = source[task * some * height * width..].chunks_exact((height * width).max(1));
            for (from, to) in from.zip(values.chunks_exact_mut(elements)) {
                padding.copy(from, width, to);
            }
        });
        Self { values, padding }
    }
}

/// Whether a tap ever reads a pixel of a map of this size, or zeros around it only.
///
/// `tap` is its offset from a pixel of `grid` times `stride`.
pub(super) fn reads(tap: [isize; 2], grid: [usize; 2], stride: [usize; 2], size: [usize; 2]) -> bool {
    [0, 1].into_iter().all(|at| {
        let read = |pixel: usize| (pixel * stride[at]) as isize + tap[at];
        (0..grid[at]).any(|pixel| (0..size[at] as isize).contains(&read(pixel)))
    })
}

/// Copies a row, which is often too short for a call of the library's copy.
#[inline(always)]
fn copy_short(from: &[f32], to: &mut [f32]) {
    let to = &mut to[..from.len()];
    if from.len() > 32 {
        to.copy_from_slice(from);
        return;
    }
    let ((pairs, last), (to_pairs, to_last)) = (from.as_chunks::<2>(), to.as_chunks_mut::<2>());
    for (to, from) in to_pairs.iter_mut().zip(pairs) {
        *to = *from;
    }
    if let ([to], [from]) = (to_last, last) {
        *to = *from;
    }
}

/// Copies every `stride`th value, beginning with the first.
#[inline(always)]
pub(super) fn copy_every(stride: usize, from: &[f32], to: &mut [f32]) {
    match stride {
        1 => copy_every_of::<1>(from, to),
        2 => copy_every_of::<2>(from, to),
        _ => {
            for (to, from) in to.iter_mut().zip(from.iter().step_by(stride)) {
                *to = *from;
            }
        }
    }
}

#[inline(always)]
fn copy_every_of<const STRIDE: usize>(from: &[f32], to: &mut [f32]) {
    let (groups, rest) = from.as_chunks::<STRIDE>();
    for (to, group) in to.iter_mut().zip(groups) {
        *to = group[0];
    }
    if let (Some(to), Some(from)) = (to.get_mut(groups.len()), rest.first()) {
        *to = *from;
    }
}

/// Pixels that are read side by side: the longest run of which both a row of the grid and a panel are multiples.
pub(super) fn run_length(row: usize, panel: usize) -> usize {
    match common_divisor(row, panel.min(32)) {
        run @ (2 | 4 | 8 | 16 | 32) => run,
        _ => 1,
    }
}

/// The greatest common divisor.
fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// For each of `offsets`, copies a run of values from each of `starts` moved by it; `run` is a [`run_length`].
///
/// # Shapes
/// - `to`: `[offsets, starts, run]`
#[cfg_attr(target_arch = "wasm32", inline(never))]
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
pub(super) fn gather(run: usize, values: &[f32], starts: &[usize], offsets: &[usize], to: &mut [f32]) {
    match run {
        32 => gather_runs::<32>(values, starts, offsets, to),
        16 => gather_runs::<16>(values, starts, offsets, to),
        8 => gather_runs::<8>(values, starts, offsets, to),
        4 => gather_runs::<4>(values, starts, offsets, to),
        2 => gather_runs::<2>(values, starts, offsets, to),
        _ => gather_runs::<1>(values, starts, offsets, to),
    }
}

#[inline(always)]
fn gather_runs<const RUN: usize>(values: &[f32], starts: &[usize], offsets: &[usize], to: &mut [f32]) {
    for (offset, to) in offsets.iter().zip(to.chunks_exact_mut(RUN * starts.len())) {
        let (to, _) = to.as_chunks_mut::<RUN>();
        for (to, start) in to.iter_mut().zip(starts) {
            let from = start + offset;
            to.copy_from_slice(&values[from..from + RUN]);
        }
    }
}
