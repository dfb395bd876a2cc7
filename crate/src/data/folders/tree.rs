//! Folders and files below a root, wherever they are kept.

use std::collections::BTreeMap;

use crate::error::Result;

/// What lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Its name.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether it is a link to elsewhere.
    pub is_link: bool,
}

/// Folders and files, by their paths relative to a root and separated by `/`; the root is the empty path.
pub trait FileTree {
    /// What lies in a folder, sorted by name; nothing if there is no such folder.
    ///
    /// # Errors
    /// If the folder can't be read.
    fn entries(&self, folder: &str) -> Result<Vec<DirEntry>>;

    /// A file's bytes; `None` if there is no such file.
    ///
    /// # Errors
    /// If it can't be read, or has more than `most` bytes.
    fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>>;
}

/// A path below a folder.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Files in memory, by their paths.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryTree {
    /// A tree of these files.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self { files: files.into_iter().collect() }
    }

    /// A file's bytes.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }
}

impl FileTree for MemoryTree {
    fn entries(&self, folder: &str) -> Result<Vec<DirEntry>> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut entries: Vec<DirEntry> = Vec::new();
        let below = self.files.range(prefix.clone()..).map(|(path, _)| path);
        for path in below.take_while(|path| path.starts_with(&prefix)) {
            let rest = &path[prefix.len()..];
            let (name, is_folder) = rest.split_once('/').map_or((rest, false), |(name, _)| (name, true));
            // Paths are nearly in this order already, but `a!b` sorts before `a/b`.
            let at = entries.partition_point(|entry| (&*entry.name, entry.is_folder) < (name, is_folder));
            if entries.get(at).is_none_or(|entry| (&*entry.name, entry.is_folder) != (name, is_folder)) {
                entries.insert(at, DirEntry { name: name.to_owned(), is_folder, is_link: false });
            }
        }
        Ok(entries)
    }

    fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>> {
        Ok(self.get(path).filter(|bytes| bytes.len() as u64 <= most).map(<[u8]>::to_vec))
    }
}
