//! The elements of a constant tensor, from the file or a file beside it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use half::{bf16, f16};

use super::element::ElementType;
use super::proto::{Payload, TensorProto};
use super::tensor::{Reason, Tensor, Values, elements};
use super::wire::packed;
use crate::error::{Error, Result};

/// Files beside the model that hold its weights, by the name the model gives them.
pub(super) type ExternalFiles = HashMap<String, Arc<Vec<u8>>>;

/// The bytes of a model and of the files beside it.
#[derive(Debug, Clone)]
pub(super) struct ModelBytes {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) external: ExternalFiles,
}

/// Elements, and their place in their file.
type RawElements<'a> = (&'a [u8], Range<usize>);

/// Checks that a file of weights lies beside the model or below it.
///
/// # Errors
/// If the name is absolute or climbs out of the folder.
pub(super) fn check_location(location: &str) -> Result<()> {
    let separators = ['/', '\\'];
    let climbs = location.split(separators).any(|part| part == "..");
    if climbs || location.starts_with(separators) || location.contains(':') || location.contains('\0') {
        let why = format!("its weights are outside its folder ({location})");
        return Err(Error::file("reading ONNX", "", why));
    }
    Ok(())
}

impl ModelBytes {
    /// The little-endian elements of a tensor and their place in their file; `None` if they are not raw.
    pub(super) fn raw(&self, tensor: &TensorProto) -> std::result::Result<Option<RawElements<'_>>, Reason> {
        let bits =
            tensor.element.bits().ok_or_else(|| format!("{} elements are not supported", tensor.element))?;
        let count = elements(&tensor.shape).and_then(|count| count.checked_mul(bits));
        let size = count.map(|bits| bits.div_ceil(8)).ok_or("is too large")?;
        let (bytes, span) = match &tensor.payload {
            Payload::Raw(span) => (&self.bytes, span.clone()),
            Payload::Typed(_) => return Ok(None),
            Payload::External { location, offset, length } => {
                let bytes =
                    self.external.get(location).ok_or_else(|| format!("its file {location} is missing"))?;
                let end = offset.checked_add(length.unwrap_or(size)).filter(|&end| end <= bytes.len());
                let end = end.ok_or_else(|| format!("its file {location} is cut off"))?;
                (bytes, *offset..end)
            }
        };
        if span.len() != size {
            let (has, shape) = (span.len(), &tensor.shape);
            return Err(format!("has {has} bytes, but {shape:?} of {} takes {size}", tensor.element));
        }
        Ok(Some((&bytes[span.clone()], span)))
    }

    /// A tensor's elements.
    pub(super) fn tensor(&self, proto: &TensorProto) -> std::result::Result<Tensor, Reason> {
        let values = match self.raw(proto)? {
            Some((bytes, _)) => decode(bytes, proto.element, elements(&proto.shape).unwrap_or(0)),
            None => self.typed(proto)?,
        };
        Ok(Tensor { element: proto.element, shape: proto.shape.clone(), values })
    }

    /// Elements in the fields for their type.
    fn typed(&self, proto: &TensorProto) -> std::result::Result<Values, Reason> {
        let Payload::Typed(parts) = &proto.payload else { return Err("has no elements".to_owned()) };
        let mut floats = Vec::new();
        let mut integers = Vec::new();
        for (field, span) in parts {
            let bytes = &self.bytes[span.clone()];
            match field {
                4 => floats.extend(decode_floats(bytes)),
                10 => floats.extend(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32)),
                _ => integers.extend(packed(&self.bytes, span.clone()).map_err(|why| why.to_string())?),
            }
        }
        // Half floats are bits in the integers' field, and two 4-bit integers share one.
        match proto.element {
            ElementType::F16 => {
                floats.extend(integers.drain(..).map(|bits| f16::from_bits(bits as u16).to_f32()));
            }
            ElementType::BF16 => {
                floats.extend(integers.drain(..).map(|bits| bf16::from_bits(bits as u16).to_f32()));
            }
            ElementType::I4 | ElementType::U4 => {
                let count = elements(&proto.shape).unwrap_or(0);
                let bytes: Vec<u8> = integers.iter().map(|&pair| pair as u8).collect();
                integers = nibbles(&bytes, proto.element == ElementType::I4, count);
            }
            _ => {}
        }
        let values = if proto.element.is_float() {
            Values::Floats(Arc::new(floats))
        } else {
            Values::Integers(Arc::new(integers))
        };
        let held = match &values {
            Values::Floats(values) => values.len(),
            Values::Integers(values) => values.len(),
        };
        if Some(held) != elements(&proto.shape) {
            return Err(format!("has {held} elements, which do not fill {:?}", proto.shape));
        }
        Ok(values)
    }
}

fn decode_floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes))
}

/// Two integers a byte, the lower half first.
fn nibbles(bytes: &[u8], signed: bool, count: usize) -> Vec<i64> {
    let halves = bytes.iter().flat_map(|byte| [byte & 15, byte >> 4]).take(count);
    halves.map(|half| i64::from(half) - if signed && half > 7 { 16 } else { 0 }).collect()
}

/// Little-endian elements as many as fill the tensor.
fn decode(bytes: &[u8], element: ElementType, count: usize) -> Values {
    fn each<const N: usize, T>(bytes: &[u8], of: impl Fn([u8; N]) -> T) -> Arc<Vec<T>> {
        Arc::new(bytes.as_chunks::<N>().0.iter().map(|&bytes| of(bytes)).collect())
    }
    match element {
        ElementType::F32 => Values::Floats(each(bytes, f32::from_le_bytes)),
        ElementType::F64 => Values::Floats(each(bytes, |b| f64::from_le_bytes(b) as f32)),
        ElementType::F16 => Values::Floats(each(bytes, |b| f16::from_le_bytes(b).to_f32())),
        ElementType::BF16 => Values::Floats(each(bytes, |b| bf16::from_le_bytes(b).to_f32())),
        ElementType::I4 | ElementType::U4 => {
            Values::Integers(Arc::new(nibbles(bytes, element == ElementType::I4, count)))
        }
        ElementType::I8 => Values::Integers(each(bytes, |[b]| i64::from(b.cast_signed()))),
        ElementType::I16 => Values::Integers(each(bytes, |b| i64::from(i16::from_le_bytes(b)))),
        ElementType::U16 => Values::Integers(each(bytes, |b| i64::from(u16::from_le_bytes(b)))),
        ElementType::I32 => Values::Integers(each(bytes, |b| i64::from(i32::from_le_bytes(b)))),
        ElementType::U32 => Values::Integers(each(bytes, |b| i64::from(u32::from_le_bytes(b)))),
        ElementType::I64 => Values::Integers(each(bytes, i64::from_le_bytes)),
        ElementType::U64 => Values::Integers(each(bytes, |b| u64::from_le_bytes(b).cast_signed())),
        ElementType::U8 | ElementType::Bool | ElementType::Other(_) => {
            Values::Integers(each(bytes, |[b]| i64::from(b)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(bytes: &[u8]) -> ModelBytes {
        ModelBytes { bytes: Arc::new(bytes.to_vec()), external: ExternalFiles::new() }
    }

    fn proto(element: ElementType, shape: &[usize], payload: Payload) -> TensorProto {
        TensorProto { name: "w".to_owned(), element, shape: shape.to_vec(), payload }
    }

    #[test]
    fn every_way_of_storing_gives_the_same_elements() {
        let bytes = [[0, 0, 0x80, 0x3f], [0, 0, 0, 0xc0]].concat();
        let raw = storage(&bytes).tensor(&proto(ElementType::F32, &[2], Payload::Raw(0..8))).expect("reads");
        let typed = proto(ElementType::F32, &[2], Payload::Typed(vec![(4, 0..4), (4, 4..8)]));
        assert_eq!(raw.as_floats(), Some(&[1.0, -2.0][..]));
        assert_eq!(storage(&bytes).tensor(&typed).expect("reads"), raw);
        let external = Payload::External { location: "w.bin".to_owned(), offset: 4, length: None };
        let mut beside = storage(&[]);
        beside.external.insert("w.bin".to_owned(), Arc::new([&[9; 4], &bytes[..]].concat()));
        assert_eq!(beside.tensor(&proto(ElementType::F32, &[2], external)).expect("reads"), raw);
    }

    #[test]
    fn integers_of_four_bits_are_unpacked_and_half_floats_come_from_their_bits() {
        let packed = storage(&[0xf1, 0x08]);
        let signed = packed.tensor(&proto(ElementType::I4, &[3], Payload::Raw(0..2))).expect("reads");
        assert_eq!(signed.integers(), Ok(&[1, -1, -8][..]));
        let unsigned = packed.tensor(&proto(ElementType::U4, &[3], Payload::Raw(0..2))).expect("reads");
        assert_eq!(unsigned.integers(), Ok(&[1, 15, 8][..]));
        // 0x3c00 as a number of variable length.
        let half = proto(ElementType::F16, &[1], Payload::Typed(vec![(5, 0..2)]));
        assert_eq!(storage(&[0x80, 0x78]).tensor(&half).expect("reads").as_floats(), Some(&[1.0][..]));
    }

    #[test]
    fn tensors_that_do_not_fill_their_shape_are_rejected() {
        let error_of = |element, shape: &[usize], payload| {
            storage(&[0; 8]).tensor(&proto(element, shape, payload)).expect_err("rejected")
        };
        assert!(error_of(ElementType::F32, &[3], Payload::Raw(0..8)).contains("takes 12"));
        assert!(error_of(ElementType::F32, &[3], Payload::Typed(vec![(4, 0..8)])).contains("2 elements"));
        assert!(error_of(ElementType::Other(8), &[1], Payload::Raw(0..8)).contains("string"));
        let external = Payload::External { location: "gone".to_owned(), offset: 0, length: None };
        assert!(error_of(ElementType::F32, &[2], external).contains("gone is missing"));
        assert!(error_of(ElementType::F32, &[1 << 62], Payload::Raw(0..8)).contains("too large"));
    }

    #[test]
    fn weights_outside_the_folder_are_rejected() {
        for location in ["../w", "a/../../w", "/etc/w", "\\\\host\\w", "C:\\w", "a\\..\\..\\w", "\0"] {
            assert!(check_location(location).is_err(), "{location}");
        }
        for location in ["w.data", "weights/w.bin", "..w"] {
            assert!(check_location(location).is_ok(), "{location}");
        }
    }
}
