//! What a reader of image folders noticed: not errors, but things that explain a surprising number.

use super::ending;

/// Names listed in a note.
const MOST_NAMES: usize = 5;
/// Endings of pictures that are not read.
const OTHER_PICTURES: [&str; 10] = ["webp", "gif", "bmp", "tif", "tiff", "heic", "avif", "jp2", "ppm", "svg"];

/// Files that were left out, counted by the reason.
#[derive(Debug, Clone, Default)]
pub struct SkippedFiles {
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

    fn note(&self, what: &str) -> Option<String> {
        let more = if self.count > self.first.len() { ", ..." } else { "" };
        (self.count > 0).then(|| format!("{what}: {} ({}{more})", self.count, self.first.join(", ")))
    }
}

impl SkippedFiles {
    /// Counts a file that is not a picture.
    pub fn add(&mut self, path: &str) {
        let name = path.rsplit('/').next().unwrap_or_default();
        // The desktop's own files surprise nobody.
        if name.starts_with('.') && super::is_image(name.trim_start_matches(['.', '_'])) {
            self.dot_files.add(path.to_owned());
        } else if ending(name).is_some_and(|ending| OTHER_PICTURES.contains(&&*ending)) {
            self.other_pictures.add(path.to_owned());
        }
    }

    /// A note for each reason.
    pub fn notes(&self) -> Vec<String> {
        let reasons = [
            (
                "files left out because their names start with a dot, as macOS names its notes on files",
                &self.dot_files,
            ),
            ("pictures left out because they are neither JPEG nor PNG", &self.other_pictures),
        ];
        reasons.iter().filter_map(|(what, names)| names.note(what)).collect()
    }
}

/// A note about some names, if there are any: `{what}: 4 (a, b, c, ...)`.
pub fn about(what: &str, names: &[&str]) -> Option<String> {
    let mut list = Names::default();
    names.iter().for_each(|name| list.add((*name).to_owned()));
    list.note(what)
}
