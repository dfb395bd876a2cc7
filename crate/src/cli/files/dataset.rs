//! Opens the images of a run: the built-in ones, CIFAR's, or pictures in folders and archives. The content decides.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::files::image_files;
use crate::cli::files::io::{display_path, read};
use crate::cli::output;
use crate::config::{DataSource, TrainConfig};
use crate::data;
use crate::data::cifar::{self, Cifar};
use crate::data::folders::{self, MemoryTree};
use crate::data::imagenet::{ImageNet, LoaderConfig};
use crate::data::loader::DataLoader;
use crate::data::standardization::Standardization;
use crate::data::unpack::{self, Limits, NamedFiles};
use crate::error::{Error, Result};

/// The most bytes that an archive of pictures may unpack to; they are kept in memory.
const PICTURE_LIMITS: Limits = Limits { file: 1 << 28, total: 8 << 30 };

/// Opens the images of a run: `builtin`, CIFAR's files (a folder or an archive), or pictures in one of the layouts of
/// image folders or in an archive of class folders. Sets `data` in the configuration accordingly.
///
/// # Errors
/// If files are missing or damaged.
pub fn open_dataset(
    path: &Path,
    config: &mut TrainConfig,
    loader_config: LoaderConfig,
) -> Result<DataLoader> {
    if path.as_os_str() == "builtin" {
        config.data = DataSource::Builtin;
        check_in_memory(config)?;
        return Ok(data::open(config, Vec::new())?.into());
    }
    if let Some(files) = cifar_files(path, config.holdout)? {
        check_in_memory(config)?;
        let Cifar { source, split } = cifar::from_files(files, config.holdout)?;
        config.data = source;
        return Ok(split.prepared(config).into());
    }
    config.data = DataSource::ImageNet;
    if config.holdout > 0 {
        let why = "image folders have their own validation images";
        return Err(Error::field("holdout", config.holdout, why));
    }
    if config.limit > 0 {
        let why = "image folders are used whole; index a smaller folder";
        return Err(Error::field("limit", config.limit, why));
    }
    config.validate()?;
    let images = if path.is_dir() {
        image_files::open(path, config.input_side(), loader_config)?
    } else {
        open_archive(path, config.input_side(), loader_config)?
    };
    let images = images.standardized(Standardization::new(config.standardize, config.data, None));
    for note in &images.index().notes {
        output::status_once(&format!("{}: {note}", display_path(path)));
    }
    Ok(images.into())
}

fn check_in_memory(config: &TrainConfig) -> Result<()> {
    if [0, data::SIDE].contains(&config.side) {
        return Ok(());
    }
    Err(Error::field("side", config.side, "these images are 32 x 32; only image files can be scaled"))
}

/// The files of CIFAR in a folder, or an archive of them; `None` if it is something else. The test file is left out if
/// a holdout replaces it.
fn cifar_files(path: &Path, holdout: usize) -> Result<Option<NamedFiles>> {
    if !path.is_dir() {
        let (name, bytes) = (display_path(path), read("reading images", path)?);
        return Ok(match cifar::unpack_archive(&name, &bytes)? {
            None => Some(vec![(name, bytes)]),
            // A single packed file keeps its own name.
            Some(files) => files.iter().any(|(name, _)| cifar::is_image_file(name)).then_some(files),
        });
    }
    let mut files = cifar_names(path);
    if files.is_empty() {
        // torchvision keeps them one folder deeper, beside the archive.
        let below = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<(PathBuf, Vec<PathBuf>)> = below
            .filter(|folder| is_cifar_folder(folder))
            .map(|folder| (folder.clone(), cifar_names(&folder)))
            .collect();
        found.retain(|(_, files)| !files.is_empty());
        found.sort();
        if let [(one, _), (other, _), ..] = &*found {
            let why =
                format!("holds both {} and {}: name one of them", display_path(one), display_path(other));
            return Err(Error::file("reading CIFAR", display_path(path), why));
        }
        files = found.pop().map_or_else(Vec::new, |(_, files)| files);
    }
    files.retain(|file| holdout == 0 || !cifar::is_test_file(&display_path(file)));
    if files.is_empty() {
        return Ok(None);
    }
    let load = |file: &PathBuf| Ok((display_path(file), read("reading CIFAR", file)?));
    files.iter().map(load).collect::<Result<Vec<_>>>().map(Some)
}

fn is_cifar_folder(folder: &Path) -> bool {
    let name = folder.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase());
    name.is_some_and(|name| name.starts_with("cifar")) && folder.is_dir()
}

/// The files of a folder that are named like CIFAR's, sorted.
fn cifar_names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| cifar::is_image_file(&display_path(path)) && path.is_file()).collect();
    files.sort();
    files
}

/// Opens an archive of class folders, unpacked in memory.
fn open_archive(path: &Path, side: usize, loader_config: LoaderConfig) -> Result<ImageNet> {
    let name = display_path(path);
    let bytes = read("reading images", path)?;
    let keep = |file: &str| folders::is_image(file) || folders::is_label_file(file);
    let files = unpack::unpack(&name, &bytes, PICTURE_LIMITS, &keep)?.unwrap_or_default();
    if !files.iter().any(|(file, _)| folders::is_image(file)) {
        return Err(Error::file(
            "looking for images",
            name,
            "the archive holds no pictures and none of CIFAR's files",
        ));
    }
    let tree = MemoryTree::new(files);
    let index = match folders::split_layout(&tree)? {
        Some(index) => Some(index),
        None => folders::class_layout(&tree)?,
    };
    let index = index
        .ok_or_else(|| Error::file("looking for images", &*name, "its pictures are not in class folders"));
    ImageNet::new(
        index?.check().map_err(|error| error.with_path(&name))?,
        Box::new(tree),
        side,
        loader_config,
    )
}
