//! What a checkpoint remembers of the file that it came from.

use std::collections::BTreeMap;

use super::account::LeftOut;
use super::dtype::Dtype;

/// What the file said besides its floats.
#[derive(Debug, Clone, Default)]
pub(super) struct FileFacts {
    /// The file's format; empty for weights that were not read.
    pub format: String,
    /// The network that was taken, if it has a name.
    pub network: Option<String>,
    /// Other networks of the file.
    pub other_networks: Vec<String>,
    /// What the file's header notes.
    pub metadata: BTreeMap<String, String>,
    /// What is known of tensors beyond their names and shapes.
    pub hints: BTreeMap<String, Hint>,
    /// Tensors that are not floats, as they were stored.
    pub kept: Vec<KeptTensor>,
    /// Tensors that are not among the weights.
    pub left_out: Vec<LeftOut>,
    /// Remarks.
    pub notes: Vec<String>,
    /// What a written file would lack, with the reasons.
    pub lost: Vec<String>,
}

/// What is known of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hint {
    /// Its element type in the file.
    pub dtype: &'static str,
    /// Groups of a convolution.
    pub groups: Option<usize>,
    /// Whether a convolution is transposed.
    pub transposed: Option<bool>,
    /// Whether it is an embedding.
    pub embedding: bool,
    /// Whether it is an analog tile's.
    pub analog: bool,
    /// What its integers are multiplied with: one number for each output or one for all.
    pub steps: Option<Vec<f32>>,
    /// The tensor before it that is the same.
    pub tied: Option<String>,
}

impl Default for Hint {
    fn default() -> Self {
        Self {
            dtype: Dtype::F32.name(),
            groups: None,
            transposed: None,
            embedding: false,
            analog: false,
            steps: None,
            tied: None,
        }
    }
}

/// A tensor that is written as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KeptTensor {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Its elements, little-endian.
    pub bytes: Vec<u8>,
}
