//! safetensors: a JSON header with names, types, shapes and places, then the elements.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ::safetensors::Dtype;
use ::safetensors::tensor::Metadata;
use half::{bf16, f16};

use super::{Checkpoint, NamedTensor, plain_names, sanitize};
use crate::error::{Error, Result};

/// Some 150,000 tensors; a parsed header takes many times its bytes.
const MAX_HEADER: u64 = 16 << 20;

/// Reads the tensors of a safetensors file; those that are not floats are left out.
///
/// # Errors
/// When the bytes are no such file, are truncated, or their header contradicts itself or the file's
/// length.
pub fn read(bytes: &[u8]) -> Result<Checkpoint> {
    tensors(bytes)
        .map(|tensors| Checkpoint::new(plain_names(tensors)))
        .map_err(|why| Error::file("reading safetensors", "", why))
}

fn tensors(bytes: &[u8]) -> std::result::Result<Vec<NamedTensor>, String> {
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or("the file is truncated")?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err(format!("its header would be {length} bytes long"));
    }
    let (header, data) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or("the file is truncated in its header")?;
    // Not `SafeTensors::deserialize`: its check of the file's length can wrap around.
    let header: Metadata =
        serde_json::from_slice(header).map_err(|why| format!("its header is damaged: {}", sanitize(why)))?;
    if header.data_len() != data.len() {
        return Err(format!(
            "the file is truncated or damaged: its tensors take {} bytes, {} are there",
            header.data_len(),
            data.len()
        ));
    }
    let mut tensors = Vec::new();
    for (name, info) in header.tensors() {
        let raw = data
            .get(info.data_offsets.0..info.data_offsets.1)
            .ok_or_else(|| format!("its tensor {} reaches beyond the file", sanitize(&name)))?;
        if let Some(data) = decode(raw, info.dtype) {
            tensors.push(NamedTensor { name, shape: info.shape.clone(), data });
        }
    }
    if tensors.is_empty() {
        return Err("it holds no tensor of float16, bfloat16, float32 or float64".into());
    }
    Ok(tensors)
}

fn decode(raw: &[u8], dtype: Dtype) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F16 => words(raw, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => words(raw, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::F32 => words(raw, f32::from_le_bytes),
        Dtype::F64 => words(raw, |b| f64::from_le_bytes(b) as f32),
        _ => return None,
    })
}

fn words<const N: usize>(raw: &[u8], from: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    raw.as_chunks::<N>().0.iter().map(|word| from(*word)).collect()
}

/// Writes float32 tensors under their names; the same weights always make the same bytes.
///
/// # Errors
/// When two tensors share a name, or a shape does not fit its data.
pub fn write(weights: &Checkpoint) -> Result<Vec<u8>> {
    write_with_metadata(weights, &BTreeMap::new())
}

/// The same with notes in the header's `__metadata__`, where `format: pt` is always said.
///
/// # Errors
/// As [`write()`].
pub fn write_with_metadata(weights: &Checkpoint, notes: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let failed = |why: String| Error::file("writing safetensors", "", why);
    let mut notes = notes.clone();
    notes.entry("format".into()).or_insert_with(|| "pt".into());
    let mut header = format!("{{\"__metadata__\":{}", serde_json::json!(notes));
    let mut names = BTreeSet::from(["__metadata__"]);
    let mut end = 0;
    for tensor in &weights.tensors {
        if !names.insert(&tensor.name) {
            return Err(failed(format!("two tensors are named {}", sanitize(&tensor.name))));
        }
        let count = tensor.shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        if count != Some(tensor.data.len()) {
            return Err(failed(format!("the shape of {} does not fit it", sanitize(&tensor.name))));
        }
        let start = end;
        end += 4 * tensor.data.len();
        let (name, shape) = (serde_json::json!(tensor.name), serde_json::json!(tensor.shape));
        // Writing to a string can't fail.
        let _ = write!(
            header,
            ",{name}:{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}"
        );
    }
    header.push('}');
    // The elements start at a multiple of 8, as the format's own writer has it.
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    for tensor in &weights.tensors {
        bytes.extend(tensor.data.iter().flat_map(|value| value.to_le_bytes()));
    }
    Ok(bytes)
}

/// The notes in a file's header, as [`write_with_metadata`] put them.
///
/// # Errors
/// When the header is damaged.
pub fn metadata(bytes: &[u8]) -> Result<BTreeMap<String, String>> {
    let (_, header) = ::safetensors::SafeTensors::read_metadata(bytes)
        .map_err(|why| Error::file("reading safetensors", "", sanitize(why)))?;
    Ok(header.metadata().iter().flatten().map(|(key, note)| (key.clone(), note.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize], data: &[f32]) -> NamedTensor {
        NamedTensor { name: name.into(), shape: shape.into(), data: data.into() }
    }

    #[test]
    fn what_is_written_is_read() {
        let weights = Checkpoint::new(vec![
            tensor("features.11.weight", &[1, 2, 1, 1], &[0.5, -0.0]),
            tensor("features.3.weight \"ü\"", &[], &[f32::MIN_POSITIVE]),
            tensor("none", &[0, 3], &[]),
        ]);
        let notes = BTreeMap::from([("seed".into(), "1".into()), ("a".into(), "b".into())]);
        let bytes = write_with_metadata(&weights, &notes).expect("writable");
        assert_eq!(read(&bytes), Ok(weights.clone()));
        assert_eq!(write_with_metadata(&weights, &notes), Ok(bytes.clone()));
        // The format's own library agrees.
        let theirs = ::safetensors::SafeTensors::deserialize(&bytes).expect("readable");
        let view = theirs.tensor("features.11.weight").expect("there");
        assert_eq!((view.shape(), view.dtype()), (&[1, 2, 1, 1][..], Dtype::F32));
        assert_eq!(view.data(), [0.5f32.to_le_bytes(), (-0.0f32).to_le_bytes()].concat());
    }

    #[test]
    fn what_contradicts_itself_is_not_written() {
        let twice = vec![tensor("a", &[1], &[1.0]), tensor("a", &[1], &[2.0])];
        assert!(write(&Checkpoint::new(twice)).is_err());
        assert!(write(&Checkpoint::new(vec![tensor("a", &[2], &[1.0])])).is_err());
        assert!(write(&Checkpoint::new(vec![tensor("a", &[usize::MAX, 2], &[1.0])])).is_err());
        assert!(write(&Checkpoint::new(vec![tensor("__metadata__", &[1], &[1.0])])).is_err());
    }

    #[test]
    fn other_element_types() {
        let header = concat!(
            r#"{"b":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},"#,
            r#""h":{"dtype":"F16","shape":[1],"data_offsets":[2,4]},"#,
            r#""module.d":{"dtype":"F64","shape":[1],"data_offsets":[4,12]},"#,
            r#""steps":{"dtype":"I64","shape":[],"data_offsets":[12,20]}}"#,
        );
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0x80, 0x3f, 0x00, 0xc0]);
        bytes.extend(0.25f64.to_le_bytes());
        bytes.extend([0; 8]);
        let expected = [tensor("b", &[1], &[1.0]), tensor("d", &[1], &[0.25]), tensor("h", &[1], &[-2.0])];
        assert_eq!(read(&bytes).expect("readable").tensors, expected);
    }
}
