//! What a reader of image folders noticed: not errors, but things that explain a surprising number.

use super::ending;

/// Names listed in a note.
const MOST_NAMES: usize = 3;
/// Endings of pictures that are not read.
const OTHER_PICTURES: [&str; 10] = ["webp", "gif", "bmp", "tif", "tiff", "heic", "avif", "jp2", "ppm", "svg"];

/// Files that were left out, counted by the reason.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    dot_files: Names,
    other_pictures: Names,
}

/// How many there are, and the first of them.
#[derive(Debug, Clone, Default)]
struct Names {
    count: usize,
    first: Vec<String>,
}

impl Names {
    fn add(&mut self, name: String) {
        self.count += 1;
        if self.first.len() < MOST_NAMES {
            self.first.push(name);
        }
    }

    fn list(&self) -> String {
        let more = if self.count > self.first.len() { ", ..." } else { "" };
        format!("{}{more}", self.first.join(", "))
    }
}

impl LeftOut {
    /// Counts a file that is no picture.
    pub fn add(&mut self, path: &str) {
        let name = path.rsplit('/').next().unwrap_or_default();
        // The desktop's own files surprise nobody.
        if name.starts_with('.') && super::is_image(name.trim_start_matches(['.', '_'])) {
            self.dot_files.add(path.to_owned());
        } else if ending(name).is_some_and(|ending| OTHER_PICTURES.contains(&&*ending)) {
            self.other_pictures.add(path.to_owned());
        }
    }

    /// A sentence for each reason.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.dot_files.count > 0 {
            notes.push(format!(
                "{} files whose names start with a dot are left out ({}): they are macOS's notes on files, not pictures",
                self.dot_files.count,
                self.dot_files.list()
            ));
        }
        if self.other_pictures.count > 0 {
            notes.push(format!(
                "{} pictures that are neither JPEG nor PNG are left out ({})",
                self.other_pictures.count,
                self.other_pictures.list()
            ));
        }
        notes
    }
}

/// A sentence about some names, if there are any: `{start} (a, b, c, ...){end}`.
pub fn about(names: &[&str], start: &str, end: &str) -> Option<String> {
    let mut list = Names::default();
    names.iter().for_each(|name| list.add((*name).to_owned()));
    (list.count > 0).then(|| format!("{} {start} ({}){end}", list.count, list.list()))
}
