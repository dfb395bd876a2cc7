//! Named tensors from and to bytes. Untrusted files end in an error, never in a panic or a huge allocation.

mod groups;
pub mod pytorch;
pub mod safetensors;

use std::cmp::Ordering;
use std::collections::HashMap;

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

/// A checkpoint: tensors in natural order of their names (`features.3` before `features.11`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkpoint {
    /// The tensors.
    pub tensors: Vec<NamedTensor>,
}

impl Checkpoint {
    /// The tensors, put in natural order.
    pub fn new(mut tensors: Vec<NamedTensor>) -> Self {
        // Names such as `a.1` and `a.01` are equal but for their text.
        tensors.sort_by(|a, b| natural_order(&a.name, &b.name).then_with(|| a.name.cmp(&b.name)));
        Self { tensors }
    }

    /// Reads safetensors or a PyTorch checkpoint, told apart by their first bytes.
    ///
    /// # Errors
    /// When the bytes are neither, are truncated, or claim more than they hold.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if pytorch::looks_like(bytes) {
            pytorch::read(bytes)
        } else if bytes.get(8) == Some(&b'{') {
            safetensors::read(bytes)
        } else {
            let why = if bytes.is_empty() {
                "the file is empty"
            } else {
                "it is neither a PyTorch checkpoint nor a safetensors file"
            };
            Err(Error::file("reading weights", "", why))
        }
    }

    /// Masks of the crossbar layers (4-D tensors), in their shapes: 0 where a weight is zero, 1 where
    /// it stays.
    #[must_use]
    pub fn masks(&self) -> Self {
        let mask = |tensor: &NamedTensor| {
            let data = tensor.data.iter().map(|&weight| if weight == 0.0 { 0.0 } else { 1.0 }).collect();
            NamedTensor { name: tensor.name.clone(), shape: tensor.shape.clone(), data }
        };
        let layers = self.tensors.iter().filter(|t| t.shape.len() == 4 && !t.data.is_empty());
        Self { tensors: layers.map(mask).collect() }
    }

    /// The same checkpoint with the values of these layers.
    #[must_use]
    pub fn with_layers(mut self, layers: Vec<Matrix>) -> Self {
        for layer in layers {
            if let Some(tensor) = self.tensors.iter_mut().find(|tensor| tensor.name == layer.name) {
                tensor.data = layer.data;
            }
        }
        self
    }

    /// The tensor of a name.
    pub fn get(&self, name: &str) -> Option<&NamedTensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// The crossbar layers as matrices: convolutions, 4-D `[out, in / groups, kh, kw]`; with `linear`
    /// the 2-D ones too. The groups are inferred, see `groups.rs`.
    ///
    /// # Errors
    /// When there is none, or a weight is not finite.
    pub fn matrices(&self, linear: bool) -> Result<Vec<Matrix>> {
        let held = || self.tensors.iter().filter(|t| !t.data.is_empty());
        let convolutions: Vec<_> =
            held().filter(|t| t.shape.len() == 4).map(|t| (t.shape[0], t.shape[1])).collect();
        let mut groups = groups::infer_groups(&convolutions).into_iter();
        let layers: Vec<Matrix> = held()
            .filter(|t| t.shape.len() == 4 || (linear && t.shape.len() == 2))
            .map(|t| {
                let inputs = t.shape[1..].iter().product();
                let matrix = Matrix::new(&*t.name, t.shape[0], inputs, t.data.clone())?;
                if t.shape.len() == 4 { matrix.grouped(groups.next().unwrap_or(1)) } else { Ok(matrix) }
            })
            .collect::<Result<_>>()?;
        if layers.is_empty() {
            return Err(Error::no_layers(linear));
        }
        Ok(layers)
    }
}

/// What `DataParallel` and `torch.compile` put before or between a parameter's own names.
fn plain_name(name: &str) -> String {
    let mut plain = name;
    while let Some(rest) = ["module.", "_orig_mod."].iter().find_map(|p| plain.strip_prefix(p)) {
        plain = rest;
    }
    plain.replace("._orig_mod.", ".")
}

/// The tensors under their plain names, but for those that would then share one.
fn plain_names(mut tensors: Vec<NamedTensor>) -> Vec<NamedTensor> {
    let mut uses = HashMap::<String, usize>::new();
    for tensor in &tensors {
        *uses.entry(plain_name(&tensor.name)).or_default() += 1;
    }
    for tensor in &mut tensors {
        let plain = plain_name(&tensor.name);
        if uses.get(&plain) == Some(&1) && !plain.is_empty() {
            tensor.name = plain;
        }
    }
    tensors
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

/// Compares names so that runs of digits count as numbers.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (head_a, rest_a) = split_run(a);
        let (head_b, rest_b) = split_run(b);
        let order = match (number(head_a), number(head_b)) {
            (Some(x), Some(y)) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
            _ => head_a.cmp(head_b),
        };
        if order != Ordering::Equal || head_a.is_empty() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// The leading run of digits, or of anything else, and what follows.
fn split_run(text: &str) -> (&str, &str) {
    let digit = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(text.len());
    text.split_at(end)
}

/// A run of digits without its leading zeros: compares by length, then by text, at any size.
fn number(run: &str) -> Option<&str> {
    run.starts_with(|c: char| c.is_ascii_digit()).then(|| run.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_depthwise_layer_is_mapped_group_by_group_whatever_lies_between() {
        let tensor = |name: &str, shape: &[usize]| NamedTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            data: vec![0.5; shape.iter().product()],
        };
        let weights = Checkpoint::new(vec![
            tensor("0.weight", &[8, 3, 3, 3]),
            tensor("1.weight", &[8]),
            tensor("2.weight", &[8, 1, 3, 3]),
            tensor("3.weight", &[4, 8]),
        ]);
        let groups: Vec<_> = weights.matrices(true).expect("layers").iter().map(|m| m.groups).collect();
        assert_eq!(groups, [1, 8, 1]);
    }

    #[test]
    fn layers_sort_by_number() {
        let mut names =
            vec!["features.11.weight", "features.3.weight", "classifier.0.weight", "features.3.bias"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            ["classifier.0.weight", "features.3.bias", "features.3.weight", "features.11.weight"]
        );
    }
}
