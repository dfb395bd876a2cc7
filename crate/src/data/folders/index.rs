//! Where each image of a data set is: a file in a folder, or a span of a tar file. Compact, because ImageNet has 1.28
//! million images; stored as text, one line per image.

use std::collections::HashMap;
use std::io::{BufRead, Write};

use crate::error::{Error, Result};

/// First line of an index file.
const TITLE: &str = "crossdub-index 1";
/// The most classes; labels are 16 bits wide.
const MAX_CLASSES: usize = 1 << 16;

/// Where one image lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageRef<'a> {
    /// The folder or tar file, relative to the data's root.
    pub container: &'a str,
    /// The file's name in it.
    pub name: &'a str,
    /// Offset and length within a tar file; `None` for a file in a folder.
    pub span: Option<(u64, u32)>,
    /// Its label.
    pub label: usize,
}

/// An entry of 24 bytes; names lie in one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexEntry {
    offset: u64,
    length: u32,
    name_at: u32,
    container: u32,
    label: u16,
    name_length: u16,
}

/// Length of entries that are whole files.
const WHOLE: u32 = u32::MAX;

/// Images of one part of a data set, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    containers: Vec<String>,
    known: HashMap<String, u32>,
    names: String,
    entries: Vec<IndexEntry>,
}

impl Listing {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where image `index` lies.
    pub fn image(&self, index: usize) -> ImageRef<'_> {
        let entry = &self.entries[index];
        ImageRef {
            container: &self.containers[entry.container as usize],
            name: &self.names[entry.name_at as usize..][..usize::from(entry.name_length)],
            span: (entry.length != WHOLE).then_some((entry.offset, entry.length)),
            label: usize::from(entry.label),
        }
    }

    /// Label of image `index`.
    pub fn label(&self, index: usize) -> usize {
        usize::from(self.entries[index].label)
    }

    /// Adds an image.
    ///
    /// # Errors
    /// If there are too many: 4 GiB of names, 65,536 classes.
    pub fn push(&mut self, image: ImageRef<'_>) -> Result<()> {
        let invalid = |why: &str| Error::file("listing images", image.name, why);
        let name_at = u32::try_from(self.names.len()).map_err(|_| invalid("too many names"))?;
        let name_length = u16::try_from(image.name.len()).map_err(|_| invalid("the name is too long"))?;
        let label = u16::try_from(image.label).map_err(|_| invalid("too many classes"))?;
        let (offset, length) = image.span.unwrap_or((0, WHOLE));
        let container = if let Some(&known) = self.known.get(image.container) {
            known
        } else {
            let new = u32::try_from(self.containers.len()).map_err(|_| invalid("too many folders"))?;
            self.containers.push(image.container.to_owned());
            self.known.insert(image.container.to_owned(), new);
            new
        };
        self.names.push_str(image.name);
        self.entries.push(IndexEntry { offset, length, name_at, container, label, name_length });
        Ok(())
    }

    /// Images of each label.
    pub fn per_class(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for entry in &self.entries {
            counts[usize::from(entry.label)] += 1;
        }
        counts
    }

    /// Replaces each label by the one that `labels` has in its place.
    ///
    /// # Errors
    /// If a label has none.
    pub fn relabel(&mut self, labels: &[usize]) -> Result<()> {
        for entry in &mut self.entries {
            let new = labels.get(usize::from(entry.label)).and_then(|&label| u16::try_from(label).ok());
            entry.label = new.ok_or_else(|| Error::file("labelling images", "", "too many classes"))?;
        }
        Ok(())
    }

    /// Bytes of memory that it uses.
    pub fn memory(&self) -> usize {
        let containers: usize = self.containers.iter().map(|name| 2 * name.len() + 64).sum();
        self.entries.capacity() * size_of::<IndexEntry>() + self.names.capacity() + containers
    }

    /// Orders the images so that the classes take turns, each in its own order: the first N of a listing are then a
    /// sample of all classes, not the first class.
    fn interleave(&mut self, classes: usize) {
        let mut turns = vec![0_u32; classes];
        let turn = |entry: &IndexEntry| {
            let turn = turns.get_mut(usize::from(entry.label))?;
            *turn += 1;
            Some((*turn, entry.label))
        };
        let turns: Vec<Option<(u32, u16)>> = self.entries.iter().map(turn).collect();
        let mut order: Vec<u32> = (0..self.entries.len() as u32).collect();
        order.sort_by_key(|&at| turns[at as usize]);
        self.entries = order.into_iter().map(|at| self.entries[at as usize]).collect();
    }

    fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.names.shrink_to_fit();
    }
}

/// A data set: its classes and where its images lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// Names of the classes, by label; WordNet ids for ImageNet.
    pub classes: Vec<String>,
    /// Images to train on.
    pub train: Listing,
    /// Images to evaluate on.
    pub val: Listing,
    /// Anything unusual about the data, a sentence each; not written to index files.
    pub notes: Vec<String>,
}

impl Index {
    /// Checks that it can be used.
    ///
    /// # Errors
    /// If it has no image, no class, or too many classes.
    pub fn check(mut self) -> Result<Self> {
        let invalid = |why: &str| Err(Error::file("listing images", "", why));
        if self.train.is_empty() && self.val.is_empty() {
            return invalid("there is no image");
        }
        if self.classes.is_empty() || self.classes.len() > MAX_CLASSES {
            return invalid("must have 1 to 65536 classes");
        }
        for listing in [&mut self.train, &mut self.val] {
            listing.interleave(self.classes.len());
            listing.shrink();
        }
        Ok(self)
    }

    /// Writes it as text: a title, `class NAME` lines, then for each image its part, label, offset
    /// and length (`-` for whole files), container and name, separated by tabs.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "{TITLE}")?;
        for class in &self.classes {
            writeln!(out, "class\t{class}")?;
        }
        for (part, listing) in [("train", &self.train), ("val", &self.val)] {
            for at in 0..listing.len() {
                let ImageRef { container, name, span, label } = listing.image(at);
                let span = span.map_or_else(|| "-\t-".to_owned(), |(at, length)| format!("{at}\t{length}"));
                writeln!(out, "{part}\t{label}\t{span}\t{container}\t{name}")?;
            }
        }
        Ok(())
    }

    /// Reads what [`Index::write`] wrote, line by line.
    ///
    /// # Errors
    /// If a line can't be understood.
    pub fn read(input: impl BufRead) -> Result<Self> {
        let mut index = Self::default();
        for (at, line) in input.lines().enumerate() {
            let fail = |why: String| Error::file("reading an index", "", format!("line {}: {why}", at + 1));
            let line = line.map_err(|why| fail(why.to_string()))?;
            if at == 0 && line != TITLE {
                return Err(fail(format!("it does not begin with {TITLE:?}")));
            }
            if at > 0 && !index.read_line(&line)? {
                return Err(fail("it can't be understood".to_owned()));
            }
        }
        index.check()
    }

    /// Reads a line; false if it can't be understood.
    fn read_line(&mut self, line: &str) -> Result<bool> {
        let fields: Vec<&str> = line.splitn(6, '\t').collect();
        let (listing, label, offset, length, container, name) = match *fields.as_slice() {
            ["class", name] => {
                self.classes.push(name.to_owned());
                return Ok(true);
            }
            ["train", label, offset, length, container, name] => {
                (&mut self.train, label, offset, length, container, name)
            }
            ["val", label, offset, length, container, name] => {
                (&mut self.val, label, offset, length, container, name)
            }
            _ => return Ok(false),
        };
        let span = match (offset, length) {
            ("-", "-") => None,
            (offset, length) => match (offset.parse(), length.parse()) {
                (Ok(offset), Ok(length)) if length != WHOLE => Some((offset, length)),
                _ => return Ok(false),
            },
        };
        let Some(label) = label.parse().ok().filter(|label| *label < self.classes.len()) else {
            return Ok(false);
        };
        listing.push(ImageRef { container, name, span, label })?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many images as ImageNet has, made on the fly: entries take 24 bytes and their names.
    #[test]
    fn an_index_of_imagenet_s_size_is_small() {
        struct Lines {
            at: u32,
            line: Vec<u8>,
            used: usize,
        }
        impl std::io::Read for Lines {
            fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
                if self.used == self.line.len() {
                    let class = self.at / 1282;
                    self.line = match self.at {
                        0 => format!(
                            "{TITLE}\n{}",
                            (0..1000).map(|c| format!("class\tn{c:08}\n")).collect::<String>()
                        ),
                        1..=1_281_167 => format!(
                            "train\t{class}\t{}\t110000\tILSVRC2012_img_train.tar\tn{class:08}_{}.JPEG\n",
                            u64::from(self.at) * 110_592,
                            self.at
                        ),
                        _ => String::new(),
                    }
                    .into_bytes();
                    (self.at, self.used) = (self.at + 1, 0);
                }
                let count = out.len().min(self.line.len() - self.used);
                out[..count].copy_from_slice(&self.line[self.used..self.used + count]);
                self.used += count;
                Ok(count)
            }
        }
        let lines = Lines { at: 0, line: Vec::new(), used: 0 };
        let index = Index::read(std::io::BufReader::new(lines)).expect("valid");
        assert_eq!((index.train.len(), index.classes.len()), (1_281_167, 1000));
        assert_eq!(size_of::<IndexEntry>(), 24);
        assert!(index.train.memory() < 60 << 20, "{} bytes", index.train.memory());
        let last = index.train.image(1_281_166);
        assert_eq!((last.label, last.name), (998, "n00000998_1280717.JPEG"));
        assert_eq!(last.span, Some((1_280_717 * 110_592, 110_000)), "beyond 4 GiB");
        assert!((0..1000).all(|at| index.train.label(at) == at), "classes take turns");
    }

    #[test]
    fn an_index_comes_back_as_it_was_written() {
        let mut index = Index { classes: vec!["n1".to_owned(), "n2".to_owned()], ..Index::default() };
        let whole = ImageRef { container: "train/n1", name: "a b.JPEG", span: None, label: 0 };
        let within = ImageRef { container: "val.tar", name: "c.JPEG", span: Some((1 << 40, 7)), label: 1 };
        index.train.push(whole).expect("fits");
        index.val.push(within).expect("fits");
        let mut text = Vec::new();
        index.write(&mut text).expect("writes");
        let back = Index::read(text.as_slice()).expect("valid");
        assert_eq!((back.train.image(0), back.val.image(0)), (whole, within));
        assert_eq!(back.classes, index.classes);
        assert_eq!(back.val.per_class(2), [0, 1]);
    }

    #[test]
    fn a_damaged_index_names_its_line() {
        let read = |text: &str| Index::read(text.as_bytes()).map_err(|why| why.to_string());
        for (text, expected) in [
            ("nonsense", "line 1"),
            ("crossdub-index 1\nclass\tn1\ntrain\t1\t-\t-\ta\tb", "line 3"),
            ("crossdub-index 1\nclass\tn1\ntrain\t0\t5\t-\ta\tb", "line 3"),
            ("crossdub-index 1\nclass\tn1\ntrain\t0\t-\t-\ta", "line 3"),
            ("crossdub-index 1\nclass\tn1\n", "no image"),
        ] {
            let why = read(text).expect_err("damaged");
            assert!(why.contains(expected), "{why}");
        }
    }
}
