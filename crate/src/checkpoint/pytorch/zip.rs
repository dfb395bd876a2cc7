//! PyTorch's zip format: `NAME/data.pkl` beside the elements, `NAME/data/KEY`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read as _};

use flate2::Crc;
use zip::read::ZipReadOptions;
use zip::{CompressionMethod, ZipArchive};

use super::limits::{MAX_INFLATION, SPARE_BYTES};
use super::sanitize;
use crate::checkpoint::stored::ParseResult;

/// An archive in memory.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    zip: ZipArchive<io::Cursor<&'a [u8]>>,
    /// The folder of `data.pkl`, empty or with its slash.
    folder: String,
    /// Entries read so far, whole.
    entries: HashMap<String, Cow<'a, [u8]>>,
    /// Bytes that deflated entries may still take.
    inflatable: u64,
}

impl<'a> Archive<'a> {
    pub fn open(bytes: &'a [u8]) -> ParseResult<Self> {
        let zip = ZipArchive::new(io::Cursor::new(bytes))
            .map_err(|why| format!("the zip archive is truncated or damaged: {}", sanitize(why)))?;
        if zip.has_duplicate_names() {
            return Err("the zip archive holds two entries of one name".into());
        }
        let folder = zip
            .file_names_raw()
            .filter_map(|name| std::str::from_utf8(name).ok()?.strip_suffix("data.pkl"))
            .filter(|folder| folder.is_empty() || folder.ends_with('/'))
            .min_by_key(|folder| (folder.matches('/').count(), folder.len()))
            .ok_or("the zip archive holds no data.pkl, so PyTorch did not write it")?
            .to_owned();
        let inflatable = MAX_INFLATION.saturating_mul(bytes.len() as u64).saturating_add(SPARE_BYTES);
        Ok(Self { bytes, zip, folder, entries: HashMap::new(), inflatable })
    }

    /// Whether the elements are big-endian.
    pub fn big_endian(&mut self) -> ParseResult<bool> {
        if self.index("byteorder").is_none() {
            return Ok(false);
        }
        match &*self.read("byteorder")? {
            b"little" => Ok(false),
            b"big" => Ok(true),
            _ => Err("its byte order is neither little nor big".into()),
        }
    }

    /// An entry of the archive; what is stored uncompressed is not copied.
    pub fn read(&mut self, name: &str) -> ParseResult<Cow<'a, [u8]>> {
        let index = self.index(name).ok_or_else(|| format!("it has no entry {}", sanitize(name)))?;
        let damaged = |why: &dyn std::fmt::Display| {
            format!("its entry {} is damaged: {}", sanitize(name), sanitize(why))
        };
        let (method, crc, range) = {
            let file = self.zip.by_index_raw(index).map_err(|why| damaged(&why))?;
            if file.encrypted() {
                return Err("it is encrypted".into());
            }
            (file.compression(), file.crc32(), (file.data_start(), file.compressed_size()))
        };
        if method == CompressionMethod::Stored {
            let stored = slice(self.bytes, range).ok_or("the file is truncated")?;
            // PyTorch can be told to write no checksums: then they are 0.
            if crc != 0 && checksum(stored) != crc {
                return Err(damaged(&"its checksum does not fit"));
            }
            return Ok(Cow::Borrowed(stored));
        }
        let options = ZipReadOptions::new().ignore_crc32(crc == 0);
        let file = self.zip.by_index_with_options(index, options).map_err(|why| damaged(&why))?;
        let mut inflated = Vec::new();
        let limit = self.inflatable;
        file.take(limit + 1).read_to_end(&mut inflated).map_err(|why| damaged(&why))?;
        if inflated.len() as u64 > limit {
            return Err(format!(
                "its compressed entries grow to more than {MAX_INFLATION} times the file; save it again without compression"
            ));
        }
        self.inflatable -= inflated.len() as u64;
        Ok(Cow::Owned(inflated))
    }

    /// The elements of a storage; read once, however many tensors share them.
    pub fn storage(&mut self, key: &str) -> ParseResult<&[u8]> {
        let bytes = match self.entries.remove(key) {
            Some(bytes) => bytes,
            None => self.read(&format!("data/{key}"))?,
        };
        Ok(self.entries.entry(key.to_owned()).insert_entry(bytes).into_mut())
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.zip.index_for_name_raw(format!("{}{name}", self.folder).as_bytes())
    }
}

fn slice(bytes: &[u8], (start, length): (Option<u64>, u64)) -> Option<&[u8]> {
    let start = usize::try_from(start?).ok()?;
    bytes.get(start..)?.get(..usize::try_from(length).ok()?)
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
