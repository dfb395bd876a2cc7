//! The images of recipes: opened once, shared between stages, identified by their content.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cli::files::dataset::open_dataset;
use crate::config::TrainConfig;
use crate::data::imagenet::LoaderConfig;
use crate::data::imagenet::index::Index;
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
    let name = serde_json::to_value(config.data).ok();
    let mut description = DataDescription {
        name: name.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
        train_images: loader.train_len(),
        test_images: loader.test().len(),
        classes: loader.classes().len(),
        sha256: String::new(),
    };
    let metadata = loader.input_metadata(config.data);
    let storage = match loader {
        DataLoader::Memory(split, _) => {
            description.sha256 = content_fingerprint(&[&split.train, &split.test]);
            CachedImages::Memory(split)
        }
        DataLoader::Files(files) => {
            description.sha256 = index_fingerprint(files.index());
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

/// SHA-256 over class names and the name, label and size of each image file: hashing the content of all of
/// ImageNet would take longer than the first epoch.
fn index_fingerprint(index: &Index) -> String {
    let mut hash = Sha256::new();
    hash.update(index.classes.join("\n"));
    for listing in [&index.train, &index.val] {
        hash.update((listing.len() as u64).to_le_bytes());
        for at in 0..listing.len() {
            let image = listing.image(at);
            let name = image.name.rsplit('/').next().unwrap_or_default();
            let size = image.span.map_or(0, |(_, size)| size);
            hash.update(format!("\n{name} {} {size}", image.label));
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
}
