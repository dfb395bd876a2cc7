//! Named tensors from and to bytes. Untrusted files end in an error, never in a panic or a huge allocation.
//!
//! ```text
//! bytes -> formats (pytorch, safetensors, shards) -> stored tensors -> interpret (one network, whole weights) -> layers -> matrices
//! ```
//!
//! A file's format is detected from its content, never from its ending. A [`Checkpoint`] carries its
//! [account](Checkpoint::account): what was taken, what was left out, and why.

mod account;
mod convolution_groups;
mod dtype;
mod file_facts;
mod formats;
mod interpret;
mod kernel_layout;
mod layers;
mod matrix_view;
mod names;
pub mod pytorch;
mod quantizers;
mod roles;
pub mod safetensors;
mod sharded;
mod stored;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use self::account::{CheckpointAccount, FULLY_CONNECTED, LeftOut, TakenTensor};
use self::file_facts::FileFacts;
#[cfg(any(feature = "onnx", feature = "web"))]
pub(crate) use self::formats::is_onnx;
use self::matrix_view::MatrixView;
#[cfg(feature = "train")]
pub(crate) use self::names::sibling;
pub use self::names::{natural_order, nearest};
use self::quantizers::trained_steps;
pub use self::quantizers::{InputQuantizer, LayerQuantizers};
use self::roles::TensorRole;
pub use self::sharded::{ShardIndex, is_index, shard_of};
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// One tensor of a checkpoint, in float32 whatever the file held.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// PyTorch's parameter name, without prefixes such as `module.`.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its elements, row-major.
    pub data: Vec<f32>,
}

/// A checkpoint: the weights of one network, in the file's order.
///
/// Two checkpoints are equal if their tensors are, wherever they came from.
#[derive(Debug, Clone, Default)]
pub struct Checkpoint {
    /// The tensors.
    pub tensors: Vec<NamedTensor>,
    facts: FileFacts,
}

impl PartialEq for Checkpoint {
    fn eq(&self, other: &Self) -> bool {
        self.tensors == other.tensors
    }
}

/// What to take from a file, where its content leaves a choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The network to take, of several.
    pub network: Option<String>,
    /// Layers that are transposed convolutions, by name.
    pub transposed: Vec<String>,
    /// Groups of convolutions, by name.
    pub groups: Vec<(String, usize)>,
}

impl Checkpoint {
    /// The tensors, put in natural order of their names (`features.3` before `features.11`).
    pub fn new(mut tensors: Vec<NamedTensor>) -> Self {
        // Names such as `a.1` and `a.01` differ only as text.
        tensors.sort_by(|a, b| natural_order(&a.name, &b.name).then_with(|| a.name.cmp(&b.name)));
        Self { tensors, facts: FileFacts::default() }
    }

    /// Reads safetensors or a PyTorch checkpoint, whichever the content is.
    ///
    /// # Errors
    /// When the bytes are neither, are truncated, or claim more than they hold.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_files(&[("", bytes)], &ReadOptions::default())
    }

    /// Reads a checkpoint of one file or of several shards, given with their names. An index among
    /// them says which shards there must be.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes); when a shard is missing, or an option names what is not
    /// there.
    pub fn from_files(files: &[(&str, &[u8])], options: &ReadOptions) -> Result<Self> {
        interpret::interpret(sharded::open(files)?, options)
    }

    /// What was taken and what was left out; `linear` if fully connected layers are taken.
    pub fn account(&self, linear: bool) -> CheckpointAccount {
        let layers = layers::layers(self);
        let (mut taken, mut left_out) = (Vec::new(), Vec::new());
        for layer in &layers.tensors {
            let (name, shape) = (layer.tensor.name.clone(), layer.tensor.shape.clone());
            let dtype = layer.hint.dtype.to_owned();
            if layer.is_taken(linear) {
                taken.push(TakenTensor { name, shape, dtype });
            } else {
                let why = match &layer.hint.tied {
                    Some(other) => format!("the same tensor as {other}"),
                    None => roles::why(&layer.role).to_owned(),
                };
                left_out.push(LeftOut { name, shape, dtype, why });
            }
        }
        left_out.extend(self.facts.left_out.iter().cloned());
        let notes = self.facts.notes.iter().cloned().chain(layers.notes).collect();
        CheckpointAccount {
            format: self.facts.format.clone(),
            network: self.facts.network.clone(),
            other_networks: self.facts.other_networks.clone(),
            taken,
            left_out,
            notes,
        }
    }

    /// Masks of the crossbar layers, in their shapes: 0 where a weight is zero, 1 where it stays.
    #[must_use]
    pub fn masks(&self) -> Self {
        let mask = |tensor: &NamedTensor| {
            let data = tensor.data.iter().map(|&weight| if weight == 0.0 { 0.0 } else { 1.0 }).collect();
            NamedTensor { name: tensor.name.clone(), shape: tensor.shape.clone(), data }
        };
        Self { tensors: self.layer_tensors().into_iter().map(mask).collect(), facts: FileFacts::default() }
    }

    /// The tensors of the crossbar layers, without fully connected ones.
    pub fn layer_tensors(&self) -> Vec<&NamedTensor> {
        let layers = layers::layers(self);
        layers.tensors.iter().filter(|layer| layer.is_taken(false)).map(|layer| layer.tensor).collect()
    }

    /// The same checkpoint with the values of these layers.
    #[must_use]
    pub fn with_layers(mut self, matrices: Vec<Matrix>) -> Self {
        let layers = layers::layers(&self);
        let views: BTreeMap<&str, &MatrixView> = layers
            .tensors
            .iter()
            .filter_map(|layer| Some((&*layer.tensor.name, layer.view.as_ref()?)))
            .collect();
        let mut changes = BTreeMap::new();
        for matrix in matrices {
            if let Some(view) = views.get(&*matrix.name) {
                let data = view.to_weight(matrix.data);
                changes.insert(matrix.name, data);
            }
        }
        // Tied tensors stay tied.
        for layer in &layers.tensors {
            if let Some(data) = layer.hint.tied.as_ref().and_then(|other| changes.get(other)).cloned() {
                changes.insert(layer.tensor.name.clone(), data);
            }
        }
        for tensor in &mut self.tensors {
            if let Some(data) = changes.remove(&tensor.name) {
                tensor.data = data;
            }
        }
        self
    }

    /// Checks that a file of these weights would hold all that was in the file that they came from.
    ///
    /// # Errors
    /// Names the first tensor that would be missing.
    pub fn check_complete(&self) -> Result<()> {
        match self.facts.lost.first() {
            None => Ok(()),
            Some(lost) => {
                let why = format!("the file would lack a tensor: {}", sanitize(lost));
                Err(Error::file("writing weights", "", why))
            }
        }
    }

    /// The tensor of a name.
    pub fn get(&self, name: &str) -> Option<&NamedTensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// The notes in the header of its safetensors file.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.facts.metadata
    }

    /// The same network with its parameters under other names: `rename` gives the new name of each, or
    /// `None` for one to leave out.
    #[must_use]
    pub fn renamed(mut self, rename: impl Fn(&str) -> Option<String>) -> Self {
        let hints = std::mem::take(&mut self.facts.hints);
        self.facts.hints =
            hints.into_iter().filter_map(|(name, hint)| Some((rename(&name)?, hint))).collect();
        for hint in self.facts.hints.values_mut() {
            hint.tied = hint.tied.take().and_then(|other| rename(&other));
        }
        self.tensors.retain_mut(|tensor| match rename(&tensor.name) {
            Some(name) => {
                tensor.name = name;
                true
            }
            None => false,
        });
        self
    }

    /// The same checkpoint with another remark on how it was read.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.facts.notes.push(note.into());
        self
    }

    /// The crossbar layers as matrices: convolutions in 1 to 3 dimensions, `[out, in / groups, ...]`;
    /// with `linear` the fully connected ones too. The groups are inferred, see `convolution_groups.rs`.
    ///
    /// # Errors
    /// If the checkpoint has no crossbar layer, or a weight is not finite.
    pub fn matrices(&self, linear: bool) -> Result<Vec<Matrix>> {
        matrices(self.mappings(linear), linear, |at| self.tensors[at].data.clone())
    }

    /// The same without a copy of the weights.
    ///
    /// # Errors
    /// As [`matrices`](Self::matrices).
    pub fn into_matrices(mut self, linear: bool) -> Result<Vec<Matrix>> {
        matrices(self.mappings(linear), linear, |at| std::mem::take(&mut self.tensors[at].data))
    }

    /// How each layer that is taken becomes a matrix.
    fn mappings(&self, linear: bool) -> Vec<Mapping> {
        let layers = layers::layers(self).tensors.into_iter().enumerate();
        let taken = layers.filter(|(_, layer)| layer.is_taken(linear));
        // Looked up by name for every layer: a file may have a quarter of a million.
        let by_name: HashMap<&str, &NamedTensor> =
            self.tensors.iter().map(|tensor| (&*tensor.name, tensor)).collect();
        let mapping = |(at, layer): (usize, layers::ClassifiedTensor<'_>)| {
            let name = layer.tensor.name.clone();
            let steps = layer
                .hint
                .steps
                .or_else(|| trained_steps(&name, |name| by_name.get(name).copied()).map(<[f32]>::to_vec));
            Some(Mapping { at, name, view: layer.view?, steps })
        };
        taken.filter_map(mapping).collect()
    }

    /// The layers in whose tensors outputs are not the first dimension, so that they can't have a step for each.
    pub fn layers_in_other_layouts(&self) -> BTreeSet<String> {
        let others = self.mappings(true).into_iter().filter(|mapping| !mapping.view.is_plain());
        others.map(|mapping| mapping.name).collect()
    }

    /// The names of the fully connected layers.
    pub fn linear_names(&self) -> BTreeSet<String> {
        let layers = layers::layers(self).tensors.into_iter();
        layers
            .filter(|layer| layer.role == TensorRole::Linear)
            .map(|layer| layer.tensor.name.clone())
            .collect()
    }

    /// What the integers of a quantized tensor are multiplied with: one number for each output or one
    /// for all.
    pub fn steps(&self, name: &str) -> Option<&[f32]> {
        let read = self.facts.hints.get(name).and_then(|hint| hint.steps.as_deref());
        read.or_else(|| trained_steps(name, |name| self.get(name)))
    }
}

/// How a tensor becomes a matrix.
struct Mapping {
    /// Its place among the tensors.
    at: usize,
    name: String,
    view: MatrixView,
    steps: Option<Vec<f32>>,
}

fn matrices(
    mappings: Vec<Mapping>,
    linear: bool,
    mut data: impl FnMut(usize) -> Vec<f32>,
) -> Result<Vec<Matrix>> {
    let mut matrices = Vec::with_capacity(mappings.len());
    for Mapping { at, name, view, steps } in mappings {
        let matrix =
            Matrix::new(name, view.rows, view.cols, view.to_matrix(data(at)))?.grouped(view.groups)?;
        matrices.push(match steps {
            // Scales belong to the first dimension, which must hold the outputs.
            Some(steps) if view.is_plain() || steps.len() == 1 => matrix.with_steps(steps)?,
            _ => matrix,
        });
    }
    if matrices.is_empty() {
        return Err(Error::no_layers(linear));
    }
    Ok(matrices)
}

/// A text of an untrusted file, or about one, fit for an error line: short, without control characters.
fn sanitize(text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    let mut brief: String = text.chars().take(120).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if brief.len() < text.len() {
        brief.push('…');
    }
    brief
}

#[cfg(test)]
mod tests;
