//! CIFAR-10 in its official binary version (Krizhevsky 2009): records of a label byte and 3072
//! bytes of image, planes R, G, B. Files come as bytes under their names, or in their archive.

use std::io::Read;

use flate2::read::GzDecoder;

use super::{Dataset, IMAGE, TrainTest};
use crate::error::{Error, Result};

/// Names of the classes, by label.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Bytes of one record.
const RECORD: usize = 1 + IMAGE;
/// The largest file taken out of an archive; the official ones have 30 MB.
const MAX_ENTRY: u64 = 64 << 20;
/// The most that an archive may unpack to.
const MAX_ARCHIVE: u64 = 512 << 20;

fn fail(name: &str, why: impl std::fmt::Display) -> Error {
    Error::file("reading CIFAR-10", name, why)
}

/// A path's last part.
fn base(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

/// The number of a training file, `data_batch_3.bin` is 3.
fn batch_number(name: &str) -> Option<u32> {
    base(name).strip_prefix("data_batch_")?.strip_suffix(".bin")?.parse().ok()
}

/// Whether a file holds training records, by its name.
pub fn is_training_file(name: &str) -> bool {
    batch_number(name).is_some()
}

/// Whether a file holds the test records, by its name.
pub fn is_test_file(name: &str) -> bool {
    base(name) == "test_batch.bin"
}

fn is_archive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".tar.gz") || name.ends_with(".tgz")
}

/// Reads the records of one file.
///
/// # Errors
/// When its size is no positive multiple of a record, or a label is over 9.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Dataset> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
        return Err(fail(name, format!("{} bytes are no multiple of a record ({RECORD})", bytes.len())));
    }
    let mut data =
        Dataset { classes: CLASSES.map(str::to_owned).to_vec(), images: Vec::new(), labels: Vec::new() };
    data.images.reserve_exact(bytes.len() / RECORD * IMAGE);
    for (index, record) in bytes.chunks_exact(RECORD).enumerate() {
        if record[0] > 9 {
            return Err(fail(name, format!("record {index} has the label {}, over 9", record[0])));
        }
        data.labels.push(record[0]);
        data.images.extend_from_slice(&record[1..]);
    }
    Ok(data)
}

/// Puts files together: training files in the order of their numbers, and the test file, or the
/// last `holdout` training records in its place.
///
/// # Errors
/// When a file is damaged, unknown, there twice, or missing.
pub fn from_files(files: &[(String, Vec<u8>)], holdout: usize) -> Result<TrainTest> {
    let mut unpacked = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| is_archive(name)) {
        unpacked.extend(read_archive(name, bytes.as_slice())?);
    }
    let loose = files.iter().filter(|(name, _)| !is_archive(name));
    let (mut training, mut test) = (Vec::new(), None);
    for (name, bytes) in loose.chain(&unpacked) {
        if let Some(number) = batch_number(name) {
            training.push((number, name, bytes));
        } else if is_test_file(name) {
            if test.replace((name, bytes)).is_some() {
                return Err(fail(name, "it is there twice"));
            }
        } else {
            return Err(fail(name, "it is neither data_batch_N.bin nor test_batch.bin nor their .tar.gz"));
        }
    }
    training.sort_by_key(|(number, ..)| *number);
    if let Some(pair) = training.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(fail(pair[1].1, "it is there twice"));
    }
    let mut train = join(&training)?;
    if holdout > 0 {
        if holdout >= train.len() {
            let why = format!("leaves nothing to train on: there are {} training images", train.len());
            return Err(Error::field("holdout", holdout, why));
        }
        let test = train.split_off(holdout);
        return Ok(TrainTest { train, test });
    }
    let (name, bytes) = test.ok_or_else(|| {
        fail("test_batch.bin", "it is missing; a holdout of training images can take its place")
    })?;
    Ok(TrainTest { train, test: parse(name, bytes)? })
}

fn join(files: &[(u32, &String, &Vec<u8>)]) -> Result<Dataset> {
    let mut whole: Option<Dataset> = None;
    for (_, name, bytes) in files {
        let part = parse(name, bytes)?;
        match &mut whole {
            None => whole = Some(part),
            Some(whole) => {
                whole.images.extend(part.images);
                whole.labels.extend(part.labels);
            }
        }
    }
    whole.ok_or_else(|| fail("data_batch_1.bin", "there is no training file"))
}

/// Takes the known files out of the official archive. Nothing is written, so paths in it are harmless.
///
/// # Errors
/// When the archive is truncated, damaged or unpacks to absurd sizes.
pub fn read_archive(name: &str, reader: impl Read) -> Result<Vec<(String, Vec<u8>)>> {
    let mut archive = tar::Archive::new(GzDecoder::new(reader).take(MAX_ARCHIVE));
    let damaged = |why: std::io::Error| fail(name, format!("the archive is truncated or damaged: {why}"));
    let mut files = Vec::new();
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !is_training_file(&path) && !is_test_file(&path) {
            continue;
        }
        let claimed = entry.size();
        if claimed > MAX_ENTRY {
            return Err(fail(name, format!("{path} claims {claimed} bytes")));
        }
        let mut bytes = Vec::new();
        entry.take(MAX_ENTRY).read_to_end(&mut bytes).map_err(damaged)?;
        if bytes.len() as u64 != claimed {
            return Err(fail(name, format!("the archive is truncated in {path}")));
        }
        files.push((path, bytes));
    }
    // The tar ends before its packing does, whose checksum comes last.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(damaged)?;
    if files.is_empty() {
        return Err(fail(name, "it holds no data_batch_1.bin to data_batch_5.bin (the binary version)"));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

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
        let split = from_files(&files, 0).expect("valid");
        assert_eq!(split.train.labels, [7, 8, 1]);
        assert_eq!(split.test.labels, [3]);
        assert_eq!(split.train.image(1), &[24; IMAGE][..]);
    }

    #[test]
    fn a_holdout_takes_the_last_training_images() {
        let split = from_files(&[file("data_batch_1.bin", &[0, 1, 2, 3])], 1).expect("valid");
        assert_eq!((split.train.labels, split.test.labels), (vec![0, 1, 2], vec![3]));
        assert!(from_files(&[file("data_batch_1.bin", &[0, 1])], 2).is_err());
    }

    #[test]
    fn bad_files_say_what_is_wrong() {
        let check = |files: &[(String, Vec<u8>)], expected: &str| {
            let error = from_files(files, 0).expect_err("refused").to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        };
        let mut short = file("data_batch_1.bin", &[1]);
        short.1.pop();
        check(&[short], "no multiple");
        check(&[("data_batch_1.bin".to_owned(), Vec::new())], "no multiple");
        check(&[file("data_batch_1.bin", &[3, 10])], "record 1 has the label 10");
        check(&[file("data_batch_1.bin", &[1])], "test_batch.bin");
        check(&[file("test_batch.bin", &[1])], "no training file");
        check(&[file("notes.txt", &[1])], "neither");
        check(&[file("data_batch_1.bin", &[1]), file("a/data_batch_1.bin", &[1])], "twice");
    }

    #[test]
    fn the_archive_gives_the_same_as_its_files() {
        let files = [
            file("cifar/data_batch_1.bin", &[1, 2]),
            file("cifar/readme.html", &[0]),
            file("cifar/test_batch.bin", &[4]),
        ];
        let packed = ("cifar-10-binary.tar.gz".to_owned(), archive(&files));
        let split = from_files(&[packed], 0).expect("valid");
        assert_eq!((split.train.labels, split.test.labels), (vec![1, 2], vec![4]));
    }

    #[test]
    fn an_archive_cut_anywhere_is_refused_in_one_line() {
        let whole = archive(&[file("data_batch_1.bin", &[1]), file("test_batch.bin", &[2])]);
        for end in 0..whole.len() {
            let error = read_archive("a.tar.gz", &whole[..end]).expect_err("cut");
            assert!(!error.to_string().contains('\n'));
        }
        assert!(read_archive("a.tar.gz", whole.as_slice()).is_ok());
    }
}
