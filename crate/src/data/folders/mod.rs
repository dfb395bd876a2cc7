//! Labelled pictures in folders: which layout it is, what the classes are, and where each picture lies. The same code
//! serves a disk, an archive and what is dropped on the page; pictures are not opened here.

pub mod index;
pub mod labels;
pub mod layout;
pub mod notes;
pub mod tree;

pub use layout::{class_layout, split_layout};
pub use tree::{DirEntry, FileTree, MemoryTree};

/// Endings of picture files that are read.
const ENDINGS: [&str; 3] = ["jpeg", "jpg", "png"];

/// The ending of a file's name, in lower case.
fn ending(name: &str) -> Option<String> {
    name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

/// Whether a name is a picture's. Files whose names start with a dot are none: macOS puts one beside each file.
pub fn is_image(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or_default();
    !name.starts_with('.') && ending(name).is_some_and(|ending| ENDINGS.contains(&&*ending))
}

/// Whether a file may name classes or labels, by its name.
pub fn is_label_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    labels::FILE_NAMES.contains(&name) || [labels::GROUND_TRUTH, "wnids.txt"].contains(&name)
}
