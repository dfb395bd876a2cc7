//! One's own pictures, brought to 32 x 32 by the browser and kept in memory: one folder per class, laid out as on a
//! disk.

use super::folders::index::Listing;
use super::folders::layout::NO_SPLIT;
use super::folders::tree::join;
use super::folders::{MemoryTree, class_layout, is_image, split_layout};
use super::{Dataset, IMAGE, TrainTest};
use crate::error::{Error, Result};

/// The fewest pictures of a class, over training and evaluation: fewer show nothing.
const MIN_PICTURES: usize = 10;
/// Of pictures without a part of their own for evaluation, one in this many of each class is kept for it.
const HELD_OUT: usize = 5;
/// Labels are bytes.
const MAX_CLASSES: usize = 256;

/// Reads pictures: their paths, and for each its planes of 32 x 32 bytes; files of labels come as they are. Without
/// pictures to evaluate on, every fifth of each class is held out.
///
/// # Errors
/// If there are fewer than two classes of ten pictures, or a picture has another size.
pub fn from_files(files: &[(String, Vec<u8>)]) -> Result<TrainTest> {
    let tree = MemoryTree::new(files.iter().enumerate().map(|(at, (path, bytes))| {
        // The layout needs no pixels: instead of them, the place of the picture among the files.
        (path.clone(), if is_image(path) { (at as u32).to_le_bytes().to_vec() } else { bytes.clone() })
    }));
    let split = split_layout(&tree)?;
    let has_evaluation = split.as_ref().is_some_and(|index| !index.val.is_empty() && !index.train.is_empty());
    let index = match split {
        Some(index) => index,
        None => class_layout(&tree)?.ok_or_else(|| {
            fail("the pictures are not in folders: put those of each class into a folder of its own")
        })?,
    };
    let classes = index.classes.len();
    if !(2..=MAX_CLASSES).contains(&classes) {
        return Err(fail(format!(
            "needs 2 to {MAX_CLASSES} folders with pictures, one folder per class; found {classes}"
        )));
    }
    let both =
        if has_evaluation { vec![&index.train, &index.val] } else { vec![longer(&index.train, &index.val)] };
    for (label, class) in index.classes.iter().enumerate() {
        let count: usize = both.iter().map(|part| part.per_class(classes)[label]).sum();
        if count < MIN_PICTURES {
            let why = format!("the class {class} needs at least {MIN_PICTURES} pictures and has {count}");
            return Err(fail(why));
        }
    }
    let empty = || Dataset::new(index.classes.clone(), Vec::new(), Vec::new());
    let (mut train, mut test) = (empty(), empty());
    let add = |set: &mut Dataset, listing: &Listing, at: usize| -> Result<()> {
        let image = listing.image(at);
        let path = join(image.container, image.name);
        let at = tree.get(&path).and_then(|at| Some(u32::from_le_bytes(*at.first_chunk()?) as usize));
        let planes =
            at.and_then(|at| files.get(at)).map(|(_, bytes)| bytes).filter(|bytes| bytes.len() == IMAGE);
        let planes = planes.ok_or_else(|| fail(format!("{path} is not 32 x 32")))?;
        set.push(planes, u8::try_from(image.label).unwrap_or_default());
        Ok(())
    };
    if has_evaluation {
        (0..index.train.len()).try_for_each(|at| add(&mut train, &index.train, at))?;
        (0..index.val.len()).try_for_each(|at| add(&mut test, &index.val, at))?;
    } else {
        let listing = longer(&index.train, &index.val);
        let mut seen = vec![0; classes];
        for at in 0..listing.len() {
            let label = listing.label(at);
            seen[label] += 1;
            let set = if seen[label] % HELD_OUT == 0 { &mut test } else { &mut train };
            add(set, listing, at)?;
        }
    }
    Ok(TrainTest { train, test })
}

/// What the layout of these files makes remarkable, one sentence each: pictures of other kinds, empty folders, and the
/// like. Only files of labels need their bytes.
///
/// # Errors
/// If a file of labels can't be read.
pub fn notes(files: &[(String, Vec<u8>)]) -> Result<Vec<String>> {
    let tree = MemoryTree::new(files.iter().cloned());
    let index = match split_layout(&tree)? {
        Some(index) => Some(index),
        None => class_layout(&tree)?,
    };
    // Without pictures to evaluate on, some are held out here.
    let is_own = |note: &String| note != NO_SPLIT;
    Ok(index.map(|index| index.notes).unwrap_or_default().into_iter().filter(is_own).collect())
}

/// The images of a class: how many there are for training and evaluation together, and the planes of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassPictures<'a> {
    /// The class.
    pub name: &'a str,
    /// Its images.
    pub count: usize,
    /// Planes of 32 x 32 bytes.
    pub previews: Vec<&'a [u8]>,
}

/// The images of each class, with at most `previews` of them.
pub fn class_pictures(split: &TrainTest, previews: usize) -> Vec<ClassPictures<'_>> {
    let new = |name| ClassPictures { name, count: 0, previews: Vec::new() };
    let mut classes: Vec<_> = split.train.classes.iter().map(|name| new(&**name)).collect();
    for set in [&split.train, &split.test] {
        for (at, &label) in set.labels.iter().enumerate() {
            let class = &mut classes[usize::from(label)];
            class.count += 1;
            if class.previews.len() < previews {
                class.previews.push(set.image(at));
            }
        }
    }
    classes
}

fn longer<'a>(a: &'a Listing, b: &'a Listing) -> &'a Listing {
    if a.len() >= b.len() { a } else { b }
}

fn fail(why: impl std::fmt::Display) -> Error {
    Error::file("reading pictures", "", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(folder: &str, count: usize) -> Vec<(String, Vec<u8>)> {
        (0..count).map(|at| (format!("{folder}/{at:02}.png"), vec![at as u8; IMAGE])).collect()
    }

    #[test]
    fn every_fifth_picture_of_each_class_is_held_out() {
        let files = [pictures("mine/cat", 11), pictures("mine/dog", 15), pictures("mine/.git", 3)].concat();
        let split = from_files(&files).expect("valid");
        assert_eq!(split.train.classes, ["cat", "dog"]);
        assert_eq!(split.test.labels, [0, 0, 1, 1, 1]);
        assert_eq!((split.test.image(0)[0], split.train.len()), (4, 21));
    }

    #[test]
    fn classes_are_counted_as_they_were_read() {
        let files = [pictures("mine/cat", 11), pictures("mine/dog", 15)].concat();
        let split = from_files(&files).expect("valid");
        let classes = class_pictures(&split, 2);
        let counts: Vec<_> = classes.iter().map(|class| (class.name, class.count)).collect();
        assert_eq!(counts, [("cat", 11), ("dog", 15)]);
        // The fifth is held out; 0 and 1 are trained on.
        assert_eq!(classes[1].previews, [&[0; IMAGE][..], &[1; IMAGE][..]]);
    }

    #[test]
    fn pictures_of_other_kinds_are_noted() {
        let mut files = [pictures("cat", 10), pictures("dog", 10)].concat();
        assert_eq!(notes(&files), Ok(vec![]));
        files.extend(["cat/a.webp", "cat/b.gif", "dog/._0.png"].map(|name| (name.to_owned(), Vec::new())));
        let notes = notes(&files).expect("reads").join("\n");
        assert!(notes.contains("neither JPEG nor PNG: 2 (cat/a.webp, cat/b.gif)"), "{notes}");
        assert!(notes.contains("start with a dot"), "{notes}");
    }

    #[test]
    fn train_and_val_are_kept_apart() {
        let parts = [("train/b", 8), ("train/a", 9), ("val/a", 2), ("val/b", 2)];
        let files: Vec<_> = parts.iter().flat_map(|(folder, count)| pictures(folder, *count)).collect();
        let split = from_files(&files).expect("valid");
        assert_eq!((split.train.len(), split.test.labels), (17, vec![0, 0, 1, 1]));
    }

    #[test]
    fn too_few_pictures_are_named() {
        let loose = (0..20).map(|at| (format!("{at}.png"), vec![0; IMAGE])).collect();
        let mut large = pictures("a", 10);
        large[3].1.push(0);
        for (files, expected) in [
            (pictures("cat", 20), "found 1"),
            (
                [pictures("cat", 20), pictures("dog", 1)].concat(),
                "the class dog needs at least 10 pictures and has 1",
            ),
            (loose, "not in folders"),
            (vec![], "not in folders"),
            ([large, pictures("b", 10)].concat(), "a/03.png is not 32 x 32"),
        ] {
            let why = from_files(&files).expect_err(expected).to_string();
            assert!(why.contains(expected), "{why}");
        }
    }
}
