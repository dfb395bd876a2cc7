//! How fast image files become training batches.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::BenchTime;
use crate::cli::files;
use crate::cli::files::image_files;
use crate::data::batch::BatchConfig;
use crate::data::imagenet::{ImageNet, LoaderConfig, index::Index};
use crate::error::Result;

/// Images of a batch.
const BATCH: usize = 64;
/// Batches before the measurement.
const WARM_UP: u64 = 4;
/// The measurement takes at least this long and this many batches.
const MIN_TIME: Duration = Duration::from_secs(8);
const MIN_BATCHES: usize = 4;

/// Measures each folder.
///
/// # Errors
/// When a folder contains no images.
pub(super) fn measure(folders: &[PathBuf]) -> Result<Vec<BenchTime>> {
    folders.iter().map(|folder| measure_folder(folder)).collect()
}

fn measure_folder(folder: &Path) -> Result<BenchTime> {
    let loader_config = LoaderConfig { ahead: 2, ..LoaderConfig::default() };
    let index = repeated(image_files::load_index(folder)?)?;
    let mut images = ImageNet::new(index, image_files::disk_reader(folder), 224, loader_config)?;
    let drawing = BatchConfig { seed: 0, batch: BATCH, augment: true };
    for step in 0..WARM_UP {
        images.training_batch(drawing, 0, step)?;
    }
    let (mut count, mut step) = (0, WARM_UP);
    let started = Instant::now();
    while count < MIN_BATCHES * BATCH || started.elapsed() < MIN_TIME {
        // Continues with the next epoch at the end of one.
        count += images.training_batch(drawing, 0, step)?.labels.len();
        step += 1;
    }
    let milliseconds = 1000.0 * started.elapsed().as_secs_f64() / count as f64;
    let name =
        folder.file_name().map_or_else(|| files::display_path(folder), |n| n.to_string_lossy().into_owned());
    let what = format!("a training image, {name}, {} workers", loader_config.threads);
    let note = format!("{:.0} images a second", 1000.0 / milliseconds);
    Ok(BenchTime::new("images", what, milliseconds, count).with_note(note))
}

/// Repeats the training images until there are thousands, so that all batches are full.
fn repeated(index: Index) -> Result<Index> {
    let mut train = index.train.clone();
    while train.len() < 64 * BATCH {
        for at in 0..index.train.len() {
            train.push(index.train.image(at))?;
        }
    }
    Ok(Index { train, ..index })
}
