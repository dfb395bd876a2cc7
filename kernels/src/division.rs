//! How a batch of maps is divided into tasks: by images, and where those are few by channels, too. What a task computes
//! doesn't depend on the division, so that results are the same for any number of threads.

use std::ops::Range;

use super::microkernel::ROWS;
use crate::parallel;

/// Pixels that make a task worth starting.
const TASK_PIXELS: usize = 1024;
/// Tasks that a batch is split into, if it has as many images, so that all cores find work.
const TASKS: usize = 16;
/// Tasks for each thread, where channels are split because there are few images.
const TASKS_PER_THREAD: usize = 4;
/// Channels that make it worth gathering the pixels once more.
const TASK_CHANNELS: usize = 32;

/// A batch's tasks.
pub(super) struct Division {
    batch: usize,
    /// Channels of an image.
    channels: usize,
    /// Images of a task,
    images: usize,
    /// and the channels of each.
    part: usize,
}

impl Division {
    /// Divides images of so many pixels, which are computed in blocks of `block` pixels. All weights are read once for
    /// each task of all channels, so that a task has a whole block, if the batch does.
    pub fn new(batch: usize, pixels: usize, block: usize, channels: usize) -> Self {
        let images = TASK_PIXELS.div_ceil(pixels).min(batch.div_ceil(TASKS)).max(block.div_ceil(pixels));
        let images = images.min(batch).max(1);
        let threads = parallel::threads();
        let parts = if threads == 1 {
            1
        } else {
            (TASKS_PER_THREAD * threads).div_ceil(batch.div_ceil(images).max(1))
        };
        let part = channels.div_ceil(parts).next_multiple_of(ROWS).max(TASK_CHANNELS).min(channels).max(1);
        Self { batch, channels, images, part }
    }

    /// Calls `work` for each task with its images, its channels, and the maps of these channels for each of the images.
    /// An image of `output` has this many values.
    pub fn run(
        &self,
        output: &mut [f32],
        image: usize,
        work: impl Fn(Range<usize>, Range<usize>, Vec<&mut [f32]>) + Sync + Send,
    ) {
        let parts = self.channels.div_ceil(self.part);
        let mut tasks: Vec<_> = (0..self.batch.div_ceil(self.images) * parts).map(|_| Vec::new()).collect();
        let values = image / self.channels * self.part;
        for (at, maps) in output.chunks_exact_mut(image).enumerate() {
            let tasks = &mut tasks[at / self.images * parts..];
            for (task, maps) in tasks.iter_mut().zip(maps.chunks_mut(values)) {
                task.push(maps);
            }
        }
        parallel::map_items(tasks, |task, maps| {
            let (first, part) = (task / parts * self.images, task % parts * self.part);
            work(first..first + maps.len(), part..(part + self.part).min(self.channels), maps);
        });
    }
}
