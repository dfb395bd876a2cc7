//! Labels of images that lie in one folder: lines of a file name and a class.

use std::collections::{BTreeSet, HashMap};

use crate::error::{Error, Result};

/// Names under which a labels file is looked for, beside the images or above them.
pub const FILE_NAMES: [&str; 7] = [
    "labels.txt",
    "val_labels.txt",
    "val.txt",
    "labels.csv",
    "val_labels.csv",
    "LOC_val_solution.csv",
    "val_annotations.txt",
];
/// The development kit's labels, which are numbers in an order of their own.
pub const GROUND_TRUTH: &str = "ILSVRC2012_validation_ground_truth.txt";

/// Labels by image name, without folders and ending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    by_name: HashMap<String, usize>,
    /// The smallest and the largest number, if classes are given as numbers.
    numbers: Option<(usize, usize)>,
}

impl Labels {
    /// The label of an image.
    pub fn get(&self, image: &str) -> Option<usize> {
        self.by_name.get(stem(image)).copied()
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// What is suspicious about numbers as labels.
    pub fn note(&self) -> Option<String> {
        let (smallest, largest) = self.numbers?;
        (smallest > 0).then(|| {
            format!(
                "no image is of class 0: the labels ({smallest} to {largest}) may count from 1, but are taken as \
                 counted from 0 in the order of the class folders"
            )
        })
    }
}

/// The lines of a labels file: number, image and class.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str, Option<&str>)> {
    let filled = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    filled.map(|(at, line)| {
        let mut words = line.split([',', ' ', '\t', '\r']).filter(|word| !word.is_empty());
        (at + 1, words.next().unwrap_or_default(), words.next())
    })
}

/// The classes that a labels file names, sorted; if they are numbers, all from 0 to the largest. A first line whose
/// name is not that of a picture (without its ending) holds headings.
pub fn class_names(text: &str, is_picture: impl Fn(&str) -> bool) -> Vec<String> {
    let has_headings = lines(text).next().is_some_and(|(_, name, _)| !is_picture(stem(name)));
    let named: BTreeSet<&str> =
        lines(text).skip(usize::from(has_headings)).filter_map(|(_, _, class)| class).collect();
    let numbers: Option<Vec<u16>> = named.iter().map(|class| class.parse().ok()).collect();
    match numbers.and_then(|numbers| numbers.into_iter().max()) {
        Some(largest) => (0..=largest).map(|number| number.to_string()).collect(),
        None => named.into_iter().map(str::to_owned).collect(),
    }
}

/// Reads labels by image name (without its ending). Name and class are separated by spaces, a tab or a
/// comma; the class is a WordNet id (what follows it is ignored, as in Kaggle's solution file) or a
/// number from 0 in the classes' order. A first line of headings is passed over.
///
/// # Errors
/// If a line has no class, or one that the training images don't have.
pub fn read(text: &str, classes: &[String]) -> Result<Labels> {
    let known: HashMap<&str, usize> = classes.iter().enumerate().map(|(at, c)| (c.as_str(), at)).collect();
    let mut labels = Labels::default();
    for (line, name, class) in lines(text) {
        let fail = |why: &str| Error::file("reading labels", "", format!("line {line}: {why}"));
        let class = class.ok_or_else(|| fail("must name an image and its class"))?;
        let number = class.parse::<usize>().ok().filter(|_| !known.contains_key(class));
        match known.get(class).copied().or(number) {
            Some(label) if label < classes.len() => {
                labels.by_name.insert(stem(name).to_owned(), label);
                if let Some(number) = number {
                    let (smallest, largest) = labels.numbers.unwrap_or((number, number));
                    labels.numbers = Some((smallest.min(number), largest.max(number)));
                }
            }
            Some(_) => return Err(fail(&beyond(class, classes.len()))),
            None if line == 1 => {}
            None => return Err(fail(&format!("{class} is not a class of the training images"))),
        }
    }
    Ok(labels)
}

/// Why a number is not a label.
fn beyond(number: &str, classes: usize) -> String {
    let mut why = format!("{number} is not a class: {classes} classes are numbered from 0");
    if number.parse() == Ok(classes) {
        why += "; the labels may count from 1";
        if classes == 1000 {
            why += ", or be the development kit's numbers, which are not in the order of the WordNet ids";
        }
    }
    why
}

/// A file name without folders and ending.
pub fn stem(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> [String; 3] {
        ["n01", "n02", "n03"].map(str::to_owned)
    }

    #[test]
    fn names_and_classes_are_read_in_every_customary_form() {
        for text in [
            "val_1.JPEG n03\nval_2.JPEG n01\n",
            "val_1.JPEG 2\nval_2.JPEG 0\n",
            "ImageId,PredictionString\nval_1,n03 85 1 499 272 n02 1 2 3 4\nval_2,n01 1 2 3 4\n",
            "val/val_1.JPEG\tn03\n\nval/val_2.JPEG\tn01",
            "val_1.JPEG\tn03\t0\t0\t62\t62\r\nval_2.JPEG\tn01\t0\t0\t62\t62\r\n",
        ] {
            let labels = read(text, &classes()).expect("valid");
            let found = (labels.get("val_1.png"), labels.get("val_2"), labels.len(), labels.note());
            assert_eq!(found, (Some(2), Some(0), 2, None), "{text}");
        }
        for bad in ["a n01\nb n99", "a n01\nb 3", "a n01\nb"] {
            assert!(read(bad, &classes()).is_err_and(|why| why.to_string().contains("line 2")), "{bad}");
        }
    }

    #[test]
    fn numbers_from_one_are_noticed() {
        let note = read("a 1\nb 2\n", &classes()).expect("valid").note().expect("suspicious");
        assert!(note.contains("no image is of class 0") && note.contains("1 to 2"), "{note}");
        let why = read("a 1\nb 3\n", &classes()).expect_err("too large").to_string();
        assert!(why.contains("may count from 1"), "{why}");
        let thousand: Vec<String> = (0..1000).map(|class| format!("n{class:08}")).collect();
        let why = read("a 1000\n", &thousand).expect_err("too large").to_string();
        assert!(why.contains("development kit"), "{why}");
    }

    #[test]
    fn a_labels_file_can_name_the_classes() {
        let names = |text| class_names(text, |name| ["a", "b", "c"].contains(&name));
        assert_eq!(names("a n03\nb n01\nc n03\n"), ["n01", "n03"]);
        assert_eq!(names("a 2\nb 0\n"), ["0", "1", "2"]);
        assert_eq!(names("ImageId,PredictionString\na,n03 1\n"), ["n03"]);
        assert_eq!(names("image,label\na.png,1\nx/b.png,0\n"), ["0", "1"]);
    }
}
