//! PyTorch checkpoints (`.pt`, `.pth`) from memory, without running anything they hold.
//!
//! Read are the zip format and the one before 1.6; state dicts, bare or inside training checkpoints
//! (`state_dict.rs`), and whole pickled modules.

pub(crate) mod cursor;
mod globals;
mod layout;
mod legacy;
mod limits;
pub(crate) mod object;
mod pickle;
mod state_dict;
mod zip;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;

use self::cursor::Cursor;
use self::globals::Global;
use self::layout::StridedView;
use self::legacy::Legacy;
use self::limits::{ELEMENTS_PER_BYTE, SPARE_ELEMENTS};
use self::object::{Id, Pickle, Tensor, Value};
use self::state_dict::FoundTensor;
use self::zip::Archive;
use super::dtype::Dtype;
use super::sanitize;
use super::stored::{Affine, Elements, ParseResult, StoredFile, StoredTensor};
use crate::error::{Error, Result};

/// Whether bytes start as a PyTorch checkpoint does: a zip archive, or a pickle of protocol 2 to 5.
pub fn looks_like(bytes: &[u8]) -> bool {
    // A safetensors file may start with the bytes of a pickle too: its header's length. A `{` follows.
    bytes.starts_with(b"PK\x03\x04")
        || (matches!(bytes, [0x80, 2..=5, ..]) && !super::safetensors::looks_like(bytes))
}

/// Lists the tensors of a PyTorch checkpoint.
///
/// # Errors
/// When the bytes are no checkpoint, are damaged or truncated, claim more than they hold, or hold
/// no tensor.
pub(super) fn open(bytes: &[u8]) -> Result<StoredFile<'_>> {
    let opened = if bytes.starts_with(b"PK") { open_zip(bytes) } else { open_legacy(bytes) };
    opened.map_err(|why| Error::file("reading a PyTorch checkpoint", "", why))
}

fn open_zip(bytes: &[u8]) -> ParseResult<StoredFile<'_>> {
    let mut archive = Archive::open(bytes)?;
    let program = archive.read("data.pkl")?;
    let pickle = Pickle::read(&mut Cursor::new(&program))?;
    let big_endian = archive.big_endian()?;
    let elements = TorchElements::new(Storages::Zip(archive), bytes.len(), big_endian);
    list("pytorch", &pickle, elements)
}

fn open_legacy(bytes: &[u8]) -> ParseResult<StoredFile<'_>> {
    let Legacy { object, storages } = Legacy::read(bytes)?;
    list("pytorch-legacy", &object, TorchElements::new(Storages::Legacy(storages), bytes.len(), false))
}

fn list<'a>(
    format: &'static str,
    pickle: &Pickle<'_>,
    mut elements: TorchElements<'a>,
) -> ParseResult<StoredFile<'a>> {
    let contents = state_dict::contents(pickle)?;
    if contents.tensors.is_empty() {
        return Err(match contents.moments {
            0 => "it holds no named tensors".into(),
            moments => format!(
                "it holds an optimizer's state ({moments} tensors), not a network; the weights are in another file"
            ),
        });
    }
    let mut tensors = Vec::with_capacity(contents.tensors.len());
    let mut keys = HashMap::new();
    for found in contents.tensors {
        let name = sanitize(&found.name);
        let tensor = elements.list(pickle, found, &mut keys);
        tensors.push(tensor.map_err(|why| format!("its tensor {name}: {why}"))?);
    }
    let mut notes = Vec::new();
    if contents.moments > 0 {
        notes.push(format!("{} tensors of an optimizer's state are left out", contents.moments));
    }
    let (networks, metadata) = (contents.networks, std::collections::BTreeMap::new());
    Ok(StoredFile { format, tensors, networks, notes, metadata, elements: Box::new(elements) })
}

/// Where the bytes of a storage are.
enum Storages<'a> {
    Zip(Archive<'a>),
    Legacy(HashMap<String, &'a [u8]>),
}

impl Storages<'_> {
    fn get(&mut self, key: &str) -> ParseResult<&[u8]> {
        match self {
            Self::Zip(archive) => archive.storage(key),
            Self::Legacy(all) => all.get(key).copied().ok_or_else(|| "it lacks a storage".into()),
        }
    }
}

/// The elements of all listed tensors.
struct TorchElements<'a> {
    storages: Storages<'a>,
    places: Vec<StorageView>,
    big_endian: bool,
    /// Elements that may still be read.
    budget: u64,
}

/// Where one tensor's elements are.
struct StorageView {
    key: String,
    dtype: Dtype,
    layout: StridedView,
}

impl<'a> TorchElements<'a> {
    fn new(storages: Storages<'a>, file_bytes: usize, big_endian: bool) -> Self {
        let budget = ELEMENTS_PER_BYTE.saturating_mul(file_bytes as u64).saturating_add(SPARE_ELEMENTS);
        Self { storages, places: Vec::new(), big_endian, budget }
    }

    /// Describes a tensor and notes where its elements are. Only floats must be readable.
    fn list(
        &mut self,
        pickle: &Pickle<'_>,
        found: FoundTensor,
        keys: &mut HashMap<String, u64>,
    ) -> ParseResult<StoredTensor> {
        let mut listed = StoredTensor {
            name: found.name,
            module: found.module,
            network: found.network,
            ..StoredTensor::default()
        };
        let tensor = match pickle.value(found.id) {
            Value::Tensor(tensor) => tensor,
            Value::Unreadable(why) => {
                listed.dtype = Dtype::Other("an unknown type", 0);
                listed.unreadable = Some((*why).to_owned());
                self.places.push(StorageView::nowhere());
                return Ok(listed);
            }
            Value::Map(_) => {
                listed.dtype = Dtype::Other("a NumPy array", 0);
                listed.unreadable = Some("a NumPy array, not a PyTorch tensor".to_owned());
                self.places.push(StorageView::nowhere());
                return Ok(listed);
            }
            _ => return Err("it is not a tensor".into()),
        };
        listed.dtype = tensor.storage.dtype;
        let place = self.place(pickle, tensor);
        let affine = match tensor.quantizer {
            Some(quantizer) => self.affine(pickle, quantizer).map(Some),
            None => Ok(None),
        };
        match place.and_then(|place| Ok((place, affine?))) {
            Ok((place, affine)) => {
                listed.affine = affine;
                listed.shape.clone_from(&place.layout.shape);
                if place.layout.count > 0 {
                    let next = keys.len() as u64;
                    let key = *keys.entry(place.key.clone()).or_insert(next);
                    listed.same = Some(place.layout.identity(key));
                }
                self.places.push(place);
            }
            Err(why) if listed.dtype.is_float() => return Err(why),
            Err(why) => {
                listed.unreadable = Some(why);
                self.places.push(StorageView::nowhere());
            }
        }
        Ok(listed)
    }

    fn place(&mut self, pickle: &Pickle<'_>, tensor: &Tensor<'_>) -> ParseResult<StorageView> {
        let layout = StridedView::new(pickle, tensor)?;
        Ok(StorageView { key: tensor.storage.key.to_owned(), dtype: tensor.storage.dtype, layout })
    }

    /// The scales of `(scheme, scale, zero_point)` or `(scheme, scales, zero_points, axis)`.
    fn affine(&mut self, pickle: &Pickle<'_>, quantizer: Id) -> ParseResult<Affine> {
        let unknown = || "it is quantized in an unknown way".to_owned();
        match *pickle.tuple(quantizer).unwrap_or_default() {
            [scheme, scale, zero_point]
                if matches!(pickle.value(scheme), Value::Global(Global::PerTensor)) =>
            {
                let scales = vec![pickle.number(scale).ok_or_else(unknown)?];
                let zero_points = vec![pickle.number(zero_point).ok_or_else(unknown)?];
                Ok(Affine { axis: 0, scales, zero_points })
            }
            [scheme, scales, zero_points, axis]
                if matches!(pickle.value(scheme), Value::Global(Global::PerChannel)) =>
            {
                let axis =
                    pickle.size(axis).and_then(|axis| usize::try_from(axis).ok()).ok_or_else(unknown)?;
                let mut values = |id: Id| -> ParseResult<Vec<f64>> {
                    let Value::Tensor(tensor) = pickle.value(id) else { return Err(unknown()) };
                    let place = self.place(pickle, tensor)?;
                    let bytes = place.read(&mut self.storages, self.big_endian, &mut self.budget)?;
                    Ok(place.dtype.decode(&bytes, false).into_iter().map(f64::from).collect())
                };
                Ok(Affine { axis, scales: values(scales)?, zero_points: values(zero_points)? })
            }
            _ => Err(unknown()),
        }
    }
}

impl Elements for TorchElements<'_> {
    fn bytes(&mut self, index: usize) -> ParseResult<Cow<'_, [u8]>> {
        let place = self.places.get(index).ok_or("it is not listed")?;
        place.read(&mut self.storages, self.big_endian, &mut self.budget)
    }
}

impl StorageView {
    /// Of a tensor that can't be read.
    fn nowhere() -> Self {
        Self { key: String::new(), dtype: Dtype::Other("an unknown type", 0), layout: StridedView::default() }
    }

    /// The elements in a row, little-endian.
    fn read<'s>(
        &self,
        storages: &'s mut Storages<'_>,
        big_endian: bool,
        budget: &mut u64,
    ) -> ParseResult<Cow<'s, [u8]>> {
        let cost = self.layout.count.saturating_add(self.layout.shape.len() as u64);
        *budget = budget.checked_sub(cost).ok_or("with it the tensors are far larger than the file")?;
        // An empty tensor's storage may be missing.
        if self.layout.count == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        let size = self.dtype.size();
        if size == 0 {
            return Err(format!("its elements are of {}", self.dtype.name()));
        }
        let raw = storages.get(&self.key)?;
        if self.layout.end > raw.len() as u64 / size {
            return Err("it reaches beyond its storage".into());
        }
        Ok(self.layout.gather(raw, size as usize, big_endian))
    }
}
