//! Tar files, of which only the headers are read: they tell where each file is, so nothing has to be unpacked.

use std::io::{Read, Result as IoResult, Seek, SeekFrom};

use tar::Archive;

use super::index::{ImageRef, Listing};
pub use crate::data::folders::is_image;
use crate::error::{Error, Result};

/// A file within a tar file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path.
    pub path: String,
    /// Where its bytes begin.
    pub offset: u64,
    /// How many there are.
    pub length: u64,
}

impl Member {
    /// The path's last part.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// A part of a reader as a reader of its own, for a tar file inside a tar file.
pub struct Section<R> {
    inner: R,
    begin: u64,
    length: u64,
    at: u64,
}

impl<R: Read + Seek> Section<R> {
    /// `length` bytes from `begin`.
    ///
    /// # Errors
    /// If the reader can't seek there.
    pub fn new(mut inner: R, begin: u64, length: u64) -> IoResult<Self> {
        inner.seek(SeekFrom::Start(begin))?;
        Ok(Self { inner, begin, length, at: 0 })
    }
}

impl<R: Read> Read for Section<R> {
    fn read(&mut self, out: &mut [u8]) -> IoResult<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = left.min(out.len());
        let count = self.inner.read(&mut out[..most])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl<R: Seek> Seek for Section<R> {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        let target = target.ok_or_else(|| std::io::Error::other("a place before the beginning"))?;
        self.inner.seek(SeekFrom::Start(self.begin + target))?;
        self.at = target;
        Ok(target)
    }
}

/// The files of a tar file, in their order; `visit` may read one.
///
/// # Errors
/// If it is damaged or truncated, or `visit` fails.
pub fn members<R: Read + Seek>(
    mut reader: R,
    mut visit: impl FnMut(Member, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let fail = |why: std::io::Error| Error::file("reading a tar file", "", why);
    let end = reader.seek(SeekFrom::End(0)).map_err(fail)?;
    reader.seek(SeekFrom::Start(0)).map_err(fail)?;
    let mut archive = Archive::new(reader);
    for entry in archive.entries_with_seek().map_err(fail)? {
        let mut entry = entry.map_err(fail)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let member = Member { path, offset: entry.raw_file_position(), length: entry.size() };
        // Seeking over a file does not detect that it is truncated.
        if member.offset.checked_add(member.length).is_none_or(|last| last > end) {
            let why = format!("it is truncated in {}", member.path);
            return Err(Error::file("reading a tar file", "", why));
        }
        visit(member, &mut entry)?;
    }
    Ok(())
}

/// The classes of ImageNet's training archive with their tar files (`n01440764.tar`), sorted.
///
/// # Errors
/// If it is damaged, or holds something else.
pub fn class_archives(archive: impl Read + Seek) -> Result<Vec<(String, Member)>> {
    let mut classes = Vec::new();
    members(archive, |member, _| {
        let class = member.name().strip_suffix(".tar").map(str::to_owned);
        let class = class.ok_or_else(|| {
            let why = format!("{} is not the tar file of a class", member.path);
            Error::file("reading the training archive", "", why)
        })?;
        classes.push((class, member));
        Ok(())
    })?;
    classes.sort_by(|a, b| a.0.cmp(&b.0));
    classes.dedup_by(|a, b| a.0 == b.0);
    Ok(classes)
}

/// Lists the images of ImageNet's training archive and returns the names of its classes.
///
/// # Errors
/// If the archive is damaged.
pub fn list_training<R: Read + Seek>(
    archive: &mut R,
    container: &str,
    listing: &mut Listing,
) -> Result<Vec<String>> {
    let archives = class_archives(&mut *archive)?;
    for (label, (class, tar)) in archives.iter().enumerate() {
        let fail = |why: std::io::Error| Error::file("reading the training archive", "", why);
        let section = Section::new(&mut *archive, tar.offset, tar.length).map_err(fail)?;
        let listed = members(section, |member, _| {
            if !is_image(member.name()) {
                return Ok(());
            }
            let length = u32::try_from(member.length);
            let length =
                length.map_err(|_| Error::file("listing images", &*member.path, "it is too large"))?;
            let span = Some((tar.offset + member.offset, length));
            listing.push(ImageRef { container, name: member.name(), span, label })
        });
        listed.map_err(|error| error.with_path(&format!("{container}, {class}.tar")))?;
    }
    Ok(archives.into_iter().map(|(class, _)| class).collect())
}

/// Lists the images of ImageNet's validation archive; `labels` belong to its images sorted by name.
///
/// # Errors
/// If the archive is damaged, or has more or fewer images than there are labels.
pub fn list_validation(
    archive: impl Read + Seek,
    container: &str,
    labels: &[usize],
    listing: &mut Listing,
) -> Result<()> {
    let mut images = Vec::new();
    members(archive, |member, _| {
        if is_image(member.name()) {
            images.push(member);
        }
        Ok(())
    })?;
    if images.len() != labels.len() {
        let why = format!("{} images and {} labels", images.len(), labels.len());
        return Err(Error::file("reading the validation archive", container, why));
    }
    images.sort_by(|a, b| a.name().cmp(b.name()));
    for (member, &label) in images.iter().zip(labels) {
        let length = u32::try_from(member.length);
        let length = length.map_err(|_| Error::file("listing images", &*member.path, "it is too large"))?;
        listing.push(ImageRef {
            container,
            name: member.name(),
            span: Some((member.offset, length)),
            label,
        })?;
    }
    Ok(())
}

/// A tar file of these files, for tests.
#[cfg(test)]
pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).expect("writes");
    }
    builder.into_inner().expect("ends")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn training() -> Vec<u8> {
        let second = tar_of(&[("n2_1.JPEG", b"dddd"), ("n2_2.JPEG", b"ee"), ("notes.txt", b"no image")]);
        let first = tar_of(&[("n1_7.JPEG", b"aaa")]);
        // As in the official archive, in no particular order.
        tar_of(&[("n2.tar", &second), ("n1.tar", &first)])
    }

    #[test]
    fn the_training_archive_is_listed_without_unpacking() {
        let archive = training();
        let mut listing = Listing::default();
        let classes = list_training(&mut Cursor::new(&archive), "train.tar", &mut listing).expect("valid");
        assert_eq!(classes, ["n1", "n2"]);
        let found: Vec<_> = (0..listing.len()).map(|at| listing.image(at)).collect();
        let named: Vec<_> = found.iter().map(|image| (image.name, image.label)).collect();
        assert_eq!(named, [("n1_7.JPEG", 0), ("n2_1.JPEG", 1), ("n2_2.JPEG", 1)]);
        for (image, expected) in found.iter().zip([&b"aaa"[..], b"dddd", b"ee"]) {
            let (offset, length) = image.span.expect("in a tar file");
            assert_eq!(&archive[offset as usize..][..length as usize], expected);
        }
    }

    #[test]
    fn validation_images_get_their_labels_by_name() {
        let archive = tar_of(&[("val_2.JPEG", b"b"), ("val_1.JPEG", b"a")]);
        let list = |labels: &[usize]| {
            let mut listing = Listing::default();
            list_validation(Cursor::new(&archive), "val.tar", labels, &mut listing).map(|()| listing)
        };
        let listing = list(&[5, 3]).expect("fits");
        assert_eq!((listing.image(0).name, listing.label(0), listing.label(1)), ("val_1.JPEG", 5, 3));
        assert!(list(&[1]).is_err_and(|why| why.to_string().contains("2 images and 1 labels")));
    }

    #[test]
    fn archives_cut_off_are_rejected() {
        let archive = training();
        for end in [700, archive.len() / 2] {
            let mut cut = Cursor::new(&archive[..end]);
            assert!(list_training(&mut cut, "train.tar", &mut Listing::default()).is_err(), "{end}");
        }
        let mut other = Cursor::new(tar_of(&[("README", b"text")]));
        assert!(list_training(&mut other, "x.tar", &mut Listing::default()).is_err());
    }
}
