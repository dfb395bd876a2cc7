//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their binary and their Python versions, recognized by their content. Files
//! come as bytes under their names, or in an archive of any common kind.
//!
//! A record of the binary version is one label byte (CIFAR-100: the coarse, then the fine label) and 3072 bytes of
//! image, planes R, G, B. The Python version (`python.rs`) pickles the same planes.

mod names;
mod python;

pub use names::{CLASSES, CLASSES_100};

use super::unpack::{Limits, NamedFiles, unpack};
use super::{Dataset, IMAGE, TrainTest};
use crate::config::DataSource;
use crate::error::{Error, Result};

/// The largest file: the training images of CIFAR-100 take 154 MB. Archives may hold three times as much.
const LIMITS: Limits = Limits { file: 256 << 20, total: 768 << 20 };

fn fail(name: &str, why: impl std::fmt::Display) -> Error {
    Error::file("reading CIFAR", name, why)
}

/// One of the two data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CifarVariant {
    Ten,
    Hundred,
}

impl CifarVariant {
    const ALL: [Self; 2] = [Self::Ten, Self::Hundred];

    /// Bytes of labels before each image of the binary version.
    fn label_bytes(self) -> usize {
        match self {
            Self::Ten => 1,
            Self::Hundred => 2,
        }
    }

    fn record(self) -> usize {
        self.label_bytes() + IMAGE
    }

    fn classes(self) -> Vec<String> {
        let names: &[&str] = match self {
            Self::Ten => &CLASSES,
            Self::Hundred => &CLASSES_100,
        };
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn source(self) -> DataSource {
        match self {
            Self::Ten => DataSource::Cifar10,
            Self::Hundred => DataSource::Cifar100,
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CifarSplit {
    /// Training images, with the file's number.
    Training(u32),
    Test,
}

/// The role of a file by its name, without folders, endings and the `(1)` of a second download.
fn role(path: &str) -> Option<CifarSplit> {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
    let mut stem = name.as_str();
    loop {
        let shorter = [".bin", ".gz", ".pkl", ".pickle"].iter().find_map(|ending| stem.strip_suffix(ending));
        let copy = || {
            let (before, number) = stem.strip_suffix(')')?.rsplit_once('(')?;
            number.bytes().all(|byte| byte.is_ascii_digit()).then_some(before.trim_end())
        };
        match shorter.or_else(copy) {
            Some(shorter) => stem = shorter,
            None => break,
        }
    }
    match stem {
        "test_batch" | "test" => Some(CifarSplit::Test),
        "train" => Some(CifarSplit::Training(0)),
        _ => stem.strip_prefix("data_batch_")?.parse().ok().map(CifarSplit::Training),
    }
}

/// Whether a file holds images of one of the data sets, by its name.
pub fn is_image_file(path: &str) -> bool {
    role(path).is_some()
}

/// Whether a file holds test images, by its name.
pub fn is_test_file(path: &str) -> bool {
    role(path) == Some(CifarSplit::Test)
}

/// A file that was understood.
struct ParsedFile {
    kind: CifarVariant,
    role: CifarSplit,
    name: String,
    images: Dataset,
}

/// Reads the records of one file of either version.
///
/// # Errors
/// If it is neither a pickle of images and labels, nor whole records with labels in range.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Dataset> {
    parse_part(name, bytes).map(|(_, images)| images)
}

fn parse_part(name: &str, bytes: &[u8]) -> Result<(CifarVariant, Dataset)> {
    if python::is_pickle(bytes) {
        let (kind, images, labels) = python::read(bytes).map_err(|why| fail(name, why))?;
        return Ok((kind, Dataset::new(kind.classes(), images, labels)));
    }
    let whole = |kind: &CifarVariant| !bytes.is_empty() && bytes.len().is_multiple_of(kind.record());
    let mut first_error = None;
    for kind in CifarVariant::ALL.into_iter().filter(whole) {
        match parse_records(name, bytes, kind) {
            Ok(images) => return Ok((kind, images)),
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| {
        let [ten, hundred] = CifarVariant::ALL.map(CifarVariant::record);
        let count = bytes.len();
        fail(
            name,
            format!(
                "{count} bytes is not a whole number of records ({ten} in CIFAR-10, {hundred} in CIFAR-100)"
            ),
        )
    }))
}

fn parse_records(name: &str, bytes: &[u8], kind: CifarVariant) -> Result<Dataset> {
    let images = Vec::with_capacity(bytes.len() / kind.record() * IMAGE);
    let mut data = Dataset::new(kind.classes(), images, Vec::new());
    for (index, record) in bytes.chunks_exact(kind.record()).enumerate() {
        let (labels, image) = record.split_at(kind.label_bytes());
        // The fine label comes last.
        let (label, classes) = (labels[labels.len() - 1], data.classes.len());
        if usize::from(label) >= classes {
            return Err(fail(name, format!("record {index} has the label {label}, over {}", classes - 1)));
        }
        data.push(image, label);
    }
    Ok(data)
}

/// The files of an archive that are named like CIFAR's; `None` if the bytes are no archive.
///
/// # Errors
/// If the archive is damaged or unpacks to too much.
pub fn unpack_archive(name: &str, bytes: &[u8]) -> Result<Option<NamedFiles>> {
    unpack(name, bytes, LIMITS, &is_image_file)
}

/// A data set that was put together.
#[derive(Debug, Clone, PartialEq)]
pub struct Cifar {
    /// Which of the two it is.
    pub source: DataSource,
    /// Its images.
    pub split: TrainTest,
}

/// Puts files together: training files in the order of their numbers, and the test file, or the last `holdout`
/// training images in its place. Archives are unpacked; files with other names, such as `batches.meta`, are ignored
/// if there are images beside them. Each file is freed when it was read.
///
/// # Errors
/// If a file is damaged, there twice or missing, or files of both data sets are mixed.
pub fn from_files(files: impl IntoIterator<Item = (String, Vec<u8>)>, holdout: usize) -> Result<Cifar> {
    let (mut parts, mut unknown) = (Vec::new(), None);
    for (name, bytes) in files {
        match unpack_archive(&name, &bytes)? {
            None => add(&name, &bytes, &mut parts, &mut unknown)?,
            Some(unpacked) => {
                drop(bytes);
                let before = parts.len();
                for (inner, bytes) in unpacked {
                    add(&inner, &bytes, &mut parts, &mut unknown)?;
                }
                if parts.len() == before {
                    return Err(fail(&name, "the archive holds no file of CIFAR-10 or CIFAR-100"));
                }
            }
        }
    }
    if let (true, Some(name)) = (parts.is_empty(), unknown) {
        return Err(fail(&name, "it is neither a file of CIFAR-10 or CIFAR-100, nor an archive of them"));
    }
    join(parts, holdout)
}

/// Adds a file to the parts, if it has images.
fn add(name: &str, bytes: &[u8], parts: &mut Vec<ParsedFile>, unknown: &mut Option<String>) -> Result<()> {
    let by_content = || python::is_pickle(bytes).then(|| python::role(bytes)).flatten();
    let Some(role) = role(name).or_else(by_content) else {
        unknown.get_or_insert_with(|| name.to_owned());
        return Ok(());
    };
    let (kind, images) = parse_part(name, bytes)?;
    parts.push(ParsedFile { kind, role, name: name.to_owned(), images });
    Ok(())
}

fn join(mut parts: Vec<ParsedFile>, holdout: usize) -> Result<Cifar> {
    parts.sort_by_key(|part| part.role);
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].role == pair[1].role) {
        return Err(fail(&pair[1].name, format!("it duplicates {}", pair[0].name)));
    }
    let kind = parts.first().map_or(CifarVariant::Ten, |part| part.kind);
    if let Some(other) = parts.iter().find(|part| part.kind != kind) {
        return Err(fail(&other.name, format!("{} is of the other data set", parts[0].name)));
    }
    let empty = || Dataset::new(kind.classes(), Vec::new(), Vec::new());
    let is_training = |part: &&ParsedFile| part.role != CifarSplit::Test;
    let count: usize = parts.iter().filter(is_training).map(|part| part.images.len()).sum();
    let (mut train, mut test) = (empty(), None);
    for ParsedFile { role, images, .. } in parts {
        match role {
            CifarSplit::Test => test = Some(images),
            CifarSplit::Training(_) if images.len() == count => train = images,
            CifarSplit::Training(_) => {
                // Once: to grow by doubling takes twice as much.
                train.reserve(count - train.len());
                images.images().zip(&images.labels).for_each(|(image, label)| train.push(image, *label));
            }
        }
    }
    if train.is_empty() {
        let first = if kind == CifarVariant::Ten { "data_batch_1" } else { "train" };
        return Err(fail(first, "there is no training file"));
    }
    if holdout > 0 {
        if holdout >= train.len() {
            let why = format!("leaves nothing to train on: there are {} training images", train.len());
            return Err(Error::field("holdout", holdout, why));
        }
        test = Some(train.split_off(holdout));
    }
    let test = test.ok_or_else(|| {
        let name = if kind == CifarVariant::Ten { "test_batch" } else { "test" };
        fail(name, "it is missing; a holdout of training images can take its place")
    })?;
    Ok(Cifar { source: kind.source(), split: TrainTest { train, test } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pixels::Pixels;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::{Read, Write};

    fn records(labels: &[u8]) -> Vec<u8> {
        labels
            .iter()
            .flat_map(|&label| [label].into_iter().chain(std::iter::repeat_n(label * 3, IMAGE)))
            .collect()
    }

    fn file(name: &str, labels: &[u8]) -> (String, Vec<u8>) {
        (name.to_owned(), records(labels))
    }

    fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append_data(&mut header, name, bytes.as_slice()).expect("appends");
        }
        let mut encoder = builder.into_inner().expect("finishes");
        encoder.flush().expect("flushes");
        encoder.finish().expect("finishes")
    }

    #[test]
    fn files_join_in_the_order_of_their_numbers() {
        let files = [
            file("x/data_batch_10.bin", &[1]),
            file("data_batch_2.bin", &[7, 8]),
            file("test_batch.bin", &[3]),
        ];
        let Cifar { split, .. } = from_files(files, 0).expect("valid");
        assert_eq!(split.train.labels, [7, 8, 1]);
        assert_eq!(split.test.labels, [3]);
        assert_eq!(split.train.image(1), &[24; IMAGE][..]);
    }

    /// To grow by doubling would take twice the memory for a moment.
    #[test]
    fn memory_for_training_images_is_taken_once() {
        let name = |number: u8| format!("data_batch_{number}.bin");
        let mut files: Vec<_> = (1..=5).map(|number| file(&name(number), &[number; 7])).collect();
        files.push(file("test_batch.bin", &[3]));
        let Cifar { split, .. } = from_files(files, 0).expect("valid");
        let Pixels::Read(bytes) = &split.train.pixels else { panic!("the pixels were read") };
        assert_eq!((bytes.len(), bytes.capacity()), (35 * IMAGE, 35 * IMAGE));
    }

    #[test]
    fn a_holdout_takes_the_last_training_images() {
        let Cifar { split, .. } = from_files([file("data_batch_1.bin", &[0, 1, 2, 3])], 1).expect("valid");
        assert_eq!((split.train.labels, split.test.labels), (vec![0, 1, 2], vec![3]));
        assert!(from_files([file("data_batch_1.bin", &[0, 1])], 2).is_err());
    }

    #[test]
    fn bad_files_say_what_is_wrong() {
        let check = |files: &[(String, Vec<u8>)], expected: &str| {
            let error = from_files(files.to_vec(), 0).expect_err(expected).to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        };
        let mut short = file("data_batch_1.bin", &[1]);
        short.1.pop();
        check(&[short], "not a whole number of records");
        check(&[("data_batch_1.bin".to_owned(), Vec::new())], "not a whole number of records");
        check(&[file("data_batch_1.bin", &[3, 10])], "record 1 has the label 10");
        check(&[file("data_batch_1.bin", &[1])], "test_batch");
        check(&[file("test_batch.bin", &[1])], "no training file");
        check(&[file("notes.txt", &[1])], "neither");
        check(&[file("data_batch_1.bin", &[1]), file("a/data_batch_1.bin", &[1])], "duplicates");
        check(&[file("data_batch_1.bin", &[1]), ("test.bin".to_owned(), fine(&[4]))], "other data set");
        check(&[("a.tar.gz".to_owned(), archive(&[file("readme", &[1])]))], "holds no file");
    }

    /// Records of CIFAR-100.
    fn fine(labels: &[u8]) -> Vec<u8> {
        labels.iter().flat_map(|&label| [[label / 5, label].to_vec(), vec![label; IMAGE]].concat()).collect()
    }

    #[test]
    fn archives_are_recognized_by_their_content() {
        let files = [
            file("cifar/data_batch_1.bin", &[1, 2]),
            file("cifar/readme.html", &[0]),
            file("cifar/test_batch.bin", &[4]),
        ];
        let packed = archive(&files);
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut tar).expect("unpacks");
        for (name, bytes) in [("a.tar.gz", &packed), ("a (1).gz", &packed), ("a.tar.tar", &tar), ("a", &tar)]
        {
            let Cifar { source, split } = from_files([(name.to_owned(), bytes.clone())], 0).expect(name);
            assert_eq!((split.train.labels, split.test.labels), (vec![1, 2], vec![4]));
            assert_eq!(source, DataSource::Cifar10);
        }
    }

    #[test]
    fn cifar_100_is_recognized_by_its_records() {
        let files = [("train.bin".to_owned(), fine(&[99, 3])), ("test.bin".to_owned(), fine(&[42]))];
        let Cifar { source, split } = from_files(files, 0).expect("valid");
        assert_eq!((split.train.labels, split.test.labels), (vec![99, 3], vec![42]));
        assert_eq!((source, split.train.classes[99].as_str()), (DataSource::Cifar100, "worm"));
    }

    #[test]
    fn the_python_version_is_read_by_name_or_by_batch_label() {
        let batch = |label: &str, class: u8| {
            let label = [&[b'U', label.len() as u8], label.as_bytes()].concat();
            let data = python::tests::array(1, 3072, "u1", &[class * 9; IMAGE]);
            let items = [("batch_label", label), ("labels", python::tests::list(&[class])), ("data", data)];
            python::tests::dict(&items)
        };
        let files = [
            ("renamed".to_owned(), batch("training batch 2 of 5", 5)),
            ("x/data_batch_1".to_owned(), batch("training batch 1 of 5", 8)),
            ("test_batch (1)".to_owned(), batch("testing batch 1 of 1", 2)),
            ("batches.meta".to_owned(), python::tests::dict(&[])),
        ];
        let Cifar { split, .. } = from_files(files, 0).expect("valid");
        assert_eq!((split.train.labels.as_slice(), split.test.labels.as_slice()), (&[8, 5][..], &[2][..]));
        assert_eq!(split.train.image(0), &[72; IMAGE][..]);
    }
}
