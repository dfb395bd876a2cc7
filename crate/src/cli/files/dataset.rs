//! Opens the images of a run: the built-in ones, CIFAR-10, or image files laid out like ImageNet's.

use std::fs;
use std::path::Path;

use crate::cli::files::image_files;
use crate::cli::files::io::{display_path, read};
use crate::config::{DataSource, TrainConfig};
use crate::data::imagenet::LoaderConfig;
use crate::data::loader::DataLoader;
use crate::data::{self, TrainTest};
use crate::error::{Error, Result};

/// Opens the images of a run: `builtin`, CIFAR-10's binary files (a folder or an archive), or images in
/// one of ImageNet's layouts. Sets `data` in the configuration accordingly.
///
/// # Errors
/// If files are missing or damaged.
pub fn open_dataset(path: &Path, spec: &mut TrainConfig, reading: LoaderConfig) -> Result<DataLoader> {
    if !path.is_dir() || holds_cifar10(path) || !image_files::is_image_folder(path) {
        if ![0, data::SIDE].contains(&spec.side) {
            let why = "these images are 32 x 32; only ImageNet's can be scaled";
            return Err(Error::field("side", spec.side, why));
        }
        return Ok(open_in_memory(path, spec)?.into());
    }
    spec.data = DataSource::ImageNet;
    if spec.holdout > 0 {
        let why = "image folders have their own validation images";
        return Err(Error::field("holdout", spec.holdout, why));
    }
    if spec.limit > 0 {
        let why = "image folders are used whole; index a smaller folder";
        return Err(Error::field("limit", spec.limit, why));
    }
    spec.validate()?;
    Ok(image_files::open(path, spec.input_side(), reading)?.into())
}

fn holds_cifar10(path: &Path) -> bool {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.into_iter().any(|name| data::cifar10::is_training_file(&name) || data::cifar10::is_test_file(&name))
}

/// Opens images that fit in memory: `builtin`, or CIFAR-10's binary files (a folder or an archive). Sets
/// `data` in the configuration accordingly.
///
/// # Errors
/// If files are missing or damaged.
pub fn open_in_memory(path: &Path, spec: &mut TrainConfig) -> Result<TrainTest> {
    if path.as_os_str() == "builtin" {
        spec.data = DataSource::Builtin;
        return data::open(spec, &[]);
    }
    spec.data = DataSource::Cifar10;
    let files = if path.is_dir() {
        read_cifar10_folder(path, spec.holdout)?
    } else {
        vec![(display_path(path), read("reading CIFAR-10", path)?)]
    };
    data::open(spec, &files)
}

/// Reads the CIFAR-10 files of a folder, without the test file if a holdout replaces it.
fn read_cifar10_folder(path: &Path, holdout: usize) -> Result<Vec<(String, Vec<u8>)>> {
    let fail = |why: String| Error::file("reading CIFAR-10", display_path(path), why);
    let entries = fs::read_dir(path).map_err(|why| fail(why.to_string()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            data::cifar10::is_training_file(name) || (holdout == 0 && data::cifar10::is_test_file(name))
        })
        .collect();
    names.sort();
    if names.is_empty() {
        let why = "contains no data_batch_1.bin to data_batch_5.bin (CIFAR-10's binary version)";
        return Err(fail(why.to_owned()));
    }
    let load =
        |file: &String| Ok((display_path(&path.join(file)), read("reading CIFAR-10", &path.join(file))?));
    names.iter().map(load).collect()
}
