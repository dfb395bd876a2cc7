//! Detects the format of bytes from their content, and names formats that are not read.

use super::stored::StoredFile;
use super::{pytorch, safetensors};
use crate::error::{Error, Result};

/// Opens a file of either format.
///
/// # Errors
/// Says what the bytes are if they are neither.
pub(super) fn open(bytes: &[u8]) -> Result<StoredFile<'_>> {
    if let Some(what) = other_format(bytes) {
        return Err(Error::file("reading weights", "", what));
    }
    if pytorch::looks_like(bytes) { pytorch::open(bytes) } else { safetensors::open(bytes) }
}

/// What bytes are, and what to do about it, if they are no checkpoint that is read here.
fn other_format(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return Some("the file is empty".to_owned());
    }
    // First: the length of a header may start as other formats do.
    if safetensors::looks_like(bytes) {
        return None;
    }
    if is_onnx(bytes) {
        return Some("it is an ONNX model, not a checkpoint: save a state dict or safetensors".to_owned());
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return other_zip(bytes).map(str::to_owned);
    }
    if pytorch::looks_like(bytes) {
        return None;
    }
    let known = by_magic(bytes).or_else(|| by_text(bytes));
    // A header of a claimed length, however large: its own message is the better one.
    if known.is_none() && bytes.get(8) == Some(&b'{') {
        return None;
    }
    Some(known.unwrap_or("it is neither a PyTorch checkpoint nor a safetensors file").to_owned())
}

/// First bytes of formats.
const MAGIC: [(&[u8], &str); 21] = [
    (b"\x1f\x8b", "it is compressed with gzip; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with Zstandard; unpack it first"),
    (b"\xfd7zXZ\0", "it is compressed with xz; unpack it first"),
    (b"BZh", "it is compressed with bzip2; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7-Zip archive; unpack it first"),
    (b"Rar!", "it is a RAR archive; unpack it first"),
    (
        b"\x89HDF\r\n\x1a\n",
        "it is an HDF5 file, as Keras writes it; load it there and save the weights as safetensors",
    ),
    (
        b"\x93NUMPY",
        "it is a NumPy array without names; save the weights as safetensors (safetensors.numpy.save_file)",
    ),
    (b"GGUF", "it is a GGUF model, whose weights are packed; take the checkpoint that it was made of"),
    (b"ggml", "it is a GGML model, whose weights are packed; take the checkpoint that it was made of"),
    (b"lmgg", "it is a GGML model, whose weights are packed; take the checkpoint that it was made of"),
    (b"tjgg", "it is a GGML model, whose weights are packed; take the checkpoint that it was made of"),
    (b"\x89PNG", "it is a picture (PNG)"),
    (b"\xff\xd8\xff", "it is a picture (JPEG)"),
    (b"GIF8", "it is a picture (GIF)"),
    (b"%PDF", "it is a PDF document"),
    (b"\x7fELF", "it is a program (ELF)"),
    (b"(dp", "it is a pickle of the old text kind; load it in Python and save the weights as safetensors"),
    (
        b"ccopy_reg",
        "it is a pickle of the old text kind; load it in Python and save the weights as safetensors",
    ),
    (
        b"ccollections",
        "it is a pickle of the old text kind; load it in Python and save the weights as safetensors",
    ),
    (b"SQLite format 3", "it is an SQLite database"),
];

fn by_magic(bytes: &[u8]) -> Option<&'static str> {
    let magic = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what);
    magic.or_else(|| match bytes.get(4..8) {
        Some(b"TFL3") => {
            Some("it is a TensorFlow Lite model; load the model that it was made of and save its weights as safetensors")
        }
        Some(b"PTMF" | b"ET12") => {
            Some("it is a PyTorch model for mobile devices; take the state dict that it was made of")
        }
        _ if is_tar(bytes) => Some(match bytes.split(|&byte| byte == 0).next() {
            Some(b"sys_info" | b"pickle" | b"storages" | b"tensors" | b"./pickle" | b"./storages") => {
                "it is in PyTorch's tar format of 2016; load it in PyTorch and save it again"
            }
            _ => "it is a tar archive; unpack it first",
        }),
        _ if bytes.ends_with(&[0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]) => {
            Some("it is the index of a TensorFlow checkpoint; load it there and save the weights as safetensors")
        }
        _ if is_core_ml(bytes) => {
            Some("it is a Core ML model; take the checkpoint that it was made of")
        }
        _ if bytes.starts_with(&[0x08, 0x01, 0x12]) => {
            Some("it is a TensorFlow SavedModel; load it there and save the weights as safetensors")
        }
        _ if is_msgpack(bytes) => {
            Some("it is a MessagePack file, as Flax writes it; save the weights as safetensors (safetensors.flax.save_file)")
        }
        _ => None,
    })
}

fn by_text(bytes: &[u8]) -> Option<&'static str> {
    let start = bytes.get(..512.min(bytes.len())).unwrap_or(bytes);
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let lower = start.to_ascii_lowercase();
    if lower.starts_with(b"version https://git-lfs") {
        return Some("it is a Git LFS pointer, not the file itself; fetch it with git lfs pull");
    }
    if [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].iter().any(|tag| lower.starts_with(tag)) {
        return Some("it is a web page (HTML), not the file that was to be downloaded");
    }
    if lower.starts_with(b"<?xml") || lower.starts_with(b"<") {
        return Some("it is an XML or HTML text, not a checkpoint");
    }
    if lower.starts_with(b"{") || lower.starts_with(b"[") {
        return Some("it is a JSON text without weights, not a checkpoint");
    }
    let is_text = |&byte: &u8| byte >= 0x20 && byte != 0x7f || matches!(byte, b'\n' | b'\r' | b'\t');
    let text = start.len() > 8 && start.iter().all(is_text) && std::str::from_utf8(&start[..8]).is_ok();
    text.then_some("it is a text file, not a checkpoint")
}

/// Zip archives that are no checkpoints of PyTorch.
fn other_zip(bytes: &[u8]) -> Option<&'static str> {
    let archive = ::zip::ZipArchive::new(std::io::Cursor::new(bytes)).ok()?;
    let any = |test: &dyn Fn(&[u8]) -> bool| archive.file_names_raw().any(test);
    if any(&|name| name.ends_with(b"data.pkl")) {
        None
    } else if any(&|name| name.ends_with(b".npy")) {
        Some("it is a NumPy archive (.npz); save the weights as safetensors (safetensors.numpy.save_file)")
    } else if any(&|name| name.ends_with(b".weights.h5")) {
        Some("it is a Keras model; load it there and save the weights as safetensors")
    } else if any(&|name| name.ends_with(b".mlmodel")) {
        Some("it is a Core ML package; take the checkpoint that it was made of")
    } else {
        None
    }
}

/// Whether bytes start as an ONNX model does: its version, then its producer or its graph. The beginning of a file is
/// enough.
pub(crate) fn is_onnx(bytes: &[u8]) -> bool {
    match bytes {
        // The length of a header may start as a version does.
        _ if safetensors::looks_like(bytes) => false,
        // The producer's name is text, which tells it from Core ML.
        [0x08, 1..=20, 0x12, length @ 1..0x80, rest @ ..] => {
            let name = rest.get(..usize::from(*length).min(rest.len())).unwrap_or_default();
            !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
        }
        [0x08, 3..=20, 0x12, 0, next, ..] | [0x08, 3..=20, next, ..] => {
            matches!(next, 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42)
        }
        _ => false,
    }
}

/// A specification's version, then a description, which begins with a message.
fn is_core_ml(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=12, 0x12, _, 0x0a, ..] | [0x08, 1..=12, 0x12, _, _, 0x0a, ..])
        && !bytes.starts_with(&[0x08, 0x01, 0x12])
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262).is_some_and(|magic| magic == b"ustar")
}

/// A map whose first key is a short text.
fn is_msgpack(bytes: &[u8]) -> bool {
    match bytes {
        [0x81..=0x8f | 0xde | 0xdf, rest @ ..] => {
            let key = rest.iter().position(|byte| (0xa1..=0xbf).contains(byte)).filter(|&at| at <= 4);
            key.is_some_and(|at| {
                let length = usize::from(rest[at] & 0x1f);
                rest.get(at + 1..at + 1 + length).is_some_and(|key| key.iter().all(u8::is_ascii_graphic))
            })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        let said = open(bytes).map(|_| ()).expect_err("no checkpoint").to_string();
        assert!(said.contains(expected), "{said} lacks {expected}");
    }

    #[test]
    fn other_formats_are_named() {
        check(b"", "empty");
        check(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n", "Git LFS pointer");
        check(b"\n <!DOCTYPE HTML><html>", "web page");
        check(b"\x1f\x8b\x08\0\0\0\0\0", "gzip");
        check(b"\x89HDF\r\n\x1a\n\0\0\0\0", "HDF5");
        check(b"\x93NUMPY\x01\0v\0{'descr'", "NumPy");
        check(b"GGUF\x03\0\0\0\0\0\0\0", "GGUF");
        check(b"\x08\x07\x12\x07pytorch\x1a\x032.4:\x10", "ONNX");
        check(b"\x08\x08:\x90\x01\n", "ONNX");
        check(b"\x08\x04\x12\x80\x02\x0a\x10", "Core ML");
        check(b"\x08\x01\x12\x80\x02\x0a\x10", "TensorFlow SavedModel");
        check(b"\x1c\0\0\0TFL3\0\0\0\0", "TensorFlow Lite");
        check(b"\x82\xa6params\x83", "Flax");
        check(b"{\"model_type\": \"resnet\"}", "JSON");
        check(b"epoch,accuracy\n1,0.5\n", "text file");
        check(b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09", "neither");
    }

    #[test]
    fn a_length_that_starts_as_onnx_does_is_no_onnx_file() {
        // A header of 0x1a0308 bytes.
        check(b"\x08\x03\x1a\0\0\0\0\0{\"a\":", "truncated in its header");
        assert!(!is_onnx(b"\x08\x03\x1a\0\0\0\0\0{") && is_onnx(b"\x08\x03\x1a\0\0\0\0\x01{"));
    }

    #[test]
    fn the_tar_format_of_2016_is_named() {
        let mut tar = vec![0; 1024];
        tar[..8].copy_from_slice(b"sys_info");
        tar[257..263].copy_from_slice(b"ustar ");
        check(&tar, "2016");
        tar[..8].copy_from_slice(b"model.pt");
        check(&tar, "tar archive");
    }
}
