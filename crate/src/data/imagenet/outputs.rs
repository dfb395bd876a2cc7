//! Which output of a network stands for which class of a data set: the folder of ten WordNet ids has other labels than
//! the network of ImageNet's thousand classes.

use std::collections::HashMap;

use super::index::Index;
use crate::error::{Error, Result};

/// WordNet ids of ImageNet's thousand classes (ILSVRC 2012), in the order of their labels, which is that of the ids.
const WNIDS: &str = include_str!("../../../data/imagenet_wnids.txt");

/// WordNet ids of ImageNet's classes, by label.
pub fn wnids() -> Vec<String> {
    WNIDS.lines().map(str::to_owned).collect()
}

/// Gives the images of a data set the labels of a network with `outputs` outputs, called `names` if they are known.
/// Returns what was done, if anything was: the network's classes are then the data set's, of which it holds a part.
///
/// # Errors
/// If there are more classes than labels allow, or only some of them are classes of the network.
pub fn match_outputs(index: &mut Index, outputs: usize, names: Option<&[String]>) -> Result<Option<String>> {
    let (classes, known) = (index.classes.len(), wnids());
    let is_imagenet = outputs == known.len();
    let are_named = is_imagenet || names.is_some_and(|names| names.len() == outputs);
    let names: Vec<String> = match names {
        Some(names) if names.len() == outputs => names.to_vec(),
        _ if is_imagenet => known,
        _ => (0..outputs).map(|output| output.to_string()).collect(),
    };
    if index.classes == names {
        return Ok(None);
    }
    let numbers: HashMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (&**name, at)).collect();
    let by_name: Option<Vec<usize>> =
        index.classes.iter().map(|class| numbers.get(&**class).copied()).collect();
    let unknown = index.classes.iter().find(|class| !numbers.contains_key(&***class));
    if let (true, Some(unknown), true) =
        (are_named, unknown, index.classes.iter().any(|class| numbers.contains_key(&**class)))
    {
        // By their order alone, every class behind it would be another's.
        let of = if is_imagenet { " (ImageNet's, since it has a thousand outputs)" } else { "" };
        let why =
            format!("is not among the classes of the network{of}, but others of the images' classes are");
        return Err(Error::field("classes", unknown, why));
    }
    // Class folders `0`, `217` of a network with a thousand outputs: the numbers of its outputs.
    let number = |class: &String| class.parse().ok().filter(|&number: &usize| number < outputs);
    let by_number =
        || index.classes.iter().map(number).collect::<Option<Vec<usize>>>().filter(|_| classes < outputs);
    let Some(labels) = by_name.or_else(by_number) else { return Ok(None) };
    index.train.relabel(&labels)?;
    index.val.relabel(&labels)?;
    index.classes = names;
    Ok((classes < outputs).then(|| {
        let whose = if is_imagenet { "ImageNet's" } else { "the network's" };
        format!("{classes} of {whose} {outputs} classes are there; accuracy is over all {outputs} outputs")
    }))
}

#[cfg(test)]
mod tests {
    use super::super::index::ImageRef;
    use super::*;

    fn index(classes: &[&str]) -> Index {
        let mut index =
            Index { classes: classes.iter().map(|&class| class.to_owned()).collect(), ..Index::default() };
        for label in 0..classes.len() {
            index.val.push(ImageRef { container: "val", name: "1.png", span: None, label }).expect("fits");
        }
        index
    }

    fn labels(index: &Index) -> Vec<usize> {
        (0..index.val.len()).map(|at| index.val.label(at)).collect()
    }

    #[test]
    fn the_thousand_classes_are_in_the_order_of_their_ids() {
        let wnids = wnids();
        assert_eq!(wnids.len(), 1000);
        assert!(wnids.is_sorted());
        // Known pairs: tench, English springer, cassette player, parachute, toilet tissue.
        for (label, id) in
            [(0, "n01440764"), (217, "n02102040"), (482, "n02979186"), (701, "n03888257"), (999, "n15075141")]
        {
            assert_eq!(wnids[label], id);
        }
    }

    #[test]
    fn wordnet_ids_mean_imagenet_s_classes() {
        let mut ten = index(&["n01440764", "n02102040", "n03888257"]);
        let note = match_outputs(&mut ten, 1000, None).expect("fits").expect("said");
        assert_eq!(labels(&ten), [0, 217, 701]);
        assert!(note.contains("3 of ImageNet's 1000 classes") && note.contains("all 1000 outputs"), "{note}");
        assert_eq!(ten.classes.len(), 1000);
    }

    #[test]
    fn names_of_the_weights_decide_and_others_stay() {
        let names = ["star", "circle", "square"].map(str::to_owned);
        let mut shapes = index(&["circle", "square", "star"]);
        assert_eq!(match_outputs(&mut shapes, 3, Some(&names)), Ok(None));
        assert_eq!(labels(&shapes), [1, 2, 0]);
        let mut other = index(&["cat", "dog", "emu"]);
        assert_eq!(match_outputs(&mut other, 3, Some(&names)), Ok(None));
        assert_eq!((labels(&other), other.classes.len()), (vec![0, 1, 2], 3));
        // Known in part: their order alone would give each to another output.
        let mut partly = index(&["Star", "circle", "square"]);
        let error = match_outputs(&mut partly, 3, Some(&names)).expect_err("shifted").to_string();
        assert!(error.contains("Star"), "{error}");
        let mut numbers = index(&["0", "217"]);
        assert!(match_outputs(&mut numbers, 1000, None).expect("fits").is_some());
        assert_eq!(labels(&numbers), [0, 217]);
    }
}
