//! Shards in the WebDataset layout: tar files in which `key.jpg` and `key.cls` stand together, the
//! latter a class number as text.

use std::collections::HashMap;
use std::io::{Read, Seek};

use super::archive::{is_image, members};
use super::index::{ImageRef, Listing};
use crate::error::{Error, Result};

/// The most bytes of a class number.
const MAX_NUMBER: u64 = 64;

/// Lists the images of a shard; the largest label found.
///
/// # Errors
/// When the shard is damaged, or an image has no class number.
pub fn list_shard(shard: impl Read + Seek, container: &str, listing: &mut Listing) -> Result<Option<usize>> {
    let fail = |key: &str, why: &str| Error::file("reading a shard", container, format!("{key}: {why}"));
    let mut images = Vec::new();
    let mut labels = HashMap::new();
    members(shard, |member, content| {
        let (key, ending) = key_and_ending(&member.path);
        if is_image(member.name()) {
            images.push((key.to_owned(), member));
        } else if ending == "cls" {
            let mut text = String::new();
            content.take(MAX_NUMBER).read_to_string(&mut text).map_err(|why| fail(key, &why.to_string()))?;
            let label = text.trim().parse::<u16>().map_err(|_| fail(key, "its class is no number"))?;
            labels.insert(key.to_owned(), usize::from(label));
        }
        Ok(())
    })
    .map_err(|error| error.with_path(container))?;
    let mut largest = None;
    for (key, member) in images {
        let &label = labels.get(&key).ok_or_else(|| fail(&key, "it has no .cls"))?;
        let length = u32::try_from(member.length).map_err(|_| fail(&key, "it is too large"))?;
        listing.push(ImageRef {
            container,
            name: member.name(),
            span: Some((member.offset, length)),
            label,
        })?;
        largest = largest.max(Some(label));
    }
    Ok(largest)
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

    #[test]
    fn images_and_class_numbers_meet_by_their_key() {
        let shard = tar_of(&[
            ("a/0001.cls", b"7\n"),
            ("a/0001.jpg", b"one"),
            ("a/0002.jpg", b"four"),
            ("a/0002.json", b"{}"),
            ("a/0002.cls", b"3"),
        ]);
        let mut listing = Listing::default();
        let largest = list_shard(Cursor::new(&shard), "s.tar", &mut listing).expect("valid");
        assert_eq!((largest, listing.len()), (Some(7), 2));
        let (offset, length) = listing.place(1).span.expect("in a tar file");
        assert_eq!((&shard[offset as usize..][..length as usize], listing.label(1)), (&b"four"[..], 3));
    }

    #[test]
    fn an_image_without_a_class_is_named() {
        for files in [&[("0001.jpg", &b"x"[..])][..], &[("0001.jpg", b"x"), ("0001.cls", b"cat")]] {
            let shard = Cursor::new(tar_of(files));
            let why = list_shard(shard, "s.tar", &mut Listing::default()).expect_err("incomplete");
            assert!(why.to_string().contains("s.tar") && why.to_string().contains("0001"), "{why}");
        }
    }
}
