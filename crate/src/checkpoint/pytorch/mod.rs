//! PyTorch checkpoints (`.pt`, `.pth`) from memory, without running anything they hold.
//!
//! Read are the zip format and the one before 1.6; a state dict bare or inside a training checkpoint
//! (`state_dict.rs`), also whole pickled modules; float16, bfloat16, float32 and float64.

pub(crate) mod cursor;
mod globals;
mod legacy;
pub(crate) mod object;
mod pickle;
mod state_dict;
mod zip;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use half::{bf16, f16};

use crate::checkpoint::pytorch::cursor::{Cursor, ParseResult};
use crate::checkpoint::pytorch::globals::Dtype;
use crate::checkpoint::pytorch::legacy::Legacy;
use crate::checkpoint::pytorch::object::{Id, Pickle, Tensor};
use crate::checkpoint::pytorch::zip::Archive;
use crate::checkpoint::{Checkpoint, NamedTensor, plain_names, sanitize};
use crate::error::{Error, Result};

/// PyTorch itself stops at 64 dimensions.
const MAX_DIMENSIONS: usize = 64;
/// So many elements a byte of the file, when views share or repeat elements: float32 gives a quarter.
const MAX_REPEATS: u64 = 2;
/// Elements of a file however small, beyond what its size allows: views repeat elements.
const SPARE_ELEMENTS: u64 = 1 << 20;

/// Whether bytes start as a PyTorch checkpoint does: a zip archive, or a pickle of protocol 2 to 5.
pub fn looks_like(bytes: &[u8]) -> bool {
    // A safetensors file may start with the bytes of a pickle too: its header's length. A `{` follows.
    let safetensors = bytes.get(8) == Some(&b'{') && bytes[4..8] == [0; 4];
    bytes.starts_with(b"PK\x03\x04") || (matches!(bytes, [0x80, 2..=5, ..]) && !safetensors)
}

/// Reads the tensors of a PyTorch checkpoint; those that are not floats are left out.
///
/// # Errors
/// When the bytes are no checkpoint, are damaged or truncated, claim more than they hold, or hold
/// no tensor.
pub fn read(bytes: &[u8]) -> Result<Checkpoint> {
    let tensors = if bytes.starts_with(b"PK") { read_zip(bytes) } else { read_legacy(bytes) };
    tensors
        .map(|tensors| Checkpoint::new(plain_names(tensors)))
        .map_err(|why| Error::file("reading a PyTorch checkpoint", "", why))
}

fn read_zip(bytes: &[u8]) -> ParseResult<Vec<NamedTensor>> {
    let mut archive = Archive::open(bytes)?;
    let program = archive.read("data.pkl")?;
    let pickle = Pickle::read(&mut Cursor::new(&program))?;
    let big_endian = archive.big_endian()?;
    load_tensors(&pickle, &mut Elements::Zip(archive), bytes.len(), big_endian)
}

fn read_legacy(bytes: &[u8]) -> ParseResult<Vec<NamedTensor>> {
    let Legacy { object, storages } = Legacy::read(bytes)?;
    load_tensors(&object, &mut Elements::Legacy(storages), bytes.len(), false)
}

/// Where the bytes of a storage are.
enum Elements<'a> {
    Zip(Archive<'a>),
    Legacy(HashMap<&'a str, &'a [u8]>),
}

impl Elements<'_> {
    fn get(&mut self, key: &str) -> ParseResult<&[u8]> {
        match self {
            Self::Zip(archive) => archive.storage(key),
            Self::Legacy(all) => all.get(key).copied().ok_or_else(|| "it lacks a storage".into()),
        }
    }
}

fn load_tensors(
    pickle: &Pickle<'_>,
    elements: &mut Elements<'_>,
    file_bytes: usize,
    big_endian: bool,
) -> ParseResult<Vec<NamedTensor>> {
    let found = state_dict::tensors(pickle)?;
    let some = !found.is_empty();
    let mut budget = MAX_REPEATS.saturating_mul(file_bytes as u64).saturating_add(SPARE_ELEMENTS);
    let mut tensors = Vec::new();
    for (name, tensor) in found {
        if matches!(tensor.storage.dtype, Dtype::Other(_)) {
            continue;
        }
        let mut build = || -> ParseResult<NamedTensor> {
            let layout = Layout::new(pickle, tensor)?;
            let cost = layout.count.saturating_add(layout.shape.len() as u64);
            budget = budget.checked_sub(cost).ok_or("with it the tensors are far larger than the file")?;
            // An empty tensor's storage may be missing.
            let raw = if layout.count == 0 { &[][..] } else { elements.get(tensor.storage.key)? };
            let data = decode(raw, &layout, tensor.storage.dtype, big_endian)?;
            Ok(NamedTensor { name: name.clone(), shape: layout.shape, data })
        };
        let tensor = build().map_err(|why| format!("its tensor {}: {why}", sanitize(&name)))?;
        tensors.push(tensor);
    }
    match (tensors.is_empty(), some) {
        (false, _) => Ok(tensors),
        (true, true) => Err("it holds no tensor of float16, bfloat16, float32 or float64".into()),
        (true, false) => Err("it holds no named tensors".into()),
    }
}

/// Which elements of its storage a tensor is made of.
struct Layout {
    shape: Vec<usize>,
    /// Elements from one index to the next, 0 for dimensions of 1.
    strides: Vec<usize>,
    start: u64,
    /// Elements of the tensor.
    count: u64,
    /// One behind the last element used.
    end: u64,
}

impl Layout {
    fn new(pickle: &Pickle<'_>, tensor: &Tensor<'_>) -> ParseResult<Self> {
        let shape = sizes(pickle, tensor.shape).ok_or("its shape is not understood")?;
        let strides = sizes(pickle, tensor.stride).ok_or("its strides are not understood")?;
        if shape.len() != strides.len() {
            return Err("its shape and its strides differ in length".into());
        }
        let mut count = u64::from(!shape.contains(&0));
        let mut last = tensor.storage.base.checked_add(tensor.offset);
        let start = last.unwrap_or(0);
        let mut steps = Vec::with_capacity(shape.len());
        for (&size, &stride) in shape.iter().zip(&strides) {
            let reach = (size as u64).saturating_sub(1);
            let stride = if size > 1 { stride } else { 0 };
            count = count.checked_mul(size as u64).ok_or("its size overflows")?;
            last = last.and_then(|last| last.checked_add(reach.checked_mul(stride as u64)?));
            steps.push(stride);
        }
        let end = last.and_then(|last| last.checked_add(u64::from(count > 0)));
        // An empty tensor reaches nowhere, wherever it points.
        let end = if count == 0 { 0 } else { end.ok_or("its size overflows")? };
        Ok(Self { shape, strides: steps, start, count, end })
    }

    /// Whether the elements lie in a row.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if size > 1 && stride != expected {
                return false;
            }
            expected = size.saturating_mul(expected);
        }
        true
    }

    /// Calls for the place of each element in row-major order.
    fn each(&self, mut element: impl FnMut(usize)) {
        let mut index = vec![0; self.shape.len()];
        let mut at = self.start as usize;
        for _ in 0..self.count {
            element(at);
            for (dimension, i) in index.iter_mut().enumerate().rev() {
                *i += 1;
                at += self.strides[dimension];
                if *i < self.shape[dimension] {
                    break;
                }
                at -= self.strides[dimension] * self.shape[dimension];
                *i = 0;
            }
        }
    }
}

fn sizes(pickle: &Pickle<'_>, id: Id) -> Option<Vec<usize>> {
    let ids = pickle.tuple(id).filter(|ids| ids.len() <= MAX_DIMENSIONS)?;
    ids.iter().map(|&id| usize::try_from(pickle.size(id)?).ok()).collect()
}

fn decode(raw: &[u8], layout: &Layout, dtype: Dtype, big_endian: bool) -> ParseResult<Vec<f32>> {
    if layout.end > raw.len() as u64 / dtype.size().max(1) {
        return Err("it reaches beyond its storage".into());
    }
    Ok(match dtype {
        Dtype::F16 => gather(raw, layout, big_endian, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => gather(raw, layout, big_endian, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::F32 => gather(raw, layout, big_endian, f32::from_le_bytes),
        Dtype::F64 => gather(raw, layout, big_endian, |b| f64::from_le_bytes(b) as f32),
        Dtype::Other(_) => Vec::new(),
    })
}

fn gather<const N: usize>(
    raw: &[u8],
    layout: &Layout,
    big_endian: bool,
    from: impl Fn([u8; N]) -> f32,
) -> Vec<f32> {
    let (words, _) = raw.as_chunks::<N>();
    let value = |word: &[u8; N]| {
        let mut word = *word;
        if big_endian {
            word.reverse();
        }
        from(word)
    };
    if layout.count == 0 {
        Vec::new()
    } else if layout.is_contiguous() {
        words[layout.start as usize..layout.end as usize].iter().map(value).collect()
    } else {
        let mut data = Vec::with_capacity(layout.count as usize);
        layout.each(|at| data.push(value(&words[at])));
        data
    }
}
