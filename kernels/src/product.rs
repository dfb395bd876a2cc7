//! Maps as sums over channels and taps of a kernel: what a convolution and its gradient by the input both are.
//!
//! The source pixels of a block (im2col) are gathered just before they are used, so that they come from the cache.
//! Each sum runs in a fixed order, whatever the number of threads: a run repeats to the bit.

use std::ops::Range;

use pulp::{Simd, WithSimd, bytemuck};

use super::arch;
use super::gather::{Padding, gather, run_length};
use super::microkernel::{ROWS, VECTORS, multiply_packed, zero};
use crate::parallel;

/// Products summed up in one block: what a panel of them needs stays in the first-level cache.
const BLOCK_DEPTH: usize = 192;
/// Panels of pixels in one block: the block stays in the second-level cache.
const BLOCK_PANELS: usize = 8;
/// Pixels that make a task worth starting.
const TASK_PIXELS: usize = 1024;
/// Tasks that a batch is split into, if it has as many images, so that all cores find work.
const TASKS: usize = 16;

/// Output maps as sums over source channels and taps.
pub(super) struct Product {
    pub groups: usize,
    /// Source channels of a group.
    pub sources: usize,
    /// Output channels of a group.
    pub outputs: usize,
    /// Height and width of the source, in pixels.
    pub source_size: [usize; 2],
    /// Where each tap reads, from the pixel of the grid times `read_stride`.
    pub taps: Vec<[isize; 2]>,
    pub read_stride: [usize; 2],
    /// Height and width of the output pixels that are computed,
    pub grid: [usize; 2],
    /// the first of them in the output,
    pub origin: [usize; 2],
    /// and their distance there.
    pub write_stride: [usize; 2],
    pub output_size: [usize; 2],
}

/// What happens to a sum before it is written.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
}

impl Product {
    /// Products in each sum.
    fn depth(&self) -> usize {
        self.sources * self.taps.len()
    }

    fn output_panels(&self) -> usize {
        self.outputs.div_ceil(ROWS)
    }

    fn padding(&self) -> Padding {
        let most = |values: &mut dyn Iterator<Item = isize>| values.max().unwrap_or(0).max(0) as usize;
        let before = [0, 1].map(|at| most(&mut self.taps.iter().map(|tap| -tap[at])));
        let after = [0, 1].map(|at| {
            let last = (self.grid[at] - 1) * self.read_stride[at] + 1;
            most(&mut self.taps.iter().map(|tap| last as isize + tap[at] - self.source_size[at] as isize))
        });
        let size = [0, 1].map(|at| before[at] + self.source_size[at] + after[at]);
        Padding { before, size, stride: self.read_stride }
    }

    /// Weights as the product reads them: group, block of depth, panel of outputs, product, output.
    pub fn pack_weights(&self, weight: impl Fn(usize, usize, usize, usize) -> f32 + Sync) -> Vec<f32> {
        let (depth, taps, panels) = (self.depth(), self.taps.len(), self.output_panels());
        let mut packed = vec![0.0; self.groups * panels * ROWS * depth];
        let mut blocks = Vec::new();
        let mut rest = packed.as_mut_slice();
        for group in 0..self.groups {
            for start in (0..depth).step_by(BLOCK_DEPTH) {
                let count = BLOCK_DEPTH.min(depth - start);
                let (block, behind) = rest.split_at_mut(panels * ROWS * count);
                blocks.push((group, start, count, block));
                rest = behind;
            }
        }
        parallel::map_items(blocks, |_, (group, start, count, block)| {
            for (panel, to) in block.chunks_exact_mut(ROWS * count).enumerate() {
                let outputs = panel * ROWS..((panel + 1) * ROWS).min(self.outputs);
                let (mut source, mut tap) = (start / taps, start % taps);
                for to in to.chunks_exact_mut(ROWS) {
                    for (to, output) in to.iter_mut().zip(outputs.clone()) {
                        *to = weight(group, output, source, tap);
                    }
                    tap += 1;
                    if tap == taps {
                        (source, tap) = (source + 1, 0);
                    }
                }
            }
        });
        packed
    }

    pub fn run(&self, packed: &[f32], finish: Finish<'_>, source: &[f32], output: &mut [f32], batch: usize) {
        let source_image = self.groups * self.sources * self.source_size[0] * self.source_size[1];
        let output_image = self.groups * self.outputs * self.output_size[0] * self.output_size[1];
        let grid = self.grid[0] * self.grid[1];
        if grid == 0 || output_image == 0 {
            return;
        }
        let images = TASK_PIXELS.div_ceil(grid).min(batch.div_ceil(TASKS)).max(1);
        let padding = self.padding();
        parallel::map_chunks(output, images * output_image, |task, output| {
            let count = output.len() / output_image;
            let first = task * images * source_image;
            let source = &source[first..first + count * source_image];
            let maps = PaddedMaps::new(source, self.source_size, padding);
            arch::dispatch(Task { product: self, maps: &maps, packed, finish, images: count, output });
        });
    }
}

/// Maps with zeros around each.
struct PaddedMaps {
    values: Vec<f32>,
    padding: Padding,
}

impl PaddedMaps {
    fn new(source: &[f32], [height, width]: [usize; 2], padding: Padding) -> Self {
        let elements = padding.elements();
        let mut values = vec![0.0; source.len() / (height * width).max(1) * elements];
        for (from, to) in source.chunks_exact(height * width).zip(values.chunks_exact_mut(elements)) {
            padding.copy(from, width, to);
        }
        Self { values, padding }
    }
}

/// Some images of a product.
struct Task<'a> {
    product: &'a Product,
    maps: &'a PaddedMaps,
    packed: &'a [f32],
    finish: Finish<'a>,
    images: usize,
    output: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { product, maps, packed, finish, images, output } = self;
        let panel_pixels = VECTORS * S::F32_LANES;
        let run = run_length(product.grid[1], panel_pixels);
        let (depth, taps) = (product.depth(), product.taps.len());
        let grid = product.grid[0] * product.grid[1];
        let pixels = images * grid;
        let output_panels = product.output_panels();
        let channels = product.groups * product.sources;
        let map = maps.padding.elements();
        let offsets: Vec<usize> = product.taps.iter().map(|tap| maps.padding.offset(*tap)).collect();
        let mut block = vec![simd.splat_f32s(0.0); BLOCK_DEPTH.min(depth) * BLOCK_PANELS * VECTORS];
        let mut sums = vec![simd.splat_f32s(0.0); output_panels * BLOCK_PANELS * ROWS * VECTORS];
        let mut starts = vec![0; BLOCK_PANELS * panel_pixels / run];
        let mut row = vec![0.0; panel_pixels];
        let mut weights = packed;
        for group in 0..product.groups {
            let group_weights = output_panels * ROWS * depth;
            for first in (0..pixels).step_by(BLOCK_PANELS * panel_pixels) {
                let panels = (pixels - first).min(BLOCK_PANELS * panel_pixels).div_ceil(panel_pixels);
                for (at, start) in starts.iter_mut().enumerate() {
                    // Past the last pixel the last ones are read again; nothing of that is written.
                    let pixel = (first + at * run).min(pixels - run);
                    let (image, pixel) = (pixel / grid, pixel % grid);
                    let (y, x) = (pixel / product.grid[1], pixel % product.grid[1]);
                    *start = (image * channels + group * product.sources) * map + maps.padding.start(y, x);
                }
                let mut at = 0;
                for start in (0..depth).step_by(BLOCK_DEPTH) {
                    let count = BLOCK_DEPTH.min(depth - start);
                    for panel in 0..panels {
                        let to = &mut block[panel * count * VECTORS..(panel + 1) * count * VECTORS];
                        let to: &mut [f32] = bytemuck::cast_slice_mut(to);
                        let starts =
                            &starts[panel * (panel_pixels / run)..(panel + 1) * (panel_pixels / run)];
                        let (mut channel, mut tap) = (start / taps, start % taps);
                        for to in to.chunks_exact_mut(panel_pixels) {
                            let offset = channel * map + offsets[tap];
                            gather(run, &maps.values, starts, offset, to);
                            tap += 1;
                            if tap == taps {
                                (tap, channel) = (0, channel + 1);
                            }
                        }
                    }
                    for output_panel in 0..output_panels {
                        let a = &weights[at..at + count * ROWS];
                        at += count * ROWS;
                        for panel in 0..panels {
                            let b = &block[panel * count * VECTORS..(panel + 1) * count * VECTORS];
                            let tile = tile_at::<S>(&mut sums, output_panel, panel);
                            let begin = if start == 0 { zero(simd) } else { *tile };
                            *tile = multiply_packed(simd, a, b, begin);
                        }
                    }
                }
                for channel in 0..product.outputs {
                    let output_channel = group * product.outputs + channel;
                    let bias = simd.splat_f32s(finish.bias.map_or(0.0, |bias| bias[output_channel]));
                    for panel in 0..panels {
                        let sums = &tile_at::<S>(&mut sums, channel / ROWS, panel)[channel % ROWS];
                        for (to, sum) in S::as_mut_simd_f32s(&mut row).0.iter_mut().zip(sums) {
                            let value = simd.add_f32s(*sum, bias);
                            // In this order a NaN stays one.
                            *to =
                                if finish.relu { simd.max_f32s(simd.splat_f32s(0.0), value) } else { value };
                        }
                        let pixel = first + panel * panel_pixels;
                        let count = panel_pixels.min(pixels - pixel);
                        product.write(&row[..count], pixel..pixel + count, output_channel, output);
                    }
                }
            }
            weights = &weights[group_weights..];
        }
    }
}

/// The tile of a panel of outputs and a panel of pixels.
#[inline(always)]
fn tile_at<S: Simd>(
    sums: &mut [S::f32s],
    output_panel: usize,
    panel: usize,
) -> &mut [[S::f32s; VECTORS]; ROWS] {
    let (tiles, _) = sums.as_chunks_mut::<VECTORS>();
    let (tiles, _) = tiles.as_chunks_mut::<ROWS>();
    &mut tiles[output_panel * BLOCK_PANELS + panel]
}

impl Product {
    /// Writes finished values of one channel.
    #[inline(always)]
    fn write(&self, values: &[f32], pixels: Range<usize>, channel: usize, output: &mut [f32]) {
        let grid = self.grid[0] * self.grid[1];
        let map = self.output_size[0] * self.output_size[1];
        let channels = self.groups * self.outputs;
        if self.write_stride == [1, 1] {
            let mut done = 0;
            while done < values.len() {
                let (image, pixel) = ((pixels.start + done) / grid, (pixels.start + done) % grid);
                let count = (grid - pixel).min(values.len() - done);
                let to = (image * channels + channel) * map + pixel;
                output[to..to + count].copy_from_slice(&values[done..done + count]);
                done += count;
            }
        } else {
            for (pixel, value) in pixels.zip(values) {
                let (image, pixel) = (pixel / grid, pixel % grid);
                let y = pixel / self.grid[1] * self.write_stride[0] + self.origin[0];
                let x = pixel % self.grid[1] * self.write_stride[1] + self.origin[1];
                output[(image * channels + channel) * map + y * self.output_size[1] + x] = *value;
            }
        }
    }
}
