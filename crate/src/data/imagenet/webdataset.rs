//! Shards in the WebDataset layout: tar files in which the files of a sample share a key, the name up to its first
//! dot. Of each sample one picture is taken, and the label from `.cls` or from `label` or `wnid` in `.json`.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use serde_json::Value;

use super::archive::{Member, is_image, members};
use super::index::{ImageRef, Index, Listing};
use crate::data::folders::notes::SkippedFiles;
use crate::error::{Error, Result};

/// The most bytes of a file with a label.
const MAX_LABEL_FILE: u64 = 1 << 20;
/// The most bytes of a label.
const MAX_LABEL: usize = 256;
/// Keys of a label in a sample's JSON, the first that is there; those after `label` name the class.
const LABEL_KEYS: [&str; 3] = ["label", "cls", "class_id"];
const NAME_KEYS: [&str; 4] = ["wnid", "synset", "class_name", "class"];
/// The largest class number.
const MAX_NUMBER: usize = u16::MAX as usize;

/// Which part of the data a shard belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Images to train on.
    Train,
    /// Images to evaluate on.
    Val,
}

/// The samples of shards, until all are read: whether labels are numbers shows only then.
#[derive(Debug, Default)]
pub struct Shards {
    train: Listing,
    val: Listing,
    /// Labels as text, numbered in the order of their appearance.
    labels: Vec<String>,
    numbers: HashMap<String, usize>,
    /// Names that samples give to their labels.
    names: BTreeMap<String, String>,
    left_out: SkippedFiles,
    /// Pictures beside the one taken of a sample, and samples whose picture is not read.
    further: usize,
    first_further: String,
}

/// A sample of a shard.
#[derive(Default)]
struct Sample {
    pictures: Vec<Member>,
    label: Option<String>,
    /// From the JSON, which a `.cls` overrules.
    json_label: Option<String>,
    name: Option<String>,
}

impl Shards {
    /// Reads the headers and labels of a shard.
    ///
    /// # Errors
    /// If the shard is damaged or compressed, or an image has no label.
    pub fn add(&mut self, mut shard: impl Read + Seek, container: &str, part: Split) -> Result<()> {
        let fail = |key: &str, why: &str| Error::file("reading a shard", container, format!("{key}: {why}"));
        if is_gzip(&mut shard).map_err(|why| Error::file("reading a shard", container, why))? {
            let why = "it is compressed with gzip, but images are read in place: unpack it with gunzip";
            return Err(Error::file("reading a shard", container, why));
        }
        let mut samples: Vec<(String, Sample)> = Vec::new();
        let mut places = HashMap::new();
        members(shard, |member, content| {
            if member.name().starts_with('.') {
                self.left_out.add(&member.path);
                return Ok(());
            }
            let (key, ending) = key_and_ending(&member.path);
            let place = *places.entry(key.to_owned()).or_insert(samples.len());
            if place == samples.len() {
                samples.push((key.to_owned(), Sample::default()));
            }
            let (key, sample) = &mut samples[place];
            match ending.to_ascii_lowercase().as_str() {
                _ if is_image(member.name()) => sample.pictures.push(member),
                "cls" | "cls.txt" => {
                    let text = read_text(content).map_err(|why| fail(key, &why))?;
                    sample.label = Some(text.trim().to_owned());
                }
                "json" => {
                    let text = read_text(content).map_err(|why| fail(key, &why))?;
                    let json = serde_json::from_str(&text).map_err(|_| fail(key, "its .json is damaged"))?;
                    (sample.json_label, sample.name) = json_labels(&json);
                }
                _ => self.left_out.add(&member.path),
            }
            Ok(())
        })
        .map_err(|error| error.with_path(container))?;
        for (key, sample) in samples {
            self.add_sample(&key, sample, container, part)?;
        }
        Ok(())
    }

    /// Lists a sample's picture.
    fn add_sample(&mut self, key: &str, sample: Sample, container: &str, part: Split) -> Result<()> {
        let fail = |why: &str| Error::file("reading a shard", container, format!("{key}: {why}"));
        // The plain ending is the picture, `key.seg.png` belongs to it.
        let plain = |member: &&Member| !key_and_ending(&member.path).1.contains('.');
        let Some(picture) = sample.pictures.iter().find(plain).or(sample.pictures.first()) else {
            return Ok(());
        };
        if sample.pictures.len() > 1 {
            if self.further == 0 {
                let other = sample.pictures.iter().find(|other| *other != picture);
                self.first_further = other.map(|other| other.path.clone()).unwrap_or_default();
            }
            self.further += sample.pictures.len() - 1;
        }
        let label = sample.label.or(sample.json_label).or_else(|| sample.name.clone());
        let label = label.filter(|label| !label.is_empty() && label.len() <= MAX_LABEL);
        let label = label.ok_or_else(|| fail("it has neither a .cls nor a .json with a label"))?;
        let length = u32::try_from(picture.length).map_err(|_| fail("it is too large"))?;
        if let Some(name) = sample.name {
            self.names.entry(label.clone()).or_insert(name);
        }
        let next = self.labels.len();
        let number = *self.numbers.entry(label.clone()).or_insert(next);
        if number == next {
            self.labels.push(label);
        }
        let listing = match part {
            Split::Train => &mut self.train,
            Split::Val => &mut self.val,
        };
        let span = Some((picture.offset, length));
        listing.push(ImageRef { container, name: picture.name(), span, label: number })
    }

    /// The data set of all shards. Labels that are all numbers are the classes' numbers, from 0 to the largest;
    /// others are sorted. `named` are the names of the classes by number, as far as they are known.
    ///
    /// # Errors
    /// If there are too many classes.
    pub fn finish(self, named: &[&str]) -> Result<Index> {
        let Self { mut train, mut val, labels, names, left_out, further, first_further, .. } = self;
        let mut notes = left_out.notes();
        let numbers: Option<Vec<usize>> = labels.iter().map(|label| label.parse().ok()).collect();
        let (classes, order) = match numbers {
            Some(numbers) => {
                let largest = numbers.iter().copied().max();
                if largest.is_some_and(|largest| largest > MAX_NUMBER) {
                    let why = format!("a class has the number {}", largest.unwrap_or_default());
                    return Err(Error::file("reading shards", "", why));
                }
                if numbers.iter().min().is_some_and(|&smallest| smallest > 0) {
                    notes.push("no image is of class 0: the labels may count from 1".to_owned());
                }
                let total = largest.map_or(0, |largest| largest + 1).max(named.len());
                let name = |number: usize| match named.get(number) {
                    Some(name) => (*name).to_owned(),
                    None => names.get(&number.to_string()).cloned().unwrap_or_else(|| number.to_string()),
                };
                ((0..total).map(name).collect(), numbers)
            }
            None => {
                let mut sorted = labels.clone();
                sorted.sort();
                let order =
                    labels.iter().map(|label| sorted.binary_search(label).unwrap_or_default()).collect();
                (sorted, order)
            }
        };
        if further > 0 {
            let more = if further > 1 { ", ..." } else { "" };
            notes.push(format!(
                "pictures left out because one is taken of each sample: {further} ({first_further}{more})"
            ));
        }
        train.relabel(&order)?;
        val.relabel(&order)?;
        Ok(Index { classes, train, val, notes })
    }
}

/// Whether a shard starts as a gzip file.
fn is_gzip(shard: &mut (impl Read + Seek)) -> std::io::Result<bool> {
    let is_gzip = BufReader::with_capacity(2, &mut *shard).fill_buf()?.starts_with(&[0x1f, 0x8b]);
    shard.seek(SeekFrom::Start(0))?;
    Ok(is_gzip)
}

fn read_text(content: &mut dyn Read) -> std::result::Result<String, String> {
    let mut text = String::new();
    content.take(MAX_LABEL_FILE).read_to_string(&mut text).map_err(|why| why.to_string())?;
    Ok(text)
}

/// The label and the class's name in a sample's JSON.
fn json_labels(json: &Value) -> (Option<String>, Option<String>) {
    let text = |key: &&str| match json.get(*key)? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        _ => None,
    };
    (LABEL_KEYS.iter().find_map(text), NAME_KEYS.iter().find_map(text))
}

/// A path up to the first dot of its last part, and what follows.
fn key_and_ending(path: &str) -> (&str, &str) {
    let name_at = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[name_at..].find('.') {
        Some(dot) => (&path[..name_at + dot], &path[name_at + dot + 1..]),
        None => (path, ""),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::archive::tar_of;
    use super::*;

    fn read(files: &[(&str, &[u8])]) -> Result<Index> {
        let mut shards = Shards::default();
        shards.add(Cursor::new(tar_of(files)), "s.tar", Split::Train)?;
        shards.finish(&[])
    }

    fn labels(index: &Index) -> Vec<usize> {
        (0..index.train.len()).map(|at| index.train.label(at)).collect()
    }

    #[test]
    fn images_and_labels_are_joined_by_key() {
        let files: [(&str, &[u8]); 5] = [
            ("a/0001.cls", b"7\n"),
            ("a/0001.jpg", b"one"),
            ("a/0002.jpg", b"four"),
            ("a/0002.json", b"{}"),
            ("a/0002.cls", b"3"),
        ];
        let index = read(&files).expect("valid");
        assert_eq!((labels(&index), index.classes.len()), (vec![7, 3], 8));
        let shard = tar_of(&files);
        let (offset, length) = index.train.image(1).span.expect("in a tar file");
        assert_eq!(&shard[offset as usize..][..length as usize], b"four");
    }

    #[test]
    fn labels_stand_in_json_too() {
        let index = read(&[
            ("1.jpg", b"x"),
            ("1.json", br#"{"label": 1, "wnid": "n02", "caption": "a"}"#),
            ("2.jpg", b"x"),
            ("2.json", br#"{"label": 0, "wnid": "n01"}"#),
            ("2.txt", b"a caption"),
        ])
        .expect("valid");
        assert_eq!((labels(&index), index.classes.join(" ")), (vec![1, 0], "n01 n02".to_owned()));
        let index = read(&[
            ("1.jpg", b"x"),
            ("1.json", br#"{"wnid": "n05"}"#),
            ("2.jpg", b"x"),
            ("2.json", br#"{"wnid": "n01"}"#),
            ("3.jpg", b"x"),
            ("3.cls", b"n05"),
        ])
        .expect("valid");
        assert_eq!((labels(&index), index.classes.join(" ")), (vec![1, 0, 1], "n01 n05".to_owned()));
    }

    #[test]
    fn one_picture_is_taken_of_each_key() {
        let index = read(&[
            ("1.seg.png", b"mask"),
            ("1.jpg", b"picture"),
            ("1.cls", b"0"),
            ("._1.jpg", b"mac"),
            ("._1.cls", b"mac"),
        ])
        .expect("valid");
        assert_eq!((index.train.len(), index.train.image(0).name), (1, "1.jpg"));
        let notes = index.notes.join("; ");
        assert!(notes.contains("one is taken of each sample: 1 (1.seg.png)"), "{notes}");
        assert!(notes.contains("start with a dot"), "{notes}");
    }

    #[test]
    fn numbers_from_one_are_noted() {
        let index =
            read(&[("1.jpg", b"x"), ("1.cls", b"1"), ("2.jpg", b"x"), ("2.cls", b"2")]).expect("valid");
        assert!(index.notes[0].contains("no image is of class 0"), "{:?}", index.notes);
    }

    #[test]
    fn unreadable_samples_are_named() {
        for files in [
            &[("0001.jpg", &b"x"[..])][..],
            &[("0001.jpg", b"x"), ("0001.json", b"{\"caption\": \"a\"}")],
            &[("0001.jpg", b"x"), ("0001.json", b"{\"label")],
            &[("0001.jpg", b"x"), ("0001.cls", b"70000")],
        ] {
            let why = read(files).expect_err("incomplete").to_string();
            assert!(why.contains("0001") || why.contains("70000"), "{why}");
        }
        let packed = Cursor::new(b"\x1f\x8b\x08rest".to_vec());
        let why = Shards::default().add(packed, "s.tar", Split::Val).expect_err("compressed").to_string();
        assert!(why.contains("s.tar") && why.contains("gunzip"), "{why}");
    }
}
