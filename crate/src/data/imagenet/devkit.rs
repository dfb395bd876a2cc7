//! ImageNet's development kit: the WordNet ids of its class numbers, how many training images each
//! class has, and the ground truth of the validation images.

use std::collections::HashMap;

use super::mat_file::{Content, ParseResult, StructElement, first_structure};
use crate::error::{Error, Result};

/// A class of the development kit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synset {
    /// Its number in the ground truth, from 1.
    pub id: usize,
    /// Its WordNet id.
    pub wnid: String,
    /// Number of its training images.
    pub images: usize,
}

/// The classes that have images, sorted by WordNet id, from `meta.mat`.
///
/// # Errors
/// If the file is not the development kit's.
pub fn synsets(meta: &[u8]) -> Result<Vec<Synset>> {
    first_structure(meta)
        .and_then(|found| leaves(found.records().filter_map(synset).collect()))
        .map_err(|why| Error::file("reading the development kit", "meta.mat", why))
}

/// The synsets without children, the only ones that have images, sorted by WordNet id.
fn leaves(mut found: Vec<(Synset, bool)>) -> ParseResult<Vec<Synset>> {
    found.retain(|(_, leaf)| *leaf);
    let mut synsets: Vec<Synset> = found.into_iter().map(|(synset, _)| synset).collect();
    synsets.sort_by(|a, b| a.wnid.cmp(&b.wnid));
    if synsets.is_empty() { Err("it holds no synsets") } else { Ok(synsets) }
}

/// The synset of a record, and whether it has no children.
fn synset(record: StructElement<'_>) -> Option<(Synset, bool)> {
    let number = |name: &str| match record.get(name) {
        Some(Content::Number(value)) => Some(*value as usize),
        _ => None,
    };
    let Some(Content::Text(wnid)) = record.get("WNID") else { return None };
    let id = number("ILSVRC2012_ID")?;
    let images = number("num_train_images").unwrap_or(0);
    Some((Synset { id, wnid: wnid.clone(), images }, number("num_children")? == 0))
}

/// Labels (indices into `synsets`) of the validation images, from the ground truth: one number per line.
///
/// # Errors
/// If a line is not the number of a synset.
pub fn ground_truth(text: &str, synsets: &[Synset]) -> Result<Vec<usize>> {
    let labels: HashMap<usize, usize> = synsets.iter().enumerate().map(|(at, s)| (s.id, at)).collect();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate();
    let label = |(at, line): (usize, &str)| {
        let label = line.parse().ok().and_then(|id: usize| labels.get(&id).copied());
        label.ok_or_else(|| {
            let why = format!("line {}: {line:?} is not a class number", at + 1);
            Error::file("reading the ground truth", "", why)
        })
    };
    lines.map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::imagenet::mat_fixture::meta_mat;

    const SYNSETS: [(u16, &str, u8, u16); 4] =
        [(1, "n02119789", 0, 1300), (2, "n02100735", 0, 732), (3, "n01440764", 0, 1300), (1001, "n0", 4, 0)];

    #[test]
    fn classes_and_ground_truth() {
        for compressed in [false, true] {
            let synsets = synsets(&meta_mat(&SYNSETS, compressed)).expect("valid");
            let found: Vec<_> = synsets.iter().map(|s| (s.id, s.wnid.as_str(), s.images)).collect();
            assert_eq!(found, [(3, "n01440764", 1300), (2, "n02100735", 732), (1, "n02119789", 1300)]);
            assert_eq!(ground_truth("3\n1\n2\n", &synsets), Ok(vec![0, 2, 1]));
            assert!(ground_truth("3\n1001\n", &synsets).is_err_and(|w| w.to_string().contains("line 2")));
        }
    }

    #[test]
    fn damaged_kits_are_rejected() {
        let whole = meta_mat(&SYNSETS, false);
        for end in [0, 127, 128, 140, 200, whole.len() - 100] {
            assert!(synsets(&whole[..end]).is_err(), "{end}");
        }
        for at in 128..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            // Any result will do, except a panic.
            drop(synsets(&damaged));
        }
    }
}
