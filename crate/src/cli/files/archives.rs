//! ImageNet's official archives: indexed in place, or unpacked.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use indicatif::ProgressBar;

use crate::cli::files::io;
use crate::data::imagenet::archive::{
    Member, Section, class_archives, is_image, list_training, list_validation, members,
};
use crate::data::imagenet::devkit::{Synset, ground_truth, synsets};
use crate::data::imagenet::index::Index;
use crate::error::{Error, ErrorKind, Result};

const TRAINING_ARCHIVE: &str = "ILSVRC2012_img_train.tar";
const VALIDATION_ARCHIVE: &str = "ILSVRC2012_img_val.tar";
const DEVKIT: &str = "ILSVRC2012_devkit_t12";
const META_FILE: &str = "meta.mat";
const GROUND_TRUTH_FILE: &str = "ILSVRC2012_validation_ground_truth.txt";
/// The largest file to read from the development kit.
const MAX_DEVKIT_FILE_BYTES: u64 = 64 << 20;

/// Path of the training archive in a folder.
pub fn training_archive(root: &Path) -> PathBuf {
    root.join(TRAINING_ARCHIVE)
}

/// Path of the validation archive in a folder.
pub fn validation_archive(root: &Path) -> PathBuf {
    root.join(VALIDATION_ARCHIVE)
}

/// Whether a file name is that of an official archive, not of a shard.
pub fn is_official(name: &str) -> bool {
    name.starts_with("ILSVRC2012_")
}

/// The development kit.
pub struct DevKit {
    /// The classes, sorted by WordNet id.
    pub synsets: Vec<Synset>,
    /// Labels of the validation images, sorted by file name.
    pub truth: Vec<usize>,
}

impl DevKit {
    /// Reads the kit next to the archives, packed or unpacked; `None` if it is absent.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn open(root: &Path) -> Result<Option<Self>> {
        let (folder, packed) = (root.join(DEVKIT), root.join(format!("{DEVKIT}.tar.gz")));
        let (name, meta, truth) = if folder.is_dir() {
            let read = |file: &str| io::read("reading the development kit", &folder.join("data").join(file));
            (io::display_path(&folder), Some(read(META_FILE)?), Some(read(GROUND_TRUTH_FILE)?))
        } else if packed.is_file() {
            let [meta, truth] = read_packed_devkit(&packed)?;
            (io::display_path(&packed), meta, truth)
        } else {
            return Ok(None);
        };
        let missing =
            || Error::file("reading the development kit", &*name, "meta.mat or the ground truth is missing");
        let (meta, truth) = (meta.ok_or_else(missing)?, truth.ok_or_else(missing)?);
        let synsets = synsets(&meta).map_err(|error| error.with_path(&name))?;
        let truth = ground_truth(&String::from_utf8_lossy(&truth), &synsets);
        Ok(Some(Self { truth: truth.map_err(|error| error.with_path(&name))?, synsets }))
    }

    /// Checks that each class has as many images as the kit lists.
    ///
    /// # Errors
    /// Names the first class that does not.
    pub fn check(&self, index: &Index, name: &str) -> Result<()> {
        let fail = |why: String| Error::file("counting images", name, why);
        if !index.train.is_empty() {
            let counts = index.train.per_class(index.classes.len());
            for (synset, count) in self.synsets.iter().zip(counts) {
                if synset.images != count {
                    let why = format!("{} has {count} of {} training images", synset.wnid, synset.images);
                    return Err(fail(why));
                }
            }
        }
        if !index.val.is_empty() && index.val.len() != self.truth.len() {
            let why = format!("found {} of {} validation images", index.val.len(), self.truth.len());
            return Err(fail(why));
        }
        Ok(())
    }
}

fn read_packed_devkit(path: &Path) -> Result<[Option<Vec<u8>>; 2]> {
    let fail = |why: std::io::Error| Error::file("reading the development kit", io::display_path(path), why);
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(io::open(path)?)));
    let mut found = [None, None];
    for entry in archive.entries().map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.path().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        let slot = match name.as_deref() {
            Some(META_FILE) => &mut found[0],
            Some(GROUND_TRUTH_FILE) => &mut found[1],
            _ => continue,
        };
        let mut bytes = Vec::new();
        entry.take(MAX_DEVKIT_FILE_BYTES).read_to_end(&mut bytes).map_err(fail)?;
        *slot = Some(bytes);
    }
    Ok(found)
}

/// Indexes the images of the archives in a folder.
///
/// # Errors
/// If an archive is damaged or doesn't match the kit.
pub fn list_images(root: &Path) -> Result<Index> {
    let kit = DevKit::open(root)?;
    let mut index = Index::default();
    if training_archive(root).is_file() {
        let mut archive = io::open(&training_archive(root))?;
        index.classes = list_training(&mut archive, TRAINING_ARCHIVE, &mut index.train)
            .map_err(|error| with_archive_path(error, &training_archive(root)))?;
    }
    if let Some(kit) = &kit {
        let known: Vec<String> = kit.synsets.iter().map(|synset| synset.wnid.clone()).collect();
        if index.classes.is_empty() {
            index.classes = known;
        } else if index.classes != known {
            let (found, told) = (index.classes.len(), known.len());
            let why = format!("its {found} classes differ from the {told} of the development kit");
            return Err(Error::file(
                "reading the training archive",
                io::display_path(&training_archive(root)),
                why,
            ));
        }
    }
    if validation_archive(root).is_file() {
        let kit = kit.as_ref().ok_or_else(|| {
            let why = format!("{DEVKIT}.tar.gz with the labels of {VALIDATION_ARCHIVE} is missing");
            Error::file("reading labels", io::display_path(root), why)
        })?;
        list_validation(io::open(&validation_archive(root))?, VALIDATION_ARCHIVE, &kit.truth, &mut index.val)
            .map_err(|error| with_archive_path(error, &validation_archive(root)))?;
    }
    if let Some(kit) = &kit {
        kit.check(&index, &io::display_path(root))?;
    }
    Ok(index)
}

fn with_archive_path(error: Error, path: &Path) -> Error {
    match error.kind() {
        ErrorKind::File { file, .. } if file.is_empty() => error.with_path(&io::display_path(path)),
        _ => error,
    }
}

/// Unpacks the archives into `train/` and `val/`, one folder per class; keeps classes that are unpacked already.
///
/// # Errors
/// If an archive is damaged or the disk is full.
pub fn unpack(root: &Path, out: &Path, bar: &ProgressBar) -> Result<()> {
    if training_archive(root).is_file() {
        let archive = io::open(&training_archive(root))?;
        let classes =
            class_archives(archive).map_err(|error| with_archive_path(error, &training_archive(root)))?;
        bar.set_length(classes.len() as u64);
        for (class, tar) in classes {
            unpack_class(&training_archive(root), &tar, &out.join("train"), &class)?;
            bar.inc(1);
        }
    }
    if validation_archive(root).is_file() {
        unpack_validation(root, &out.join("val"))?;
    }
    Ok(())
}

/// Unpacks a class, unless its folder exists: it gets its final name when it is complete.
fn unpack_class(archive: &Path, tar: &Member, train: &Path, class: &str) -> Result<()> {
    let (done, part) = (train.join(class), train.join(format!(".{class}.part")));
    if done.is_dir() {
        return Ok(());
    }
    let fail = |why: std::io::Error| Error::file("unpacking", io::display_path(&part), why);
    if part.exists() {
        fs::remove_dir_all(&part).map_err(fail)?;
    }
    fs::create_dir_all(&part).map_err(fail)?;
    let section = Section::new(io::open(archive)?, tar.offset, tar.length).map_err(fail)?;
    members(section, |member, content| {
        // Only the last component of the path, so that nothing is written outside the folder.
        if is_image(member.name()) {
            let mut file = File::create(part.join(member.name())).map_err(fail)?;
            std::io::copy(content, &mut file).map_err(fail)?;
        }
        Ok(())
    })
    .map_err(|error| with_archive_path(error, archive))?;
    fs::rename(&part, &done).map_err(fail)
}

fn unpack_validation(root: &Path, val: &Path) -> Result<()> {
    let index = list_images(root)?;
    let folders: std::collections::HashMap<&str, &str> = (0..index.val.len())
        .map(|at| (index.val.image(at).name, index.classes[index.val.label(at)].as_str()))
        .collect();
    members(io::open(&validation_archive(root))?, |member, content| {
        let Some(class) = folders.get(member.name()) else { return Ok(()) };
        let folder = val.join(class);
        let fail = |why: std::io::Error| Error::file("unpacking", io::display_path(&folder), why);
        let done = folder.join(member.name());
        if fs::metadata(&done).is_ok_and(|there| there.len() == member.length) {
            return Ok(());
        }
        fs::create_dir_all(&folder).map_err(fail)?;
        let part = folder.join(format!(".{}.part", member.name()));
        let mut file = File::create(&part).map_err(fail)?;
        std::io::copy(content, &mut file).map_err(fail)?;
        fs::rename(&part, &done).map_err(fail)
    })
    .map_err(|error| with_archive_path(error, &validation_archive(root)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::files::image_files;
    use crate::data::imagenet::archive::tar_of;
    use crate::data::imagenet::mat_fixture::meta_mat;
    use crate::data::imagenet::{LoaderConfig, index::ImageRef};
    use crate::data::loader::LabeledDataset;

    fn jpeg(shade: u8) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let image = image::RgbImage::from_pixel(9, 8, image::Rgb([shade; 3]));
        image.write_to(&mut bytes, image::ImageFormat::Jpeg).expect("encodes");
        bytes.into_inner()
    }

    /// Archives of two classes: three training images and two validation images.
    fn archives(folder: &Path, truth: &str) {
        let images = [10, 60, 120, 180, 240].map(jpeg);
        let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("writes");
        let second = tar_of(&[("n02_1.JPEG", &images[2])]);
        let first = tar_of(&[("n01_1.JPEG", &images[0]), ("n01_2.JPEG", &images[1])]);
        write(TRAINING_ARCHIVE, &tar_of(&[("n02.tar", &second), ("n01.tar", &first)]));
        write(VALIDATION_ARCHIVE, &tar_of(&[("val_2.JPEG", &images[4]), ("val_1.JPEG", &images[3])]));
        let meta = meta_mat(&[(1, "n02", 0, 1), (2, "n01", 0, 2), (3, "n00", 2, 0)], true);
        let inside = |name: &str| format!("{DEVKIT}/data/{name}");
        let kit = tar_of(&[(&inside(META_FILE), &meta), (&inside(GROUND_TRUTH_FILE), truth.as_bytes())]);
        let mut packed = flate2::read::GzEncoder::new(&*kit, flate2::Compression::fast());
        let mut bytes = Vec::new();
        packed.read_to_end(&mut bytes).expect("compresses");
        write(&format!("{DEVKIT}.tar.gz"), &bytes);
    }

    fn labels_and_shades(root: &Path) -> Vec<(i32, f32)> {
        let images = image_files::open(root, 8, LoaderConfig::default()).expect("opens");
        let batches = images.batches(0..images.len(), 1).map(|batch| batch.expect("reads"));
        batches.map(|batch| (batch.labels[0], batch.images[0])).collect()
    }

    #[test]
    fn archives_are_read_in_place_or_unpacked() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        archives(root, "1\n2\n");
        let index = image_files::build_index(root).expect("lists");
        assert_eq!((index.classes.join(" "), index.train.len()), ("n01 n02".to_owned(), 3));
        let packed = labels_and_shades(root);
        assert_eq!([packed[0].0, packed[1].0], [0, 1], "classes take turns");
        assert!(packed[0].1 > packed[1].1, "the second image is lighter and belongs to the first WordNet ID");

        let out = root.join("out");
        let bar = ProgressBar::hidden();
        unpack(root, &out, &bar).expect("unpacks");
        // Interrupted within a class: its folder still has its temporary name.
        fs::rename(out.join("train/n02"), out.join("train/.n02.part")).expect("renames");
        fs::write(out.join("val/n01/.val_2.JPEG.part"), b"half").expect("writes");
        fs::remove_file(out.join("val/n01/val_2.JPEG")).expect("removes");
        unpack(root, &out, &bar).expect("resumes");
        let unpacked = image_files::build_index(&out).expect("lists");
        assert_eq!((unpacked.train.len(), unpacked.val.len()), (3, 2));
        assert_eq!(labels_and_shades(&out), packed);
        let whole = ImageRef { container: "train/n01", name: "n01_1.JPEG", span: None, label: 0 };
        assert_eq!(unpacked.train.image(0), whole);
    }

    #[test]
    fn missing_images_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        for (truth, expected) in [("1\n2\n1\n", "2 images and 3 labels"), ("1\n7\n", "line 2")] {
            archives(folder.path(), truth);
            let why = image_files::build_index(folder.path()).expect_err("incomplete");
            assert!(why.to_string().contains(expected), "{why}");
        }
        archives(folder.path(), "1\n2\n");
        let only = tar_of(&[("n01_1.JPEG", b"x")]);
        let training = tar_of(&[("n02.tar", &only), ("n01.tar", &only)]);
        fs::write(folder.path().join(TRAINING_ARCHIVE), training).expect("writes");
        let why = image_files::build_index(folder.path()).expect_err("incomplete");
        assert!(why.to_string().contains("n01 has 1 of 2 training images"), "{why}");
        fs::remove_file(folder.path().join(format!("{DEVKIT}.tar.gz"))).expect("removes");
        let why = image_files::build_index(folder.path()).expect_err("without labels");
        assert!(why.to_string().contains("devkit"), "{why}");
    }
}
