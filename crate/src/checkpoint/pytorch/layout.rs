//! Which elements of its storage a tensor is made of.

use std::borrow::Cow;

use super::limits::MAX_DIMENSIONS;
use super::object::{Id, Pickle, Tensor};
use crate::checkpoint::stored::ParseResult;

/// A view of a storage.
#[derive(Debug, Default)]
pub(super) struct StridedView {
    pub shape: Vec<usize>,
    /// Elements from one index to the next, 0 for dimensions of 1.
    strides: Vec<usize>,
    start: u64,
    /// Elements of the tensor.
    pub count: u64,
    /// One behind the last element used.
    pub end: u64,
}

impl StridedView {
    pub fn new(pickle: &Pickle<'_>, tensor: &Tensor<'_>) -> ParseResult<Self> {
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
        // Empty tensors need no storage range.
        let end = if count == 0 { 0 } else { end.ok_or("its size overflows")? };
        Ok(Self { shape, strides: steps, start, count, end })
    }

    /// Numbers that two tensors share only if they are the same view of the storage `key`.
    pub fn identity(&self, key: u64) -> Vec<u64> {
        let sizes = self.shape.iter().chain(&self.strides).map(|&size| size as u64);
        [key, self.start].into_iter().chain(sizes).collect()
    }

    /// The elements of `size` bytes in row-major order, little-endian. The storage must reach to `end`.
    pub fn gather<'a>(&self, raw: &'a [u8], size: usize, big_endian: bool) -> Cow<'a, [u8]> {
        let at = |element: u64| element as usize * size;
        if self.is_contiguous() && (!big_endian || size == 1) {
            return Cow::Borrowed(&raw[at(self.start)..at(self.end)]);
        }
        let mut bytes = Vec::with_capacity(self.count as usize * size);
        self.each(|element| {
            let element = &raw[element * size..(element + 1) * size];
            if big_endian {
                bytes.extend(element.iter().rev());
            } else {
                bytes.extend(element);
            }
        });
        Cow::Owned(bytes)
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
