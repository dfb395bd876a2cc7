//! Finds the images of ImageNet, or of a data set with its layout, and reads them one by one.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::files::archives;
use crate::cli::files::io;
use crate::cli::output;
use crate::data::imagenet::archive::is_image;
use crate::data::imagenet::index::{ImageRef, Index, Listing};
use crate::data::imagenet::labels;
use crate::data::imagenet::webdataset::list_shard;
use crate::data::imagenet::{ImageNet, LoaderConfig, ReadImage};
use crate::error::{Error, Result};

/// Name of the index that `crossdub data imagenet` writes.
pub const INDEX_FILE: &str = "crossdub-index.txt";
/// The largest image file to read.
const MAX_IMAGE_BYTES: u64 = 1 << 28;
/// How many tar files stay open.
const MAX_OPEN_ARCHIVES: usize = 256;

/// Whether a folder has images in one of ImageNet's layouts.
pub fn is_image_folder(root: &Path) -> bool {
    root.join(INDEX_FILE).is_file()
        || ["train", "val"].iter().any(|part| root.join(part).is_dir())
        || !shards(root, "train").is_empty()
        || archives::training_archive(root).is_file()
        || !class_folders(root).is_empty()
}

/// Opens the images of a folder, for networks with inputs of `side` x `side` pixels.
///
/// # Errors
/// If the folder has none of the layouts, or its files are damaged.
pub fn open(root: &Path, side: usize, reading: LoaderConfig) -> Result<ImageNet> {
    ImageNet::new(load_index(root)?, disk_reader(root), side, reading)
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
    let reading = LoaderConfig { max_bad: 0.0, ..LoaderConfig::default() };
    ImageNet::new(index.check()?, disk_reader(Path::new("")), side, reading)
}

/// The index of a folder: the stored one, or else a new one.
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
    let (train, val) = (root.join("train"), root.join("val"));
    let index = if !class_folders(&train).is_empty() || !class_folders(&val).is_empty() {
        index_folders(root)?
    } else if !shards(root, "train").is_empty() {
        index_shards(root)?
    } else if archives::training_archive(root).is_file() || archives::validation_archive(root).is_file() {
        archives::list_images(root)?
    } else {
        let classes = class_folders(root);
        if classes.is_empty() {
            let why =
                "contains no train/ and val/ with one folder per class, no ImageNet archives and no shards";
            return Err(Error::file("looking for images", io::display_path(root), why));
        }
        output::status(&format!(
            "{}: no train/ and val/, so training and evaluation use the same images",
            io::display_path(root)
        ));
        let mut train = Listing::default();
        list_classes(root, "", &classes, &mut train)?;
        Index { classes, val: train.clone(), train }
    };
    index.check().map_err(|error| error.with_path(&io::display_path(root)))
}

/// One folder per class in `train/`; in `val/` the same, or all images in one folder with a file of labels.
fn index_folders(root: &Path) -> Result<Index> {
    let val = root.join("val");
    let mut classes = class_folders(&root.join("train"));
    let by_class = class_folders(&val);
    if classes.is_empty() {
        classes.clone_from(&by_class);
    }
    let mut index = Index { classes, ..Index::default() };
    list_classes(root, "train", &index.classes, &mut index.train)?;
    if let Some(unknown) = by_class.iter().find(|class| !index.classes.contains(class)) {
        let why = format!("val/{unknown} is not a class in train/");
        return Err(Error::file("looking for images", io::display_path(root), why));
    }
    if by_class.is_empty() {
        list_flat_validation(root, &index.classes, &mut index.val)?;
    } else {
        list_classes(root, "val", &index.classes, &mut index.val)?;
    }
    Ok(index)
}

/// Lists validation images that lie in one folder.
fn list_flat_validation(root: &Path, classes: &[String], listing: &mut Listing) -> Result<()> {
    let val = root.join("val");
    let images = image_names(&val)?;
    if images.is_empty() {
        return Ok(());
    }
    let places = labels::FILE_NAMES.iter().flat_map(|name| [val.join(name), root.join(name)]);
    let path = places.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        let why = format!("labels are missing: expected one of {}", labels::FILE_NAMES.join(", "));
        Error::file("reading labels", io::display_path(&val), why)
    })?;
    let text = io::read("reading labels", &path)?;
    let labels = labels::read(&String::from_utf8_lossy(&text), classes);
    let labels = labels.map_err(|error| error.with_path(&io::display_path(&path)))?;
    for image in images {
        let label = labels.get(labels::stem(&image)).copied().ok_or_else(|| {
            let why = format!("no label for {image}");
            Error::file("reading labels", io::display_path(&path), why)
        })?;
        listing.push(ImageRef { container: "val", name: &image, span: None, label })?;
    }
    Ok(())
}

/// Lists the images of the class folders below `part`.
fn list_classes(root: &Path, part: &str, classes: &[String], listing: &mut Listing) -> Result<()> {
    for (label, class) in classes.iter().enumerate() {
        let container = if part.is_empty() { class.clone() } else { format!("{part}/{class}") };
        let folder = root.join(&container);
        if !folder.is_dir() {
            continue;
        }
        for name in image_names(&folder)? {
            listing.push(ImageRef { container: &container, name: &name, span: None, label })?;
        }
    }
    Ok(())
}

/// The folders that contain images, sorted by name: the classes.
fn class_folders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let holds_images = |path: &Path| {
        let inside = fs::read_dir(path).into_iter().flatten().flatten();
        inside.take(100).any(|entry| is_image(&entry.file_name().to_string_lossy()))
    };
    let is_class = |entry: &fs::DirEntry| entry.path().is_dir() && holds_images(&entry.path());
    let named = |entry: fs::DirEntry| entry.file_name().into_string().ok();
    let mut classes: Vec<String> = entries.filter(is_class).filter_map(named).collect();
    // A folder whose name starts with a dot is still being unpacked.
    classes.retain(|class| !class.starts_with('.') && !["train", "val"].contains(&class.as_str()));
    classes.sort();
    classes
}

/// The image files of a folder, sorted by name.
fn image_names(folder: &Path) -> Result<Vec<String>> {
    let fail = |why: std::io::Error| Error::file("listing images", io::display_path(folder), why);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        if let Ok(name) = entry.map_err(fail)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.retain(|name| is_image(name));
    names.sort();
    Ok(names)
}

/// The shards of a split, relative to the root: `train/*.tar`, or `*train*.tar` in the root itself.
fn shards(root: &Path, part: &str) -> Vec<String> {
    let tar_files = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.ends_with(".tar") && !archives::is_official(name)).collect()
    };
    let mut found: Vec<String> =
        tar_files(&root.join(part)).into_iter().map(|name| format!("{part}/{name}")).collect();
    if found.is_empty() {
        found = tar_files(root).into_iter().filter(|name| name.contains(part)).collect();
    }
    found.sort();
    found
}

/// Indexes WebDataset shards; their classes are numbers, named by `classes.txt` if it exists.
fn index_shards(root: &Path) -> Result<Index> {
    let mut index = Index::default();
    let mut largest = None;
    for (part, listing) in [("train", &mut index.train), ("val", &mut index.val)] {
        for shard in shards(root, part) {
            let file = io::open(&root.join(&shard))?;
            largest = largest.max(list_shard(BufReader::new(file), &shard, listing)?);
        }
    }
    let count = largest.map_or(0, |largest| largest + 1);
    let names = root.join("classes.txt");
    let text = if names.is_file() { io::read("reading classes", &names)? } else { Vec::new() };
    let text = String::from_utf8_lossy(&text);
    let mut named = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let total = count.max(named.clone().count());
    index.classes = (0..total).map(|at| named.next().map_or_else(|| at.to_string(), str::to_owned)).collect();
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
    fn read_image(&self, place: ImageRef<'_>) -> std::result::Result<Vec<u8>, String> {
        let Some((offset, length)) = place.span else {
            let path = self.root.join(place.container).join(place.name);
            let size = fs::metadata(&path).map_err(|why| why.to_string())?.len();
            if size > MAX_IMAGE_BYTES {
                return Err(format!("too large ({size} bytes)"));
            }
            return fs::read(path).map_err(|why| why.to_string());
        };
        let tar = self.tar(place.container)?;
        if offset.checked_add(u64::from(length)).is_none_or(|end| end > tar.1)
            || u64::from(length) > MAX_IMAGE_BYTES
        {
            return Err("beyond the end of its tar file".to_owned());
        }
        let mut bytes = vec![0; length as usize];
        read_at(&tar.0, &mut bytes, offset).map_err(|why| why.to_string())?;
        Ok(bytes)
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
