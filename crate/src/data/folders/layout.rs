//! The layouts of labelled pictures in folders: one folder per class, with or without `train/` and `val/`; pictures to
//! evaluate on in one folder with a file of labels; Tiny ImageNet's.

use std::collections::HashSet;

use super::index::{ImageRef, Index, Listing};
use super::is_image;
use super::labels;
use super::notes::{SkippedFiles, about};
use super::tree::{DirEntry, FileTree, join};
use crate::error::{Error, Result};

/// Names of the folder with pictures to train on.
const TRAIN: [&str; 2] = ["train", "training"];
/// Names of the folder with pictures to evaluate on; the first that is there counts.
const VAL: [&str; 5] = ["val", "valid", "validation", "test", "testing"];
/// Folders within a class's folder.
const MAX_DEPTH: usize = 8;
/// Folders around the data: an archive's own name, say.
const MAX_WRAPPERS: usize = 3;
/// The largest file of labels.
const MAX_TEXT: u64 = 64 << 20;

/// The note on a folder without a part to evaluate on.
pub const NO_SPLIT: &str = "no train/ and val/, so training and evaluation use the same images";

/// A folder and the names of the pictures in it.
type Pictures = (String, Vec<String>);

/// A class folder that has pictures.
struct ClassFolder {
    name: String,
    pictures: Vec<Pictures>,
}

/// The pictures of `train/` and `val/`, or of folders with similar names; `None` if neither is there.
///
/// # Errors
/// If a folder or a file of labels can't be read, or labels don't fit the classes.
pub fn split_layout(tree: &dyn FileTree) -> Result<Option<Index>> {
    let mut reader = Reader::new(tree);
    let root = reader.data_root()?;
    let folders = reader.folders(&root)?;
    let find = |names: &[&str]| {
        let named = |wanted: &&str| folders.iter().find(|folder| folder.name.eq_ignore_ascii_case(wanted));
        names.iter().find_map(named).map(|folder| join(&root, &folder.name))
    };
    let (train, val) = (find(&TRAIN), find(&VAL));
    if train.is_none() && val.is_none() {
        return Ok(None);
    }
    let training = train.map_or_else(|| Ok(Vec::new()), |train| reader.class_folders(&train))?;
    let evaluation = match &val {
        Some(val) => reader.evaluation(&root, val, &training)?,
        None => EvaluationSplit::Classes(Vec::new()),
    };
    let mut classes: Vec<String> = training.iter().map(|class| class.name.clone()).collect();
    if classes.is_empty() {
        classes = evaluation.classes();
    }
    let mut index = Index { classes, ..Index::default() };
    if index.classes.is_empty() {
        return Ok(None);
    }
    reader.note_classes(&training, &index.classes);
    reader.note_listed_ids(&root, &index.classes)?;
    push(training, &index.classes, &mut index.train)?;
    match evaluation {
        EvaluationSplit::Classes(folders) => {
            if let Some(unknown) = folders.iter().find(|class| !index.classes.contains(&class.name)) {
                let why = format!("{}/{} is not a class in train/", val.unwrap_or_default(), unknown.name);
                return Err(Error::file("looking for images", "", why));
            }
            push(folders, &index.classes, &mut index.val)?;
        }
        EvaluationSplit::Labels { path, text, pictures } => {
            let labels = labels::read(&text, &index.classes).map_err(|error| error.with_path(&path))?;
            reader.notes.extend(labels.note().map(|note| format!("{path}: {note}")));
            for (container, names) in &pictures {
                for name in names {
                    let label = labels.get(name).ok_or_else(|| {
                        Error::file("reading labels", &*path, format!("no label for {name}"))
                    })?;
                    index.val.push(ImageRef { container, name, span: None, label })?;
                }
            }
        }
    }
    index.notes = reader.into_notes();
    Ok(Some(index))
}

/// The pictures of class folders without `train/` and `val/`; `None` if there is none. They serve for training and
/// for evaluation.
///
/// # Errors
/// If a folder can't be read.
pub fn class_layout(tree: &dyn FileTree) -> Result<Option<Index>> {
    let mut reader = Reader::new(tree);
    let root = reader.data_root()?;
    let folders = reader.class_folders(&root)?;
    if folders.is_empty() {
        return Ok(None);
    }
    let classes: Vec<String> = folders.iter().map(|class| class.name.clone()).collect();
    reader.note_classes(&folders, &classes);
    let mut train = Listing::default();
    push(folders, &classes, &mut train)?;
    reader.notes.push(NO_SPLIT.to_owned());
    Ok(Some(Index { classes, val: train.clone(), train, notes: reader.into_notes() }))
}

/// Pictures to evaluate on.
enum EvaluationSplit {
    /// In class folders.
    Classes(Vec<ClassFolder>),
    /// In one folder, with a file of labels.
    Labels { path: String, text: String, pictures: Vec<Pictures> },
}

impl EvaluationSplit {
    fn classes(&self) -> Vec<String> {
        match self {
            Self::Classes(folders) => folders.iter().map(|class| class.name.clone()).collect(),
            Self::Labels { text, pictures, .. } => {
                let names = pictures.iter().flat_map(|(_, names)| names);
                let stems: HashSet<&str> = names.map(|name| labels::stem(name)).collect();
                labels::class_names(text, |name| stems.contains(name))
            }
        }
    }
}

/// Reads folders and notes anything unusual.
struct Reader<'a> {
    tree: &'a dyn FileTree,
    left_out: SkippedFiles,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(tree: &'a dyn FileTree) -> Self {
        Self { tree, left_out: SkippedFiles::default(), notes: Vec::new() }
    }

    fn into_notes(self) -> Vec<String> {
        let mut notes = self.notes;
        notes.extend(self.left_out.notes());
        notes
    }

    /// The visible folders in a folder, sorted. A folder whose name starts with a dot is still being unpacked.
    fn folders(&self, folder: &str) -> Result<Vec<DirEntry>> {
        let mut entries = self.tree.entries(folder)?;
        entries.retain(|entry| entry.is_folder && !entry.name.starts_with('.') && entry.name != "__MACOSX");
        Ok(entries)
    }

    /// The folder of the data: the root, or the only folder in it if that has folders itself.
    fn data_root(&self) -> Result<String> {
        let mut root = String::new();
        for _ in 0..MAX_WRAPPERS {
            let folders = self.folders(&root)?;
            let has_images =
                self.tree.entries(&root)?.iter().any(|entry| !entry.is_folder && is_image(&entry.name));
            let [only] = &*folders else { break };
            let is_part = TRAIN.iter().chain(&VAL).any(|part| only.name.eq_ignore_ascii_case(part));
            let inner = join(&root, &only.name);
            if has_images || is_part || self.folders(&inner)?.is_empty() {
                break;
            }
            root = inner;
        }
        Ok(root)
    }

    /// The classes of a folder: its folders that have pictures, in the order of their labels.
    fn class_folders(&mut self, folder: &str) -> Result<Vec<ClassFolder>> {
        let (mut classes, mut empty) = (Vec::new(), Vec::new());
        for DirEntry { name, .. } in self.folders(folder)? {
            let mut pictures = Vec::new();
            self.list(&join(folder, &name), 0, &mut pictures)?;
            if pictures.is_empty() {
                empty.push(name);
            } else {
                classes.push(ClassFolder { name, pictures });
            }
        }
        if !classes.is_empty() {
            let empty: Vec<&str> = empty.iter().map(String::as_str).collect();
            let of = if folder.is_empty() { String::new() } else { format!(" of {folder}/") };
            self.notes.extend(about(
                &format!("folders{of} that are no classes because they have no pictures"),
                &empty,
            ));
        }
        if let Some(note) = sort_classes(&mut classes) {
            self.notes.push(note);
        }
        Ok(classes)
    }

    /// The pictures in a folder and the folders below it.
    fn list(&mut self, folder: &str, depth: usize, found: &mut Vec<Pictures>) -> Result<()> {
        let entries = self.tree.entries(folder)?;
        let (mut names, mut folders) = (Vec::new(), Vec::new());
        for DirEntry { name, is_folder, is_link } in entries {
            match (is_folder, is_image(&name)) {
                // A link to a folder above would never end.
                (true, _) if !is_link && !name.starts_with('.') => folders.push(name),
                (true, _) => {}
                (false, true) => names.push(name),
                (false, false) => self.left_out.add(&join(folder, &name)),
            }
        }
        if !names.is_empty() {
            found.push((folder.to_owned(), names));
        }
        if depth < MAX_DEPTH {
            for name in folders {
                self.list(&join(folder, &name), depth + 1, found)?;
            }
        }
        Ok(())
    }

    /// The pictures of `val/`: in class folders, or all in one with a file of labels.
    fn evaluation(&mut self, root: &str, val: &str, training: &[ClassFolder]) -> Result<EvaluationSplit> {
        let folders = self.class_folders(val)?;
        let is_class = |name: &str| training.iter().any(|class| class.name == name);
        let is_flat = match &*folders {
            [] => true,
            [only] => only.name.eq_ignore_ascii_case("images") && !is_class(&only.name),
            _ => false,
        };
        if !is_flat {
            return Ok(EvaluationSplit::Classes(folders));
        }
        let mut pictures = Vec::new();
        if let Some(only) = folders.into_iter().next() {
            pictures = only.pictures;
        } else {
            self.list(val, MAX_DEPTH, &mut pictures)?;
        }
        if pictures.is_empty() {
            return Ok(EvaluationSplit::Classes(Vec::new()));
        }
        for name in labels::FILE_NAMES {
            for folder in [val, root] {
                let path = join(folder, name);
                if let Some(text) = self.tree.read(&path, MAX_TEXT)? {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    return Ok(EvaluationSplit::Labels { path, text, pictures });
                }
            }
        }
        let mut why = format!("labels are missing: expected one of {}", labels::FILE_NAMES.join(", "));
        for folder in [val, root] {
            if self.tree.read(&join(folder, labels::GROUND_TRUTH), MAX_TEXT)?.is_some() {
                why = format!(
                    "{} numbers the classes in the development kit's own order, not that of the folders: write a \
                     labels file with WordNet ids",
                    labels::GROUND_TRUTH
                );
            }
        }
        Err(Error::file("reading labels", val, why))
    }

    /// Notes classes with a single picture.
    fn note_classes(&mut self, folders: &[ClassFolder], classes: &[String]) {
        let count = |class: &ClassFolder| class.pictures.iter().map(|(_, names)| names.len()).sum::<usize>();
        let single: Vec<&str> =
            folders.iter().filter(|class| count(class) == 1).map(|class| &*class.name).collect();
        self.notes.extend(about("classes with a single picture to train on", &single));
        if classes.len() == 1 {
            self.notes.push("there is only one class, so every answer is right".to_owned());
        }
    }

    /// Notes ids of Tiny ImageNet's `wnids.txt` that have no folder.
    fn note_listed_ids(&mut self, root: &str, classes: &[String]) -> Result<()> {
        let Some(text) = self.tree.read(&join(root, "wnids.txt"), MAX_TEXT)? else { return Ok(()) };
        let text = String::from_utf8_lossy(&text);
        let missing: Vec<&str> =
            text.split_whitespace().filter(|id| !classes.iter().any(|class| class == id)).collect();
        self.notes.extend(about("classes of wnids.txt without pictures", &missing));
        Ok(())
    }
}

/// Puts class folders, sorted by name, into the order of their numbers if all are numbers; returns what to say about
/// that.
fn sort_classes(classes: &mut Vec<ClassFolder>) -> Option<String> {
    let number = |class: &ClassFolder| {
        let is_number = class.name.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| class.name.parse::<u64>().ok()).flatten()
    };
    if !classes.iter().all(|class| number(class).is_some()) || classes.is_sorted_by_key(number) {
        return None;
    }
    let mut sorted: Vec<ClassFolder> = Vec::with_capacity(classes.len());
    for class in classes.drain(..) {
        let at = sorted.partition_point(|other| number(other) <= number(&class));
        sorted.insert(at, class);
    }
    *classes = sorted;
    let pair = classes.windows(2).find(|pair| pair[0].name > pair[1].name)?;
    let (before, after) = (&pair[0].name, &pair[1].name);
    Some(format!(
        "class folders are numbers and taken in the order of numbers: {after} is the class after {before}"
    ))
}

/// Lists the pictures of class folders under the labels of `classes`.
fn push(folders: Vec<ClassFolder>, classes: &[String], listing: &mut Listing) -> Result<()> {
    for ClassFolder { name, pictures } in folders {
        let Some(label) = classes.iter().position(|class| *class == name) else { continue };
        for (container, names) in pictures {
            for name in names {
                listing.push(ImageRef { container: &container, name: &name, span: None, label })?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
