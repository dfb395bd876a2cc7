//! Archives in memory, recognized by their content: gzip, tar and zip, also one inside the other. Nothing is written to a
//! disk, sizes are counted while they unpack, and no path leaves the archive.

use std::io::{Cursor, Read};

use flate2::read::GzDecoder;
use zip::ZipArchive;

use crate::error::{Error, Result};

/// Bytes at the start of a file that tell its format; the length of a tar header.
const HEAD: usize = 512;
/// Archives inside archives: a tar file in a gzip file in a gzip file, say.
const MAX_DEPTH: usize = 3;
/// The most entries of an archive.
const MAX_ENTRIES: usize = 1 << 21;

/// Files with their paths.
pub type NamedFiles = Vec<(String, Vec<u8>)>;

/// Limits of what an archive may unpack to, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest single file.
    pub file: u64,
    /// All files together.
    pub total: u64,
}

/// Unpacks the files of an archive whose path `keep` accepts; `None` if the bytes are no archive. Names keep their
/// folders, separated by `/`.
///
/// # Errors
/// If the archive is truncated or damaged, unpacks to more than the limits, holds a path that leads out of it, or is
/// of a kind that is not read.
pub fn unpack(
    name: &str,
    bytes: &[u8],
    limits: Limits,
    keep: &dyn Fn(&str) -> bool,
) -> Result<Option<NamedFiles>> {
    let mut unpacking = Unpacking { name, limits, keep, left: limits.total, found: Vec::new() };
    // A zip is read where it lies: it is in memory already, and counts for nothing of what it unpacks to.
    let is_zip = format(&bytes[..bytes.len().min(HEAD)]) == Some(Format::Zip);
    let is_archive = if is_zip {
        unpacking.read_zip(bytes)?;
        true
    } else {
        unpacking.read(name, &mut &*bytes, 0)?
    };
    Ok(is_archive.then_some(unpacking.found))
}

/// Whether bytes start as an archive that [`unpack`] knows.
pub fn is_archive(bytes: &[u8]) -> bool {
    format(&bytes[..bytes.len().min(HEAD)]).is_some()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Gzip,
    Tar,
    Zip,
    /// Recognized, but not read.
    Other(&'static str),
}

fn format(head: &[u8]) -> Option<Format> {
    match head {
        [0x1f, 0x8b, 8, ..] => Some(Format::Gzip),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Format::Zip),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Some(Format::Other("bzip2")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Format::Other("xz")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Format::Other("zstd")),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Some(Format::Other("7z")),
        [b'R', b'a', b'r', b'!', 0x1a, 7, ..] => Some(Format::Other("RAR")),
        _ if is_tar_header(head) => Some(Format::Tar),
        _ => None,
    }
}

/// Whether a block is the header of a file in a tar archive: old ones have no magic number, but all have a checksum.
fn is_tar_header(block: &[u8]) -> bool {
    let Some(block) = block.first_chunk::<HEAD>() else { return false };
    let header = tar::Header::from_byte_slice(block);
    let sum = |range: std::ops::Range<usize>| block[range].iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let expected = sum(0..148) + 8 * u32::from(b' ') + sum(156..HEAD);
    block[0] != 0 && header.cksum().is_ok_and(|stored| stored == expected)
}

struct Unpacking<'a> {
    name: &'a str,
    limits: Limits,
    keep: &'a dyn Fn(&str) -> bool,
    /// Bytes that may still be unpacked.
    left: u64,
    found: NamedFiles,
}

impl Unpacking<'_> {
    fn fail(&self, why: impl std::fmt::Display) -> Error {
        Error::file("reading an archive", self.name, why)
    }

    fn damaged(&self, why: impl std::fmt::Display) -> Error {
        self.fail(format!("the archive is truncated or damaged: {why}"))
    }

    /// Unpacks what `reader` holds under `path`; returns whether the outermost file is an archive.
    fn read(&mut self, path: &str, reader: &mut dyn Read, depth: usize) -> Result<bool> {
        let mut head = Vec::with_capacity(HEAD);
        reader.take(HEAD as u64).read_to_end(&mut head).map_err(|why| self.damaged(why))?;
        let found = format(&head);
        if depth == 0 && found.is_none() {
            return Ok(false);
        }
        if found.is_some() && depth >= MAX_DEPTH {
            return Err(self.fail("it has archives within archives within archives"));
        }
        let whole = &mut Cursor::new(head).chain(reader);
        match found {
            Some(Format::Gzip) => {
                let mut unpacked = GzDecoder::new(whole);
                let inner = path.rsplit_once('.').filter(|(_, ending)| ending.eq_ignore_ascii_case("gz"));
                self.read(inner.map_or(path, |(stem, _)| stem), &mut unpacked, depth + 1)?;
                // The packed file ends before its packing does, whose checksum comes last.
                self.drain(&mut unpacked)?;
            }
            Some(Format::Tar) => self.read_tar(whole)?,
            Some(Format::Zip) => {
                let bytes = self.take(path, whole, self.limits.total)?;
                self.read_zip(&bytes)?;
            }
            Some(Format::Other(kind)) => {
                return Err(self.fail(format!("it is a {kind} archive, which is not read: unpack it first")));
            }
            None => {
                let bytes = self.take(path, whole, self.limits.file)?;
                self.found.push((path.to_owned(), bytes));
            }
        }
        Ok(true)
    }

    fn read_tar(&mut self, reader: &mut dyn Read) -> Result<()> {
        let mut archive = tar::Archive::new(reader);
        for (count, entry) in archive.entries().map_err(|why| self.damaged(why))?.enumerate() {
            let entry = entry.map_err(|why| self.damaged(why))?;
            self.count(count)?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if !entry.header().entry_type().is_file() || !(self.keep)(&path) {
                continue;
            }
            let (path, claimed) = (self.inside(&path)?, entry.size());
            let bytes = self.take(&path, entry, self.limits.file)?;
            if bytes.len() as u64 != claimed {
                return Err(self.damaged(format!("{path} is truncated")));
            }
            self.found.push((path, bytes));
        }
        self.drain(&mut archive.into_inner())
    }

    fn read_zip(&mut self, bytes: &[u8]) -> Result<()> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|why| self.damaged(why))?;
        self.count(archive.len())?;
        for index in 0..archive.len() {
            let entry = match archive.by_index_raw(index) {
                Ok(entry) => entry,
                Err(why) => return Err(self.damaged(why)),
            };
            let path = entry.name().map_err(|why| self.damaged(why))?.replace('\\', "/");
            let encrypted = entry.encrypted();
            let wanted = entry.is_file() && (self.keep)(&path);
            drop(entry);
            if !wanted {
                continue;
            }
            if encrypted {
                return Err(self.fail("it is encrypted"));
            }
            let path = self.inside(&path)?;
            let entry = archive.by_index(index).map_err(|why| self.damaged(format!("{path}: {why}")))?;
            let bytes = self.take(&path, entry, self.limits.file)?;
            self.found.push((path, bytes));
        }
        Ok(())
    }

    /// The bytes of a reader, of which `most` may be unpacked.
    fn take(&mut self, path: &str, reader: impl Read, most: u64) -> Result<Vec<u8>> {
        let most = most.min(self.left);
        let mut bytes = Vec::new();
        reader
            .take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(|why| self.damaged(format!("{path}: {why}")))?;
        if bytes.len() as u64 > most {
            let limit = if most == self.left { self.limits.total } else { most };
            return Err(self.fail(format!("with {path} it unpacks to more than {} MB", limit >> 20)));
        }
        self.left -= bytes.len() as u64;
        Ok(bytes)
    }

    /// Reads the rest, so that a missing end is noticed.
    fn drain(&mut self, reader: &mut dyn Read) -> Result<()> {
        let most = self.limits.total.saturating_mul(2);
        let rest = std::io::copy(&mut reader.take(most), &mut std::io::sink());
        rest.map(drop).map_err(|why| self.damaged(why))
    }

    fn count(&self, entries: usize) -> Result<()> {
        if entries > MAX_ENTRIES {
            Err(self.fail(format!("it has more than {MAX_ENTRIES} entries")))
        } else {
            Ok(())
        }
    }

    /// A path without `./`; an error if it leads out of the archive.
    fn inside(&self, path: &str) -> Result<String> {
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let drive = path.get(1..2) == Some(":");
        if path.starts_with('/') || drive || parts.contains(&"..") || path.contains('\0') {
            return Err(self.fail(format!("its entry {path} leads out of it")));
        }
        Ok(parts.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use zip::write::SimpleFileOptions;

    use super::*;

    const LIMITS: Limits = Limits { file: 1 << 20, total: 4 << 20 };

    pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *bytes).expect("appends");
        }
        builder.into_inner().expect("finishes")
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).expect("packs");
        packer.finish().expect("finishes")
    }

    fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer.start_file(*name, SimpleFileOptions::default()).expect("starts");
            writer.write_all(bytes).expect("writes");
        }
        writer.finish().expect("finishes").into_inner()
    }

    fn names(bytes: &[u8]) -> Result<Option<Vec<String>>> {
        let found = unpack("a", bytes, LIMITS, &|_| true)?;
        Ok(found.map(|files| files.into_iter().map(|(name, _)| name).collect()))
    }

    #[test]
    fn archives_are_recognized_by_content_whatever_their_names() {
        let files: [(&str, &[u8]); 2] = [("x/a.bin", b"one"), ("./b.bin", b"two")];
        let tar = tar_of(&files);
        for bytes in [tar.clone(), gzip(&tar), gzip(&gzip(&tar)), zip_of(&files)] {
            assert_eq!(names(&bytes), Ok(Some(vec!["x/a.bin".to_owned(), "b.bin".to_owned()])));
        }
        assert_eq!(names(b"no archive"), Ok(None));
        let single = unpack("batch.bin.gz", &gzip(b"one"), LIMITS, &|_| true);
        assert_eq!(single, Ok(Some(vec![("batch.bin".to_owned(), b"one".to_vec())])));
    }

    #[test]
    fn bombs_and_paths_that_climb_out_are_rejected() {
        let big = vec![0; 2 << 20];
        let many: Vec<(String, Vec<u8>)> = (0..5).map(|at| (at.to_string(), vec![0; 1 << 20])).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
        let cases: [(Vec<u8>, &str); 7] = [
            (zip_of(&[("a.png", &big)]), "more than 1 MB"),
            (gzip(&tar_of(&[("a.png", &big)])), "more than 1 MB"),
            (gzip(&big), "more than 1 MB"),
            (zip_of(&many), "more than 4 MB"),
            (zip_of(&[("cat/../../a.png", b"x")]), "leads out"),
            (tar_of(&[("/etc/a.png", b"x")]), "leads out"),
            (gzip(&gzip(&gzip(&gzip(b"x")))), "within archives"),
        ];
        for (bytes, expected) in cases {
            let why = names(&bytes).expect_err(expected).to_string();
            assert!(why.contains(expected) && !why.contains('\n'), "{why}");
        }
    }

    #[test]
    fn an_archive_cut_anywhere_is_rejected_in_one_line() {
        let files: [(&str, &[u8]); 2] = [("a.bin", &[1; 700]), ("b.bin", &[2; 30])];
        for whole in [gzip(&tar_of(&files)), zip_of(&files)] {
            for end in 4..whole.len() {
                let error = names(&whole[..end]).expect_err("cut").to_string();
                assert!(!error.contains('\n'), "{error}");
            }
        }
    }

    #[test]
    fn other_archives_are_named() {
        let why = names(b"\xfd7zXZ\0rest").expect_err("xz").to_string();
        assert!(why.contains("xz archive"), "{why}");
    }
}
