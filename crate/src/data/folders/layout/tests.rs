//! Layouts of folders, on trees of empty files.

use super::*;
use crate::data::folders::MemoryTree;

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    MemoryTree::new(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())))
}

fn empty(paths: &[&str]) -> MemoryTree {
    tree(&paths.iter().map(|path| (*path, "")).collect::<Vec<_>>())
}

/// Each picture as `folder/name=label`.
fn listed(listing: &Listing) -> Vec<String> {
    let one = |at| {
        let ImageRef { container, name, label, .. } = listing.image(at);
        format!("{container}/{name}={label}")
    };
    (0..listing.len()).map(one).collect()
}

#[test]
fn a_folder_a_class_in_train_and_val() {
    let tree =
        empty(&["train/b/1.png", "train/a/2.JPG", "train/a/1.jpeg", "val/b/9.png", "train/a/notes.txt"]);
    let index = split_layout(&tree).expect("readable").expect("there");
    assert_eq!(index.classes, ["a", "b"]);
    assert_eq!(listed(&index.train), ["train/a/1.jpeg=0", "train/a/2.JPG=0", "train/b/1.png=1"]);
    assert_eq!(listed(&index.val), ["val/b/9.png=1"]);
    assert_eq!(index.notes, ["classes with a single picture to train on: 1 (b)"]);
    assert_eq!(split_layout(&empty(&["a/1.png", "b/1.png"])), Ok(None));
}

#[test]
fn folders_around_the_data_and_other_names_of_the_parts() {
    let tree =
        empty(&["set/x/Train/a/1.png", "set/x/Train/a/2.png", "set/x/Test/a/1.png", "__MACOSX/set/._x"]);
    let index = split_layout(&tree).expect("readable").expect("there");
    assert_eq!(
        (listed(&index.train).len(), listed(&index.val)),
        (2, vec!["set/x/Test/a/1.png=0".to_owned()])
    );
    let tree = empty(&["set/cat/1.png", "set/dog/1.png", "set/dog/2.png"]);
    let index = class_layout(&tree).expect("readable").expect("there");
    assert_eq!(listed(&index.train), ["set/cat/1.png=0", "set/dog/1.png=1", "set/dog/2.png=1"]);
    assert_eq!(index.train, index.val);
    assert!(index.notes.iter().any(|note| note.contains("same images")), "{:?}", index.notes);
}

#[test]
fn tiny_imagenet() {
    let tree = tree(&[
        ("train/n02/images/n02_0.JPEG", ""),
        ("train/n02/images/n02_1.JPEG", ""),
        ("train/n02/n02_boxes.txt", ""),
        ("train/n01/images/n01_0.JPEG", ""),
        ("train/n01/images/n01_1.JPEG", ""),
        ("val/images/val_0.JPEG", ""),
        ("val/images/val_1.JPEG", ""),
        ("val/val_annotations.txt", "val_0.JPEG\tn02\t0\t0\t62\t62\nval_1.JPEG\tn01\t0\t0\t62\t62\n"),
        ("test/images/test_0.JPEG", ""),
        ("wnids.txt", "n02\nn01\nn03\n"),
    ]);
    let index = split_layout(&tree).expect("readable").expect("there");
    assert_eq!(index.classes, ["n01", "n02"]);
    assert_eq!(index.train.per_class(2), [2, 2]);
    assert_eq!(listed(&index.val), ["val/images/val_0.JPEG=1", "val/images/val_1.JPEG=0"]);
    assert_eq!(index.notes, ["classes of wnids.txt without pictures: 1 (n03)"]);
}

#[test]
fn numbers_are_in_number_order() {
    let paths: Vec<String> =
        (0..12).flat_map(|class| [0, 1].map(|at| format!("val/{class}/{at}.png"))).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let index = split_layout(&empty(&paths)).expect("readable").expect("there");
    assert_eq!((index.classes[9].as_str(), index.classes[10].as_str()), ("9", "10"));
    assert_eq!(index.val.per_class(12), [2; 12]);
    assert!(index.notes[0].contains("10 is the class after 9"), "{:?}", index.notes);
}

#[test]
fn left_out_files_are_noted() {
    let tree = empty(&[
        "train/a/1.png",
        "train/a/2.png",
        "train/a/._1.png",
        "train/a/.DS_Store",
        "train/a/3.webp",
        "train/b/1.png",
        "train/b/2.png",
        "train/c/readme.txt",
        "train/.d.part/1.png",
    ]);
    let index = split_layout(&tree).expect("readable").expect("there");
    assert_eq!((index.classes.len(), index.train.len()), (2, 4));
    let notes = index.notes.join("; ");
    for expected in
        ["no classes because they have no pictures: 1 (c)", "start with a dot", "neither JPEG nor PNG: 1"]
    {
        assert!(notes.contains(expected), "{notes}");
    }
}

#[test]
fn labels_of_pictures_in_one_folder() {
    let train = [("train/n01/a.png", ""), ("train/n02/a.png", ""), ("train/n03/a.png", "")];
    let with = |more: &[(&'static str, &'static str)]| tree(&[&train[..], more].concat());
    let index = split_layout(&with(&[("val/v1.png", ""), ("val.txt", "v1.png 1\n")])).expect("readable");
    let index = index.expect("there");
    assert_eq!(listed(&index.val), ["val/v1.png=1"]);
    assert!(index.notes.iter().any(|note| note.contains("may count from 1")), "{:?}", index.notes);
    for (more, expected) in [
        (&[("val/v1.png", "")][..], "labels are missing"),
        (&[("val/v1.png", ""), ("val/val.txt", "v2 1")], "no label for v1.png"),
        (&[("val/v1.png", ""), ("val.txt", "v1.png 3")], "may count from 1"),
        (&[("val/v1.png", ""), (labels::GROUND_TRUTH, "490")], "development kit's own order"),
        (&[("val/n09/v1.png", "")], "not a class in train/"),
    ] {
        let why = split_layout(&with(more)).expect_err(expected).to_string();
        assert!(why.contains(expected), "{why}");
    }
    // Without pictures to train on, the labels name the classes.
    let alone = tree(&[("val/v1.png", ""), ("val/v2.png", ""), ("val_labels.txt", "v1 n07\nv2 n03\n")]);
    let index = split_layout(&alone).expect("readable").expect("there");
    assert_eq!((index.classes.join(" "), index.val.label(0)), ("n03 n07".to_owned(), 1));
}
