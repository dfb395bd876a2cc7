//! safetensors: a JSON header with names, types, shapes and places, then the elements.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::dtype::Dtype;
use super::roles::outputs_of;
use super::stored::{Elements, ParseResult, StoredFile, StoredTensor};
use super::{Checkpoint, NamedTensor, natural_order, sanitize};
use crate::config::HardwareConfig;
use crate::crossbar::quantize::QuantizedMatrix;
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// Some 150,000 tensors; a parsed header takes many times its bytes.
const MAX_HEADER: u64 = 16 << 20;

/// Whether bytes start as a safetensors file does: the length of a header below 4 GiB, then `{`.
pub fn looks_like(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{') && bytes.get(4..8) == Some(&[0; 4])
}

/// Reads the floats of a safetensors file under their names, whatever they are; all else is left out.
///
/// # Errors
/// When the bytes are no such file, are truncated, or their header contradicts itself or the file's
/// length.
pub fn read(bytes: &[u8]) -> Result<Checkpoint> {
    let mut file = open(bytes)?;
    let failed = |why: String| Error::file("reading safetensors", "", why);
    let mut tensors = Vec::new();
    for index in 0..file.tensors.len() {
        if file.tensors[index].dtype.is_float() {
            let data = file.values(index).map_err(failed)?;
            let StoredTensor { name, shape, .. } = file.tensors[index].clone();
            tensors.push(NamedTensor { name, shape, data });
        }
    }
    if tensors.is_empty() {
        return Err(failed("it holds no tensor of float16, bfloat16, float32 or float64".to_owned()));
    }
    Ok(Checkpoint::new(tensors))
}

/// Lists the tensors of a safetensors file.
///
/// # Errors
/// As [`read`], but a file may hold any types.
pub(super) fn open(bytes: &[u8]) -> Result<StoredFile<'_>> {
    list(bytes).map_err(|why| Error::file("reading safetensors", "", why))
}

/// A tensor in the header.
#[derive(serde::Deserialize)]
struct TensorHeader {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The header: tensors and notes.
#[derive(Default)]
struct Header {
    metadata: BTreeMap<String, String>,
    tensors: HashMap<String, TensorHeader>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Header, A::Error> {
        let mut header = Header::default();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                header.metadata = map.next_value::<Option<_>>()?.unwrap_or_default();
            } else {
                let entry = map.next_value()?;
                header.tensors.insert(name, entry);
            }
        }
        Ok(header)
    }
}

fn header(bytes: &[u8]) -> ParseResult<(Header, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or("the file is truncated")?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err(format!("its header would be {length} bytes long"));
    }
    let (header, data) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or("the file is truncated in its header")?;
    // Not the library's own type: it knows no types but its own.
    let header =
        serde_json::from_slice(header).map_err(|why| format!("its header is damaged: {}", sanitize(why)))?;
    Ok((header, data))
}

fn list(bytes: &[u8]) -> ParseResult<StoredFile<'_>> {
    let (Header { metadata, tensors: entries }, data) = header(bytes)?;
    let end = entries.values().map(|entry| entry.data_offsets.1).max().unwrap_or(0);
    if end != data.len() as u64 {
        return Err(format!(
            "the file is truncated or damaged: its tensors take {end} bytes, {} are there",
            data.len()
        ));
    }
    if entries.is_empty() {
        return Err("it holds no tensor".into());
    }
    let mut entries: Vec<(String, TensorHeader)> = entries.into_iter().collect();
    entries.sort_by(|(a, x), (b, y)| x.data_offsets.cmp(&y.data_offsets).then_with(|| natural_order(a, b)));
    check_places(&entries)?;
    if is_alphabetical(&entries) {
        // The order of a writer that sorts says nothing of the network's.
        entries.sort_by(|(a, _), (b, _)| natural_order(a, b).then_with(|| a.cmp(b)));
    }
    let (mut tensors, mut places) = (Vec::new(), Vec::new());
    for (name, entry) in entries {
        let (tensor, place) = tensor(name, &entry, data)?;
        tensors.push(tensor);
        places.push(place);
    }
    Ok(StoredFile {
        format: "safetensors",
        tensors,
        networks: Vec::new(),
        notes: Vec::new(),
        metadata,
        elements: Box::new(Places(places)),
    })
}

/// The elements of each tensor.
struct Places<'a>(Vec<&'a [u8]>);

impl Elements for Places<'_> {
    fn bytes(&mut self, index: usize) -> ParseResult<Cow<'_, [u8]>> {
        self.0.get(index).map(|bytes| Cow::Borrowed(*bytes)).ok_or_else(|| "it is not listed".to_owned())
    }
}

/// Whether tensors of each type lie in the order of their names, as PyTorch's and Hugging Face's writers
/// put them.
fn is_alphabetical(entries: &[(String, TensorHeader)]) -> bool {
    let mut last = HashMap::<&str, &str>::new();
    entries.iter().all(|(name, entry)| match last.insert(&entry.dtype, name) {
        Some(before) => before < &**name,
        None => true,
    })
}

/// The tensors, sorted by their places, must lie one after another. The caller has checked where the last one ends.
fn check_places(entries: &[(String, TensorHeader)]) -> ParseResult<()> {
    let mut end = 0;
    for (_, TensorHeader { data_offsets: (from, to), .. }) in entries {
        if *from != end || to < from {
            return Err("its header is damaged: its tensors overlap or leave gaps".to_owned());
        }
        end = *to;
    }
    Ok(())
}

fn tensor<'a>(name: String, entry: &TensorHeader, data: &'a [u8]) -> ParseResult<(StoredTensor, &'a [u8])> {
    let damaged = || format!("its header is damaged: the shape of {} does not fit its size", sanitize(&name));
    let (from, to) = entry.data_offsets;
    let raw = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    let raw = raw.and_then(|(from, to)| data.get(from..to)).ok_or_else(damaged)?;
    let shape: Option<Vec<usize>> = entry.shape.iter().map(|&size| usize::try_from(size).ok()).collect();
    let shape = shape.ok_or_else(damaged)?;
    let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size)).ok_or_else(damaged)?;
    let theirs = serde_json::from_value::<::safetensors::Dtype>(entry.dtype.as_str().into());
    let known = theirs.map(Dtype::from_safetensors);
    let dtype = known.unwrap_or(Dtype::Other("an unknown type", 0));
    let size = dtype.size() as usize;
    if size > 0 && count.checked_mul(size) != Some(raw.len()) {
        return Err(damaged());
    }
    let unreadable = (size == 0).then(|| format!("elements of {} are not read here", sanitize(&entry.dtype)));
    Ok((StoredTensor { name, shape, dtype, unreadable, ..StoredTensor::default() }, raw))
}

/// Writes float32 tensors under their names, and the other tensors of the file that the weights came
/// from; the same weights always make the same bytes.
///
/// # Errors
/// When two tensors share a name, a shape does not fit its data, or the file would lack a tensor that
/// could not be read.
pub fn write(weights: &Checkpoint) -> Result<Vec<u8>> {
    write_with_metadata(weights, &BTreeMap::new())
}

/// The same with notes in the header's `__metadata__`, where `format: pt` is always said.
///
/// # Errors
/// As [`write()`].
pub fn write_with_metadata(weights: &Checkpoint, notes: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    write_tensors(weights, notes, &HashMap::new())
}

/// The same with the weights that were trained quantized as int8: beside each lies its `weight_scale`.
///
/// # Errors
/// As [`write()`], or if no weight was trained quantized, one has more than 8 bits, or is no integer of its steps.
pub fn write_integers(weights: &Checkpoint, notes: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let mut with_scales = weights.clone();
    let mut integers = HashMap::new();
    // Vectors beside the weight, such as its bias, stay floats.
    for tensor in weights.tensors.iter().filter(|tensor| tensor.shape.len() > 1) {
        let Some(quantizers) = weights.quantizers(&tensor.name)? else { continue };
        let failed = |why: &str| Error::layer("writing integers", &*tensor.name, why);
        let (outputs, steps) = (outputs_of(&tensor.shape), &quantizers.weights.steps);
        let inputs = (tensor.data.len() / outputs.max(1)).max(1);
        let matrix = Matrix::new(&*tensor.name, outputs, inputs, tensor.data.clone())?;
        let own =
            QuantizedMatrix::from_integers(&matrix.with_steps(steps.clone())?, &HardwareConfig::default());
        let own = own.ok_or_else(|| failed("it holds a weight that is no integer of 8 bits of its step"))?;
        let bytes = own.data.iter().map(|&integer| (integer as i8).cast_unsigned()).collect();
        let shape = (0..tensor.shape.len()).map(|axis| if axis == 0 { steps.len() } else { 1 }).collect();
        let (name, data) = (format!("{}_scale", tensor.name), steps.clone());
        with_scales.tensors.push(NamedTensor { name, shape, data });
        integers.insert(tensor.name.clone(), bytes);
    }
    if integers.is_empty() {
        return Err(Error::file("writing integers", "", "no weight was trained quantized"));
    }
    write_tensors(&with_scales, notes, &integers)
}

/// Writes the tensors, those in `integers` as int8 and the others as float32.
fn write_tensors(
    weights: &Checkpoint,
    notes: &BTreeMap<String, String>,
    integers: &HashMap<String, Vec<u8>>,
) -> Result<Vec<u8>> {
    let failed = |why: String| Error::file("writing safetensors", "", why);
    let mut notes = notes.clone();
    notes.entry("format".into()).or_insert_with(|| "pt".into());
    let mut header = format!("{{\"__metadata__\":{}", serde_json::json!(notes));
    let mut names = BTreeSet::from(["__metadata__"]);
    weights.check_complete()?;
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
        let (dtype, bytes) = match integers.get(&tensor.name) {
            Some(bytes) => ("I8", bytes.len()),
            None => ("F32", 4 * tensor.data.len()),
        };
        end += bytes;
        let (name, shape) = (serde_json::json!(tensor.name), serde_json::json!(tensor.shape));
        // Writing to a string can't fail.
        let _ = write!(
            header,
            ",{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}"
        );
    }
    for kept in &weights.facts.kept {
        let Some(dtype) = kept.dtype.safetensors_name().filter(|_| names.insert(&kept.name)) else {
            return Err(failed(format!("{} can't be kept as it is", sanitize(&kept.name))));
        };
        let start = end;
        end += kept.bytes.len();
        let (name, shape) = (serde_json::json!(kept.name), serde_json::json!(kept.shape));
        let _ = write!(
            header,
            ",{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}"
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
        match integers.get(&tensor.name) {
            Some(integers) => bytes.extend(integers),
            None => bytes.extend(tensor.data.iter().flat_map(|value| value.to_le_bytes())),
        }
    }
    for kept in &weights.facts.kept {
        bytes.extend(&kept.bytes);
    }
    Ok(bytes)
}

/// The notes in a file's header, as [`write_with_metadata`] put them.
///
/// # Errors
/// When the header is damaged.
pub fn metadata(bytes: &[u8]) -> Result<BTreeMap<String, String>> {
    let (header, _) = header(bytes).map_err(|why| Error::file("reading safetensors", "", why))?;
    Ok(header.metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize], data: &[f32]) -> NamedTensor {
        NamedTensor { name: name.into(), shape: shape.into(), data: data.into() }
    }

    #[test]
    fn written_tensors_read_back() {
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
        assert_eq!((view.shape(), view.dtype()), (&[1, 2, 1, 1][..], ::safetensors::Dtype::F32));
        assert_eq!(view.data(), [0.5f32.to_le_bytes(), (-0.0f32).to_le_bytes()].concat());
    }

    #[test]
    fn inconsistent_tensors_are_not_written() {
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
        let expected =
            [tensor("b", &[1], &[1.0]), tensor("h", &[1], &[-2.0]), tensor("module.d", &[1], &[0.25])];
        assert_eq!(read(&bytes).expect("readable").tensors, expected);
    }
}
