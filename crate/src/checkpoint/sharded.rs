//! Checkpoints in several files: shards, and the index that lists them.
//!
//! Hugging Face's libraries name shards `model-00001-of-00002.safetensors`, and list them in
//! `model.safetensors.index.json`, whose `weight_map` leads from each tensor to its file.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::stored::{Elements, ParseResult, StoredFile};
use super::{formats, sanitize};
use crate::error::{Error, Result};

/// More shards than any model has.
const MAX_SHARDS: usize = 10_000;

/// The index of a sharded checkpoint.
///
/// ```
/// use crossdub::checkpoint::ShardIndex;
///
/// let index = ShardIndex::read(br#"{ "weight_map": { "a": "m-1.safetensors", "b": "m-2.safetensors" } }"#)?;
/// assert_eq!(index.files(), ["m-1.safetensors", "m-2.safetensors"]);
/// # Ok::<(), crossdub::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

impl ShardIndex {
    /// Reads an index.
    ///
    /// # Errors
    /// When the bytes are no index, or a file's name would lead out of its folder.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let failed = |why: String| Error::file("reading the index of a checkpoint", "", why);
        let index: Self = serde_json::from_slice(bytes).map_err(|why| failed(sanitize(why)))?;
        let leads_out =
            |file: &str| file.is_empty() || file.contains(['/', '\\', '\0', ':']) || file.starts_with('.');
        if let Some(bad) = index.weight_map.values().find(|file| leads_out(file)) {
            return Err(failed(format!("its shard {} is not the name of a file beside it", sanitize(bad))));
        }
        if index.files().len() > MAX_SHARDS {
            return Err(failed("it lists too many shards".to_owned()));
        }
        Ok(index)
    }

    /// The names of the shards.
    pub fn files(&self) -> Vec<&str> {
        self.weight_map.values().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Whether bytes are the index of a sharded checkpoint.
pub fn is_index(bytes: &[u8]) -> bool {
    // A header of safetensors begins with its length.
    bytes.trim_ascii_start().starts_with(b"{")
        && bytes.len() < 64 << 20
        && bytes.windows(12).any(|window| window == b"\"weight_map\"")
}

/// Number and count of a shard by its file's name, `(1, 2)` of `model-00001-of-00002.safetensors`.
pub fn shard_of(name: &str) -> Option<(usize, usize)> {
    let file = name.rsplit(['/', '\\']).next()?;
    let (before, after) = file.split_once("-of-")?;
    let number = before.rsplit(['-', '_', '.']).next()?;
    let count: String = after.chars().take_while(char::is_ascii_digit).collect();
    let (number, count) = (number.parse().ok()?, count.parse().ok()?);
    (1..=count).contains(&number).then_some((number, count))
}

/// Opens a file, or several shards as one.
///
/// # Errors
/// When a file can't be read, a shard of the index is missing, or two hold a tensor of one name.
pub(super) fn open<'a>(files: &[(&'a str, &'a [u8])]) -> Result<StoredFile<'a>> {
    let (indexes, shards): (Vec<_>, Vec<_>) = files.iter().partition(|(_, bytes)| is_index(bytes));
    if indexes.is_empty()
        && let [(name, bytes)] = shards[..]
    {
        return open_single(name, bytes);
    }
    for (name, bytes) in &indexes {
        check_index(name, bytes, &shards)?;
    }
    if shards.is_empty() {
        return Err(Error::file(
            "reading weights",
            "",
            "it is the index of a checkpoint; its shards are missing",
        ));
    }
    if indexes.is_empty() && shards.iter().any(|(name, _)| shard_of(name).is_none()) {
        let names: Vec<String> = shards.iter().take(4).map(|(name, _)| sanitize(name)).collect();
        let why =
            format!("the files are not shards of one checkpoint: {}; take one at a time", names.join(", "));
        return Err(Error::file("reading weights", "", why));
    }
    let whole = merge(shards)?;
    let names: BTreeSet<&str> = whole.tensors.iter().map(|tensor| &*tensor.name).collect();
    for (name, bytes) in &indexes {
        let listed = ShardIndex::read(bytes)?.weight_map;
        if let Some(lost) = listed.keys().find(|tensor| !names.contains(tensor.as_str())) {
            let why = format!("its shards lack {}", sanitize(lost));
            return Err(Error::file("reading the index of a checkpoint", *name, why));
        }
    }
    Ok(whole)
}

fn open_single<'a>(name: &str, bytes: &'a [u8]) -> Result<StoredFile<'a>> {
    let mut file = formats::open(bytes)?;
    if let Some((number, count)) = shard_of(name).filter(|(_, count)| *count > 1) {
        file.notes.push(format!(
            "the file is shard {number} of {count} (one of {}): the other layers are not here",
            spelled(count)
        ));
    }
    Ok(file)
}

/// Small numbers as words.
fn spelled(count: usize) -> String {
    let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    words.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

/// The shards that an index lists must be there.
fn check_index(name: &str, bytes: &[u8], shards: &[(&str, &[u8])]) -> Result<()> {
    let index = ShardIndex::read(bytes).map_err(|error| error.with_path(name))?;
    let base = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
    let there: BTreeSet<String> = shards.iter().map(|(name, _)| base(name)).collect();
    let missing: Vec<&str> = index.files().into_iter().filter(|file| !there.contains(*file)).collect();
    if let Some(first) = missing.first() {
        let why = format!(
            "{} of its {} shards are missing: {}",
            missing.len(),
            index.files().len(),
            sanitize(first)
        );
        return Err(Error::file("reading the index of a checkpoint", name, why));
    }
    Ok(())
}

/// Several files as one.
fn merge<'a>(mut shards: Vec<(&'a str, &'a [u8])>) -> Result<StoredFile<'a>> {
    shards.sort_by(|(a, _), (b, _)| super::natural_order(a, b));
    let counted: Vec<(usize, usize)> = shards.iter().filter_map(|(name, _)| shard_of(name)).collect();
    let mut whole: Option<StoredFile<'a>> = None;
    let mut parts = Parts { files: Vec::new(), places: Vec::new() };
    let mut names = BTreeSet::new();
    for (name, bytes) in &shards {
        let mut part = formats::open(bytes).map_err(|error| error.with_path(name))?;
        if let Some(twice) = part.tensors.iter().find(|tensor| !names.insert(tensor.name.clone())) {
            let why =
                format!("the files are not shards of one checkpoint: two hold {}", sanitize(&twice.name));
            return Err(Error::file("reading weights", *name, why));
        }
        let file = parts.files.len();
        parts.places.extend((0..part.tensors.len()).map(|index| (file, index)));
        for tensor in &mut part.tensors {
            // Storages of different files are different.
            tensor.same.iter_mut().for_each(|same| same.push(file as u64));
        }
        parts.files.push(part.elements);
        whole = Some(match whole.take() {
            None => StoredFile { elements: Box::new(Parts::default()), ..part },
            Some(mut whole) => {
                for tensor in &mut part.tensors {
                    // State dicts of the same place are one network.
                    tensor.network = tensor.network.map(|network| {
                        let own = &part.networks[network];
                        let known = whole.networks.iter().position(|other| other.path == own.path);
                        known.unwrap_or_else(|| {
                            whole.networks.push(own.clone());
                            whole.networks.len() - 1
                        })
                    });
                }
                whole.tensors.append(&mut part.tensors);
                whole.notes.append(&mut part.notes);
                whole.metadata.append(&mut part.metadata);
                whole
            }
        });
    }
    let Some(mut whole) = whole else {
        return Err(Error::file("reading weights", "", "no file was given"));
    };
    let count = counted.first().map_or(shards.len(), |(_, count)| *count);
    let note = if counted.len() == shards.len() && count != shards.len() {
        format!("{} of {count} shards are here: the other layers are missing", shards.len())
    } else {
        format!("read from {} shards", shards.len())
    };
    whole.notes.push(note);
    whole.elements = Box::new(parts);
    Ok(whole)
}

/// The elements of several files.
#[derive(Default)]
struct Parts<'a> {
    files: Vec<Box<dyn Elements + 'a>>,
    places: Vec<(usize, usize)>,
}

impl Elements for Parts<'_> {
    fn bytes(&mut self, index: usize) -> ParseResult<Cow<'_, [u8]>> {
        let &(file, index) = self.places.get(index).ok_or("it is not listed")?;
        self.files.get_mut(file).ok_or("it is not listed")?.bytes(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_recognized_by_their_names() {
        assert_eq!(shard_of("a/model-00001-of-00002.safetensors"), Some((1, 2)));
        assert_eq!(shard_of("pytorch_model-00003-of-00003.bin"), Some((3, 3)));
        for other in
            ["model.safetensors", "out-of-time.pt", "model-0-of-2.pt", "model-3-of-2.pt", "x-1-of-.pt"]
        {
            assert_eq!(shard_of(other), None, "{other}");
        }
    }

    #[test]
    fn an_index_names_files_beside_it_only() {
        let read = |file: &str| ShardIndex::read(format!("{{\"weight_map\":{{\"a\":{file:?}}}}}").as_bytes());
        assert!(read("m.safetensors").is_ok());
        // Two dots within a name lead nowhere.
        assert!(read("a...b").is_ok());
        for bad in ["../m.safetensors", "/etc/passwd", "a\\b", "", ".hidden", "c:x"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(ShardIndex::read(b"{").is_err());
        assert!(is_index(b" {\"weight_map\": {}}") && !is_index(b"{\"a\": 1}"));
    }
}
