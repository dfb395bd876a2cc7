//! Folders on disk, as the readers of image layouts see them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::cli::files::io::display_path;
use crate::data::folders::{DirEntry, FileTree};
use crate::error::{Error, Result};

/// The files below a folder on disk.
#[derive(Debug)]
pub struct DiskTree {
    root: PathBuf,
}

impl DiskTree {
    /// The tree below a folder.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl FileTree for DiskTree {
    fn entries(&self, folder: &str) -> Result<Vec<DirEntry>> {
        let path = self.root.join(folder);
        let fail =
            |why: std::io::Error| Error::file("listing images", display_path(&path), &why).with_source(why);
        let listed = match fs::read_dir(&path) {
            Ok(listed) => listed,
            Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(why) => return Err(fail(why)),
        };
        let mut entries = Vec::new();
        for entry in listed {
            let entry = entry.map_err(fail)?;
            let kind = entry.file_type().map_err(fail)?;
            // Names that are not UTF-8 can't be written to an index, and images must not vanish.
            let name = entry.file_name().into_string().map_err(|name| {
                let why = format!("the name of {} is not UTF-8: rename it", name.to_string_lossy());
                Error::file("listing images", display_path(&path), why)
            })?;
            let is_folder = if kind.is_symlink() { entry.path().is_dir() } else { kind.is_dir() };
            entries.push(DirEntry { name, is_folder, is_link: kind.is_symlink() });
        }
        entries.sort();
        Ok(entries)
    }

    fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>> {
        let path = self.root.join(path);
        let fail = |why: String| Error::file("reading", display_path(&path), why);
        match fs::metadata(&path) {
            Ok(there) if there.len() > most => Err(fail(format!("has more than {most} bytes"))),
            Ok(there) if there.is_file() => fs::read(&path).map(Some).map_err(|why| fail(why.to_string())),
            _ => Ok(None),
        }
    }
}
