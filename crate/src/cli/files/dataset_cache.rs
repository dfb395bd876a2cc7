//! The images of recipes: opened once, shared between stages, identified by their content.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use crate::cli::files::dataset::open_dataset;
use crate::config::TrainConfig;
use crate::data::imagenet::ImageNet;
use crate::data::imagenet::LoaderConfig;
use crate::data::loader::DataLoader;
use crate::data::standardization::InputMetadata;
use crate::data::{Dataset, IMAGE, TrainTest};
use crate::error::Result;
use crate::workflow::recipe::Recipe;
use crate::workflow::report::DataDescription;

/// The images of a recipe, ready to be opened for each stage.
pub struct CachedDataset {
    storage: CachedImages,
    /// Name, size and hash of the data set.
    pub description: DataDescription,
    /// What weights that are trained on them say about them.
    pub metadata: InputMetadata,
}

/// Where images are kept between stages.
enum CachedImages {
    /// In memory; each stage gets a copy.
    Memory(TrainTest),
    /// In files, opened again for each stage.
    Files { path: PathBuf, config: Box<TrainConfig>, loader_config: LoaderConfig },
}

impl CachedDataset {
    /// Opens the images for one training or evaluation.
    ///
    /// # Errors
    /// If files can no longer be opened.
    pub fn open(&self) -> Result<DataLoader> {
        match &self.storage {
            CachedImages::Memory(split) => Ok(split.clone().into()),
            CachedImages::Files { path, config, loader_config } => {
                open_dataset(path, &mut TrainConfig::clone(config), *loader_config)
            }
        }
    }
}

/// Opens data sets and keeps the last one: most runs of a sweep share it.
pub struct DatasetCache {
    loader_config: LoaderConfig,
    last: Mutex<Option<(String, Arc<CachedDataset>)>>,
}

impl DatasetCache {
    /// An empty cache; `loader_config` says how to read image files.
    pub fn new(loader_config: LoaderConfig) -> Self {
        Self { loader_config, last: Mutex::new(None) }
    }

    /// The images of a recipe.
    ///
    /// # Errors
    /// If files are missing or damaged.
    pub fn open(&self, recipe: &Recipe) -> Result<Arc<CachedDataset>> {
        let key = key(&recipe.data, &recipe.config);
        // Ignores poisoning: the value is replaced whole.
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((of, images)) = &*last
            && *of == key
        {
            return Ok(Arc::clone(images));
        }
        *last = None;
        let images = Arc::new(open(&recipe.data, recipe.config.clone(), self.loader_config)?);
        *last = Some((key, Arc::clone(&images)));
        Ok(images)
    }
}

/// The settings that decide which images are opened.
fn key(path: &str, config: &TrainConfig) -> String {
    // The built-in images depend on the seed.
    let seed = if path == "builtin" { config.seed } else { 0 };
    format!("{path}\n{} {} {} {seed} {}", config.holdout, config.limit, config.side, config.standardize)
}

fn open(path: &str, mut config: TrainConfig, loader_config: LoaderConfig) -> Result<CachedDataset> {
    let path = Path::new(path);
    let loader = open_dataset(path, &mut config, loader_config)?;
    let mut description = DataDescription::new(&loader, config.data);
    let metadata = loader.input_metadata(config.data);
    let storage = match loader {
        DataLoader::Memory(split, _) => {
            description.sha256 = content_fingerprint(&[&split.train, &split.test]);
            CachedImages::Memory(split)
        }
        DataLoader::Files(files) => {
            description.sha256 = files_fingerprint(&files);
            CachedImages::Files { path: path.to_owned(), config: Box::new(config), loader_config }
        }
    };
    Ok(CachedDataset { storage, description, metadata })
}

/// SHA-256 over class names, labels and images, each prefixed with its length: it does not depend on the
/// files that the data came in.
fn content_fingerprint(sets: &[&Dataset]) -> String {
    let mut hash = Sha256::new();
    for set in sets {
        for part in [set.classes.join("\n").as_bytes(), &set.labels] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update(((set.len() * IMAGE) as u64).to_le_bytes());
        set.images().for_each(|image| hash.update(image));
    }
    hex(&hash.finalize())
}

/// Of images of at most so many bytes in all the content is hashed.
const HASHED_WHOLE: u64 = 1 << 30;

/// SHA-256 over class names and the name, label and content of each image file. Of more than a gigabyte the sizes alone
/// count: to hash the content of all of ImageNet would take longer than the first epoch.
fn files_fingerprint(files: &ImageNet) -> String {
    let (index, reader) = (files.index(), files.reader());
    let listings = [&index.train, &index.val];
    let images = || listings.into_iter().flat_map(|listing| (0..listing.len()).map(|at| listing.image(at)));
    let sizes: Vec<u64> = images().map(|image| reader.size(image).unwrap_or(0)).collect();
    let is_small = sizes.iter().sum::<u64>() <= HASHED_WHOLE;
    let mut hash = Sha256::new();
    hash.update(index.classes.join("\n"));
    for listing in listings {
        hash.update((listing.len() as u64).to_le_bytes());
    }
    for (image, size) in images().zip(sizes) {
        let name = image.name.rsplit('/').next().unwrap_or_default();
        hash.update(format!("\n{name} {} {size}", image.label));
        if is_small {
            // An unreadable one is told from any other by its size.
            hash.update(reader.read_image(image).unwrap_or_default());
        }
    }
    hex(&hash.finalize())
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synthetic;

    #[test]
    fn the_fingerprint_depends_on_the_content() {
        let split = synthetic::generate(3, 6, 4);
        let of = |split: &TrainTest| content_fingerprint(&[&split.train, &split.test]);
        assert_eq!(of(&split), of(&synthetic::generate(3, 6, 4)));
        assert_ne!(of(&split), of(&synthetic::generate(4, 6, 4)));
        let mut moved = split.clone();
        moved.train.labels[0] ^= 1;
        assert_ne!(of(&split), of(&moved));
    }

    /// Two folders that differ in a pixel, and in nothing that a listing shows.
    #[test]
    fn the_fingerprint_of_files_depends_on_their_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = |name: &str, shade: u8| {
            let root = folder.path().join(name);
            for (part, class) in [("train", "cat"), ("train", "dog"), ("val", "cat"), ("val", "dog")] {
                let class = root.join(part).join(class);
                std::fs::create_dir_all(&class).expect("a folder");
                let picture = image::RgbImage::from_pixel(8, 8, image::Rgb([shade, 7, 7]));
                picture.save(class.join("1.png")).expect("writes");
            }
            let config = TrainConfig { side: 32, ..TrainConfig::default() };
            let opened = open(&root.display().to_string(), config, LoaderConfig::default()).expect("opens");
            opened.description.sha256
        };
        let first = of("a", 10);
        assert_eq!(of("b", 10), first, "wherever it lies");
        assert_ne!(of("c", 11), first);
    }
}
