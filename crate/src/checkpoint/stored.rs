//! What the readers of all formats give: named tensors that are described, and decoded on request.

use super::dtype::Dtype;

/// A result whose error is the reason alone; the door of the format adds what was being read.
pub(crate) type ParseResult<T> = Result<T, String>;

/// Number of elements of a tensor of this shape; `None` if it overflows. A dimension of 0 leaves none, however large
/// the product of those before it.
pub(super) fn element_count(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size))
}

/// A tensor of a file, not decoded yet.
#[derive(Debug, Clone, Default)]
pub(super) struct StoredTensor {
    /// Its whole name, with the keys of the dictionaries around it.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its element type.
    pub dtype: Dtype,
    /// Equal for tensors that are the same view of the same elements.
    pub same: Option<Vec<u64>>,
    /// Scales and zero points, for the types that carry them.
    pub affine: Option<Affine>,
    /// What a pickled module says about itself.
    pub module: ModuleFacts,
    /// Index into [`StoredFile::networks`]; `None` if it lies beside all of them.
    pub network: Option<usize>,
    /// Why its elements can't be read, if they can't.
    pub unreadable: Option<String>,
}

/// How integers become numbers: `scale * (integer - zero_point)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affine {
    /// The dimension that the scales belong to.
    pub axis: usize,
    /// One scale, or one for each index of `axis`.
    pub scales: Vec<f64>,
    /// As many zero points.
    pub zero_points: Vec<f64>,
}

/// Attributes of the pickled module that holds a parameter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ModuleFacts {
    /// Groups of a convolution.
    pub groups: Option<usize>,
    /// Whether a convolution is transposed.
    pub transposed: Option<bool>,
    /// Whether it is an embedding.
    pub embedding: bool,
}

/// A network that a file keeps apart from others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StoredNetwork {
    /// The keys that lead to it, joined by dots; empty for the whole file.
    pub path: String,
    /// Whether it was pickled as an object, not as a state dict.
    pub is_module: bool,
}

/// The tensors of a file, and how to read their elements.
pub(super) struct StoredFile<'a> {
    /// The format's name.
    pub format: &'static str,
    /// The tensors, in the order of the file.
    pub tensors: Vec<StoredTensor>,
    /// Networks that the file's structure keeps apart; may be empty.
    pub networks: Vec<StoredNetwork>,
    /// Remarks for the reader.
    pub notes: Vec<String>,
    /// Notes of the file's own header.
    pub metadata: std::collections::BTreeMap<String, String>,
    /// Where the elements are.
    pub elements: Box<dyn Elements + 'a>,
}

/// The elements of a file's tensors.
pub(super) trait Elements {
    /// The bytes of the tensor at `index`: row-major, little-endian.
    fn bytes(&mut self, index: usize) -> ParseResult<std::borrow::Cow<'_, [u8]>>;
}

impl StoredFile<'_> {
    /// The values of a tensor, integers for quantized types.
    pub fn values(&mut self, index: usize) -> ParseResult<Vec<f32>> {
        let tensor = &self.tensors[index];
        if let Some(why) = &tensor.unreadable {
            return Err(why.clone());
        }
        let (dtype, count) = (tensor.dtype, element_count(&tensor.shape));
        let values = dtype.decode(&self.elements.bytes(index)?, false);
        if Some(values.len()) != count {
            return Err("its elements do not fill its shape".into());
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::element_count;

    #[test]
    fn a_dimension_of_0_leaves_no_element() {
        assert_eq!(element_count(&[]), Some(1));
        assert_eq!(element_count(&[2, 3]), Some(6));
        // Found by fuzzing: the product overflows before it comes to the 0.
        assert_eq!(element_count(&[usize::MAX, 134_217_729, 16_318_465, 0]), Some(0));
        assert_eq!(element_count(&[usize::MAX, 2]), None);
    }
}
