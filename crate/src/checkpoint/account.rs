//! What was taken from a checkpoint and what was left out, with the reasons.

use serde::{Deserialize, Serialize};

/// A tensor that was taken as a layer on crossbars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct TakenTensor {
    /// Its name.
    pub name: String,
    /// Its dimensions, as in the file.
    pub shape: Vec<usize>,
    /// Its element type in the file, by PyTorch's name.
    pub dtype: String,
}

/// A tensor that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Its dimensions, as in the file.
    pub shape: Vec<usize>,
    /// Its element type in the file, by PyTorch's name.
    pub dtype: String,
    /// Why it does not become a crossbar layer.
    pub why: String,
}

/// What an analysis took from a checkpoint.
///
/// ```
/// use crossdub::checkpoint::{Checkpoint, NamedTensor};
///
/// let tensor = |name: &str, shape: &[usize]| NamedTensor {
///     name: name.into(),
///     shape: shape.into(),
///     data: vec![0.5; shape.iter().product()],
/// };
/// let weights = Checkpoint::new(vec![tensor("conv1.weight", &[8, 3, 3, 3]), tensor("fc.weight", &[10, 8])]);
/// let account = weights.account(false);
/// assert_eq!(account.taken[0].name, "conv1.weight");
/// assert_eq!((&*account.left_out[0].name, &*account.left_out[0].why), ("fc.weight", "fully connected"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct CheckpointAccount {
    /// The file's format: `pytorch`, `pytorch-legacy`, `safetensors`; empty for weights that were not read.
    pub format: String,
    /// The network that was taken, if the file has a name for it.
    pub network: Option<String>,
    /// Other networks of the file.
    #[serde(default)]
    pub other_networks: Vec<String>,
    /// The layers on crossbars.
    pub taken: Vec<TakenTensor>,
    /// All other tensors.
    pub left_out: Vec<LeftOut>,
    /// Remarks, one sentence each.
    pub notes: Vec<String>,
}

/// The reason of fully connected layers that were not asked for.
pub const FULLY_CONNECTED: &str = "fully connected";

/// The most reasons that a summary lists separately.
const MAX_REASONS: usize = 64;

impl CheckpointAccount {
    /// The left-out tensors by reason, in the order in which the reasons first occur: how many, and the
    /// first names.
    #[must_use]
    pub fn left_out_by_reason(&self) -> Vec<(&str, usize, Vec<&str>)> {
        let mut reasons: Vec<(&str, usize, Vec<&str>)> = Vec::new();
        for tensor in &self.left_out {
            // Some reasons name tensors: a hostile file could have a million.
            let known = reasons.iter().position(|(why, ..)| *why == tensor.why);
            match known.or_else(|| (reasons.len() > MAX_REASONS).then_some(MAX_REASONS)) {
                Some(at) => {
                    let (_, count, names) = &mut reasons[at];
                    *count += 1;
                    if names.len() < 3 {
                        names.push(&tensor.name);
                    }
                }
                None if reasons.len() == MAX_REASONS => {
                    reasons.push(("other reasons", 1, vec![&tensor.name]));
                }
                None => reasons.push((&tensor.why, 1, vec![&tensor.name])),
            }
        }
        reasons
    }
}
