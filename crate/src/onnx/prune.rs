//! A model with other weights: the bytes of changed weights are replaced at their place in the file, and every
//! other byte stays.

use std::collections::HashMap;
use std::ops::Range;

use half::{bf16, f16};

use super::element::ElementType;
use super::layers::OnnxLayer;
use super::network::OnnxNetwork;
use super::proto::{Payload, TensorProto};
use super::tensor::Reason;
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// The files of a model after its weights have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewrittenModel {
    /// The model's own file.
    pub bytes: Vec<u8>,
    /// Files beside it that hold weights, by their path from the model's folder; all of them, changed or not.
    pub external: Vec<(String, Vec<u8>)>,
}

/// The files while they are changed; the model's own has no name.
type Files = HashMap<String, Vec<u8>>;

impl OnnxNetwork {
    /// The model with the weights of these layers, matched by name.
    ///
    /// # Errors
    /// If a layer is not the model's, has no place of its own in the file, or is stored as integers and a weight
    /// has changed to anything but 0.
    pub fn with_layers(&self, layers: &[Matrix]) -> Result<RewrittenModel> {
        let storage = &self.plan.storage;
        let mut files = Files::from([(String::new(), storage.bytes.to_vec())]);
        files.extend(storage.external.iter().map(|(name, bytes)| (name.clone(), bytes.to_vec())));
        for matrix in layers {
            let fail = |why: Reason| Error::layer("writing a layer", &*matrix.name, why);
            let layer = self.layers.iter().find(|layer| layer.name == matrix.name);
            let layer = layer.ok_or_else(|| fail("the model has no such layer".to_owned()))?;
            self.rewrite(layer, matrix, &mut files)?;
        }
        let bytes = files.remove("").unwrap_or_default();
        let mut external: Vec<_> = files.into_iter().collect();
        external.sort();
        Ok(RewrittenModel { bytes, external })
    }

    fn rewrite(&self, layer: &OnnxLayer, matrix: &Matrix, files: &mut Files) -> Result<()> {
        let fail = |why: Reason| Error::layer("writing a layer", &*layer.name, why);
        let before = self.matrix(layer)?;
        if (matrix.rows, matrix.cols) != (before.rows, before.cols) || matrix.data.len() != before.data.len()
        {
            return Err(fail(format!(
                "it is {} x {}, not {} x {}",
                before.rows, before.cols, matrix.rows, matrix.cols
            )));
        }
        let changed = before.data.iter().zip(&matrix.data).enumerate();
        let changed: Vec<(usize, f32)> = changed
            .filter(|(_, (old, new))| old.to_bits() != new.to_bits())
            .map(|(at, (_, &new))| (at, new))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        let (initializer, places) = self.plan.initializer_places(layer)?;
        let (_, proto) = &self.plan.graph.initializers[initializer];
        let zeros = if proto.element.is_float() { None } else { Some(self.plan.zeros(layer).map_err(fail)?) };
        let (file, parts) = self.parts(proto).map_err(fail)?;
        let bytes = files.get_mut(&file).ok_or_else(|| fail(format!("its file {file} is missing")))?;
        for (at, new) in changed {
            match &zeros {
                None => write_float(bytes, &parts, proto.element, places[at], new).map_err(fail)?,
                Some(zeros) if new == 0.0 => {
                    write_integer(bytes, &parts, proto.element, places[at], zeros[at]).map_err(fail)?;
                }
                Some(_) => {
                    return Err(fail(format!(
                        "it is stored as {}: weights can become 0, but nothing else",
                        proto.element
                    )));
                }
            }
        }
        Ok(())
    }

    /// The file that holds a tensor's elements, and their places in it, in order.
    fn parts(&self, proto: &TensorProto) -> std::result::Result<(String, Vec<Range<usize>>), Reason> {
        if let Some((_, span)) = self.plan.storage.raw(proto)? {
            let file = match &proto.payload {
                Payload::External { location, .. } => location.clone(),
                _ => String::new(),
            };
            return Ok((file, vec![span]));
        }
        match (&proto.payload, proto.element) {
            (Payload::Typed(parts), ElementType::F32 | ElementType::F64) => {
                Ok((String::new(), parts.iter().map(|(_, span)| span.clone()).collect()))
            }
            _ => {
                Err("it is stored as numbers of variable length; save the model with raw tensor data"
                    .to_owned())
            }
        }
    }
}

/// The bytes of the element at `index`.
fn element<'a>(
    bytes: &'a mut [u8],
    parts: &[Range<usize>],
    size: usize,
    index: usize,
) -> std::result::Result<&'a mut [u8], Reason> {
    let mut start = index * size;
    for part in parts {
        if start < part.len() {
            return bytes
                .get_mut(part.start + start..part.start + start + size)
                .ok_or("its file is cut off".to_owned());
        }
        start -= part.len();
    }
    Err("its file is cut off".to_owned())
}

fn write_float(
    bytes: &mut [u8],
    parts: &[Range<usize>],
    kind: ElementType,
    index: usize,
    value: f32,
) -> std::result::Result<(), Reason> {
    let mut put =
        |new: &[u8]| element(bytes, parts, new.len(), index).map(|place| place.copy_from_slice(new));
    match kind {
        ElementType::F32 => put(&value.to_le_bytes()),
        ElementType::F64 => put(&f64::from(value).to_le_bytes()),
        ElementType::F16 => put(&f16::from_f32(value).to_le_bytes()),
        ElementType::BF16 => put(&bf16::from_f32(value).to_le_bytes()),
        other => Err(format!("it is stored as {other}")),
    }
}

fn write_integer(
    bytes: &mut [u8],
    parts: &[Range<usize>],
    kind: ElementType,
    index: usize,
    value: i64,
) -> std::result::Result<(), Reason> {
    match kind {
        ElementType::I4 | ElementType::U4 => {
            let place = element(bytes, parts, 1, index / 2)?;
            let (shift, half) = (4 * (index % 2), value as u8 & 15);
            place[0] = place[0] & !(15 << shift) | half << shift;
            Ok(())
        }
        other => {
            let size = other.bits().ok_or_else(|| format!("it is stored as {other}"))? / 8;
            element(bytes, parts, size, index)?.copy_from_slice(&value.to_le_bytes()[..size]);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(range: Range<usize>) -> Vec<Range<usize>> {
        vec![range]
    }

    #[test]
    fn elements_are_replaced_where_they_are() {
        let mut bytes = vec![0xff; 12];
        write_float(&mut bytes, &[0..4, 6..10], ElementType::F32, 1, 1.0).expect("writes");
        assert_eq!(bytes, [255, 255, 255, 255, 255, 255, 0, 0, 0x80, 0x3f, 255, 255]);
        write_integer(&mut bytes, &at(2..4), ElementType::I4, 3, -8).expect("writes");
        assert_eq!(bytes[2..4], [0xff, 0x8f]);
        write_integer(&mut bytes, &at(0..2), ElementType::U8, 1, 128).expect("writes");
        assert_eq!(bytes[..2], [255, 128]);
        write_float(&mut bytes, &at(10..12), ElementType::F16, 0, 0.0).expect("writes");
        assert_eq!(bytes[10..], [0, 0]);
        assert!(write_float(&mut bytes, &at(0..4), ElementType::F32, 1, 1.0).is_err());
    }
}
