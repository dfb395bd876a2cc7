//! Finds the images of ImageNet, or of a data set with its layout, and reads them one by one.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::files::archives;
use crate::cli::files::disk_tree::DiskTree;
use crate::cli::files::io;
use crate::data::folders::notes::about;
use crate::data::folders::{class_layout, split_layout};
use crate::data::imagenet::index::{ImageRef, Index};
use crate::data::imagenet::webdataset::{Shards, Split};
use crate::data::imagenet::{ImageNet, LoaderConfig, ReadImage};
use crate::error::{Error, Result};

/// Name of the index that `crossdub data imagenet` writes.
pub const INDEX_FILE: &str = "crossdub-index.txt";
/// The largest image file to read.
const MAX_IMAGE_BYTES: u64 = 1 << 28;
/// Bytes that reveal a file's format.
const HEAD: u64 = 64;
/// How many tar files stay open.
const MAX_OPEN_ARCHIVES: usize = 256;

/// Opens the images of a folder, for networks with inputs of `side` x `side` pixels.
///
/// # Errors
/// If the folder has none of the layouts, or its files are damaged.
pub fn open(root: &Path, side: usize, loader_config: LoaderConfig) -> Result<ImageNet> {
    ImageNet::new(load_index(root)?, disk_reader(root), side, loader_config)
}

/// A reader for the images below a folder.
pub fn disk_reader(root: &Path) -> Box<dyn ReadImage> {
    Box::new(DiskReader::new(root))
}

/// Opens single image files without labels.
///
/// # Errors
/// If a path has no file name.
pub fn open_single_images(paths: &[PathBuf], side: usize, classes: Vec<String>) -> Result<ImageNet> {
    let mut index = Index { classes, ..Index::default() };
    for path in paths {
        let folder = path.parent().map(io::display_path).unwrap_or_default();
        let name = path.file_name().map(|name| name.to_string_lossy());
        let name =
            name.ok_or_else(|| Error::file("reading an image", io::display_path(path), "not a file"))?;
        index.val.push(ImageRef { container: &folder, name: &name, span: None, label: 0 })?;
    }
    let loader_config = LoaderConfig { max_bad: 0.0, ..LoaderConfig::default() };
    ImageNet::new(index.check()?, disk_reader(Path::new("")), side, loader_config)
}

/// The index of a folder: the stored one, otherwise a new one.
///
/// # Errors
/// If the folder has none of the layouts, or its files are damaged.
pub fn load_index(root: &Path) -> Result<Index> {
    let written = root.join(INDEX_FILE);
    if written.is_file() {
        let file = File::open(&written);
        let file = file.map_err(|why| {
            Error::file("reading an index", io::display_path(&written), &why).with_source(why)
        })?;
        return Index::read(BufReader::new(file))
            .map_err(|error| error.with_path(&io::display_path(&written)));
    }
    build_index(root)
}

/// Indexes the files of a folder.
///
/// # Errors
/// If the folder has none of the layouts, or its files are damaged.
pub fn build_index(root: &Path) -> Result<Index> {
    find_layout(root).and_then(Index::check).map_err(|error| error.with_path(&io::display_path(root)))
}

fn find_layout(root: &Path) -> Result<Index> {
    let tree = DiskTree::new(root);
    if let Some(index) = split_layout(&tree)? {
        return Ok(index);
    }
    if !shards(root, "train").is_empty() {
        return index_shards(root);
    }
    if archives::training_archive(root).is_file() || archives::validation_archive(root).is_file() {
        return archives::list_images(root);
    }
    class_layout(&tree)?.ok_or_else(|| {
        let why = "contains no train/ and val/ with one folder per class, no ImageNet archives, no shards, and none \
                   of CIFAR's files";
        Error::file("looking for images", "", why)
    })
}

/// Names of a split's folder, and words in the names of its shards.
fn names_of(part: &str) -> &'static [&'static str] {
    if part == "train" {
        &["train", "training"]
    } else {
        &["val", "valid", "validation", "eval", "evaluation"]
    }
}

/// The shards of a split, relative to the root: `train/*.tar`, or in the root itself those with the word in their name.
fn shards(root: &Path, part: &str) -> Vec<String> {
    let of_folder = |folder: &&str| {
        tar_files(&root.join(folder)).into_iter().map(|name| format!("{folder}/{name}")).collect()
    };
    let own: Vec<String> =
        names_of(part).iter().map(of_folder).find(|found: &Vec<_>| !found.is_empty()).unwrap_or_default();
    if own.is_empty() { tar_files(root).into_iter().filter(|name| is_of(name, part)).collect() } else { own }
}

/// The tar files in a folder, without the official archives.
fn tar_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_shard = |name: &String| {
        let is_tar = [".tar", ".tar.gz", ".tgz"].iter().any(|ending| name.ends_with(ending));
        is_tar && !name.starts_with('.') && !archives::is_official(name)
    };
    let mut found: Vec<String> = names.filter(is_shard).collect();
    found.sort();
    found
}

/// The tar files in the root that are of neither split.
fn unassigned_shards(root: &Path) -> Vec<String> {
    let assigned = ["train", "val"].map(|part| shards(root, part)).concat();
    tar_files(root).into_iter().filter(|name| !assigned.contains(name)).collect()
}

/// Whether a shard's name has the split as a word: `retrieval-train-000.tar` is of `train` alone.
fn is_of(name: &str, part: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(|letter: char| !letter.is_ascii_alphabetic());
    words.any(|word| names_of(part).contains(&word))
}

/// Indexes WebDataset shards; `classes.txt` names their classes if they are numbers.
fn index_shards(root: &Path) -> Result<Index> {
    let mut found = Shards::default();
    for (part, name) in [(Split::Train, "train"), (Split::Val, "val")] {
        for shard in shards(root, name) {
            found.add(BufReader::new(io::open(&root.join(&shard))?), &shard, part)?;
        }
    }
    let names = root.join("classes.txt");
    let text = if names.is_file() { io::read("reading classes", &names)? } else { Vec::new() };
    let text = String::from_utf8_lossy(&text);
    let named: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut index = found.finish(&named)?;
    let unassigned = unassigned_shards(root);
    let names: Vec<&str> = unassigned.iter().map(String::as_str).collect();
    index.notes.extend(about("archives in the folder that are not read", &names));
    Ok(index)
}

/// Reads images from the disk.
struct DiskReader {
    root: PathBuf,
    /// Open tar files and their lengths.
    open: Mutex<HashMap<String, Arc<(File, u64)>>>,
}

impl DiskReader {
    fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), open: Mutex::default() }
    }

    fn tar(&self, container: &str) -> std::result::Result<Arc<(File, u64)>, String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(container) {
            return Ok(Arc::clone(known));
        }
        if open.len() >= MAX_OPEN_ARCHIVES {
            open.clear();
        }
        let file = File::open(self.root.join(container)).map_err(|why| why.to_string())?;
        let length = file.metadata().map_err(|why| why.to_string())?.len();
        let file = Arc::new((file, length));
        open.insert(container.to_owned(), Arc::clone(&file));
        Ok(file)
    }
}

impl ReadImage for DiskReader {
    fn read_image(&self, image: ImageRef<'_>) -> std::result::Result<Vec<u8>, String> {
        let Some((offset, length)) = image.span else {
            let path = self.root.join(image.container).join(image.name);
            let size = fs::metadata(&path).map_err(|why| why.to_string())?.len();
            if size > MAX_IMAGE_BYTES {
                return Err(format!("too large ({size} bytes)"));
            }
            return fs::read(path).map_err(|why| why.to_string());
        };
        let tar = self.tar(image.container)?;
        if offset.checked_add(u64::from(length)).is_none_or(|end| end > tar.1)
            || u64::from(length) > MAX_IMAGE_BYTES
        {
            return Err("beyond the end of its tar file".to_owned());
        }
        let mut bytes = vec![0; length as usize];
        read_at(&tar.0, &mut bytes, offset).map_err(|why| why.to_string())?;
        Ok(bytes)
    }

    fn size(&self, image: ImageRef<'_>) -> Option<u64> {
        match image.span {
            Some((_, size)) => Some(u64::from(size)),
            None => Some(fs::metadata(self.root.join(image.container).join(image.name)).ok()?.len()),
        }
    }

    fn read_head(&self, image: ImageRef<'_>) -> std::result::Result<Vec<u8>, String> {
        let Some((offset, length)) = image.span else {
            let mut head = Vec::new();
            let file = File::open(self.root.join(image.container).join(image.name));
            let read = file.and_then(|file| file.take(HEAD).read_to_end(&mut head));
            return read.map(|_| head).map_err(|why| why.to_string());
        };
        self.read_image(ImageRef { span: Some((offset, length.min(HEAD as u32))), ..image })
    }
}

/// Reads at an offset without moving the file's cursor, which threads share.
#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Reads at an offset.
#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        (bytes, offset) = (&mut bytes[count..], offset + count as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_of_the_split_that_is_a_word_of_their_name() {
        for (name, parts) in [
            ("imagenet-train-000123.tar", [true, false]),
            ("val_00.tar", [false, true]),
            ("Validation-7.tar.gz", [false, true]),
            ("imagenet-eval-000.tar", [false, true]),
            ("retrieval-train-000.tar", [true, false]),
            ("retrieval-val-000.tar", [false, true]),
            ("trainval-000.tar", [false, false]),
        ] {
            assert_eq!([is_of(name, "train"), is_of(name, "val")], parts, "{name}");
        }
    }

    #[test]
    fn shards_of_no_split_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["train-0.tar", "val-0.tar", "trainval-0.tar", "test-0.tgz", "ILSVRC2012_x.tar", "a.txt"]
        {
            fs::write(folder.path().join(name), "").expect("writes");
        }
        assert_eq!(unassigned_shards(folder.path()), ["test-0.tgz", "trainval-0.tar"]);
        fs::create_dir(folder.path().join("train")).expect("creates");
        fs::write(folder.path().join("train/0.tar"), "").expect("writes");
        let all = ["test-0.tgz", "train-0.tar", "trainval-0.tar"];
        assert_eq!(unassigned_shards(folder.path()), all, "those in train/ come first");
        fs::create_dir(folder.path().join("validation")).expect("creates");
        fs::write(folder.path().join("validation/7.tar"), "").expect("writes");
        assert_eq!(shards(folder.path(), "val"), ["validation/7.tar"]);
    }
}
