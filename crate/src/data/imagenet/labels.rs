//! Labels of validation images that lie in one folder: lines of a file name and a class.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// Names under which a labels file is looked for, beside the images or above them.
pub const FILE_NAMES: [&str; 6] =
    ["labels.txt", "val_labels.txt", "val.txt", "labels.csv", "val_labels.csv", "LOC_val_solution.csv"];

/// Reads labels by image name (without its ending). Name and class are separated by spaces, a tab or a
/// comma; the class is a WordNet id (what follows it is ignored, as in Kaggle's solution file) or a
/// number from 0 in the classes' order. A first line of headings is passed over.
///
/// # Errors
/// When a line has no class, or one that the training images don't have.
pub fn read(text: &str, classes: &[String]) -> Result<HashMap<String, usize>> {
    let numbers: HashMap<&str, usize> = classes.iter().enumerate().map(|(at, c)| (c.as_str(), at)).collect();
    let mut labels = HashMap::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut words = line.split([',', ' ', '\t']).filter(|word| !word.is_empty());
        let fail = |why: &str| Error::file("reading labels", "", format!("line {}: {why}", at + 1));
        let name = words.next().unwrap_or_default();
        let class = words.next().ok_or_else(|| fail("takes an image and its class"))?;
        let number = || class.parse::<usize>().ok().filter(|&number| number < classes.len());
        match numbers.get(class).copied().or_else(number) {
            Some(label) => drop(labels.insert(stem(name).to_owned(), label)),
            None if at == 0 => {}
            None => return Err(fail(&format!("{class} is no class of the training images"))),
        }
    }
    Ok(labels)
}

/// A file name without folders and ending.
pub fn stem(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_classes_are_read_in_every_customary_form() {
        let classes = ["n01", "n02", "n03"].map(str::to_owned);
        for text in [
            "val_1.JPEG n03\nval_2.JPEG n01\n",
            "val_1.JPEG 2\nval_2.JPEG 0\n",
            "ImageId,PredictionString\nval_1,n03 85 1 499 272 n02 1 2 3 4\nval_2,n01 1 2 3 4\n",
            "val/val_1.JPEG\tn03\n\nval/val_2.JPEG\tn01",
        ] {
            let labels = read(text, &classes).expect("valid");
            assert_eq!((labels["val_1"], labels["val_2"], labels.len()), (2, 0, 2), "{text}");
        }
        for bad in ["a n01\nb n99", "a n01\nb 3", "a n01\nb"] {
            assert!(read(bad, &classes).is_err_and(|why| why.to_string().contains("line 2")), "{bad}");
        }
    }
}
