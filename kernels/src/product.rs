//! Maps as sums over channels and taps of a kernel: what a convolution and its gradient by the input both are.
//!
//! The source pixels of a block (im2col) are gathered just before they are used, so that they come from the cache. Where
//! there are few pixels, the cores share the outputs, so that no core reads all weights.
//! Each sum runs in a fixed order, whatever the number of threads: a run repeats to the bit.

use std::ops::Range;

use pulp::{Simd, WithSimd, bytemuck};

use super::arch;
use super::division::Division;
use super::gather::{PaddedMaps, Padding, gather, run_length};
use super::microkernel::{ROWS, VECTORS, multiply_rows, zero};

/// Products summed up in one block: what a panel of them needs stays in the first-level cache.
const BLOCK_DEPTH: usize = 192;
/// Panels of pixels in one block: the block stays in the second-level cache.
const BLOCK_PANELS: usize = 8;
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

    /// Computes the sums of `weights`, `[group][output][source][tap]`, and writes them.
    pub fn run(&self, weights: &[f32], finish: Finish<'_>, source: &[f32], output: &mut [f32], batch: usize) {
        let source_image = self.groups * self.sources * self.source_size[0] * self.source_size[1];
        let map = self.output_size[0] * self.output_size[1];
        let output_image = self.groups * self.outputs * map;
        let grid = self.grid[0] * self.grid[1];
        if grid == 0 || output_image == 0 {
            return;
        }
        let block = BLOCK_PANELS * VECTORS * arch::lanes();
        let division = Division::new(batch, grid, block, if self.groups == 1 { self.outputs } else { 1 });
        let padding = self.padding();
        division.run(output, output_image, |images, part, output| {
            let maps = PaddedMaps::new(
                &source[images.start * source_image..images.end * source_image],
                self.source_size,
                padding,
            );
            let outputs = if self.groups == 1 { part } else { 0..self.outputs };
            arch::dispatch(Task { product: self, maps: &maps, weights, finish, outputs, output });
        });
    }
}

/// Some images of a product, and some outputs of each group.
struct Task<'a> {
    product: &'a Product,
    maps: &'a PaddedMaps,
    weights: &'a [f32],
    finish: Finish<'a>,
    outputs: Range<usize>,
    /// The maps of these outputs, for each image.
    output: Vec<&'a mut [f32]>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { product, maps, weights, finish, outputs, mut output } = self;
        let panel_pixels = VECTORS * S::F32_LANES;
        let run = run_length(product.grid[1], panel_pixels);
        let depth = product.depth();
        let grid = product.grid[0] * product.grid[1];
        let pixels = output.len() * grid;
        let output_panels = outputs.len().div_ceil(ROWS);
        let channels = product.groups * product.sources;
        let map = maps.padding.elements();
        let taps = || product.taps.iter().map(|tap| maps.padding.offset(*tap));
        let offsets: Vec<usize> =
            (0..product.sources).flat_map(|channel| taps().map(move |tap| channel * map + tap)).collect();
        let most_panels = BLOCK_PANELS.min(pixels.div_ceil(panel_pixels));
        let mut block = vec![simd.splat_f32s(0.0); BLOCK_DEPTH.min(depth) * most_panels * VECTORS];
        let mut sums = vec![simd.splat_f32s(0.0); output_panels * BLOCK_PANELS * ROWS * VECTORS];
        let mut starts = vec![0; BLOCK_PANELS * panel_pixels / run];
        let mut row = vec![0.0; panel_pixels];
        for group in 0..product.groups {
            let weights = &weights[group * product.outputs * depth..(group + 1) * product.outputs * depth];
            for first in (0..pixels).step_by(BLOCK_PANELS * panel_pixels) {
                let panels = (pixels - first).min(BLOCK_PANELS * panel_pixels).div_ceil(panel_pixels);
                for (at, start) in starts.iter_mut().enumerate() {
                    // Past the last pixel the last ones are read again; nothing of that is written.
                    let pixel = (first + at * run).min(pixels - run);
                    let (image, pixel) = (pixel / grid, pixel % grid);
                    let (y, x) = (pixel / product.grid[1], pixel % product.grid[1]);
                    *start = (image * channels + group * product.sources) * map + maps.padding.start(y, x);
                }
                for start in (0..depth).step_by(BLOCK_DEPTH) {
                    let count = BLOCK_DEPTH.min(depth - start);
                    for panel in 0..panels {
                        let to = &mut block[panel * count * VECTORS..(panel + 1) * count * VECTORS];
                        let to: &mut [f32] = bytemuck::cast_slice_mut(to);
                        let starts =
                            &starts[panel * (panel_pixels / run)..(panel + 1) * (panel_pixels / run)];
                        gather(run, &maps.values, starts, &offsets[start..start + count], to);
                    }
                    for output_panel in 0..output_panels {
                        // Rows past the last are the last again; nothing of them is written.
                        let weights_of = |row: usize| {
                            let output = (outputs.start + output_panel * ROWS + row).min(outputs.end - 1);
                            &weights[output * depth + start..output * depth + start + count]
                        };
                        let rows = [weights_of(0), weights_of(1), weights_of(2), weights_of(3)];
                        for panel in 0..panels {
                            let b = &block[panel * count * VECTORS..(panel + 1) * count * VECTORS];
                            let tile = tile_at::<S>(&mut sums, output_panel, panel);
                            let begin = if start == 0 { zero(simd) } else { *tile };
                            *tile = multiply_rows(simd, rows, b, begin);
                        }
                    }
                }
                for channel in 0..outputs.len() {
                    let bias_at = group * product.outputs + outputs.start + channel;
                    let bias = simd.splat_f32s(finish.bias.map_or(0.0, |bias| bias[bias_at]));
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
                        let channel = group * outputs.len() + channel;
                        product.write(&row[..count], pixel..pixel + count, channel, &mut output);
                    }
                }
            }
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
    /// Writes finished values of one channel, counted among those of the task.
    #[inline(always)]
    fn write(&self, values: &[f32], pixels: Range<usize>, channel: usize, output: &mut [&mut [f32]]) {
        let grid = self.grid[0] * self.grid[1];
        let map = self.output_size[0] * self.output_size[1];
        if self.write_stride == [1, 1] {
            let mut done = 0;
            while done < values.len() {
                let (image, pixel) = ((pixels.start + done) / grid, (pixels.start + done) % grid);
                let count = (grid - pixel).min(values.len() - done);
                let to = channel * map + pixel;
                output[image][to..to + count].copy_from_slice(&values[done..done + count]);
                done += count;
            }
        } else {
            for (pixel, value) in pixels.zip(values) {
                let (image, pixel) = (pixel / grid, pixel % grid);
                let y = pixel / self.grid[1] * self.write_stride[0] + self.origin[0];
                let x = pixel % self.grid[1] * self.write_stride[1] + self.origin[1];
                output[image][channel * map + y * self.output_size[1] + x] = *value;
            }
        }
    }
}
