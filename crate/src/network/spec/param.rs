//! One parameter of a network: its name, shape and initialization.

/// A parameter before it has values.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamSpec {
    /// PyTorch's name, for example `features.0.weight`.
    pub name: String,
    /// PyTorch's shape: `[out, in, kh, kw]`, `[out, in]` or `[out]`.
    pub shape: Vec<usize>,
    /// The distribution of its initial values.
    pub init: Init,
}

/// The distribution of a parameter's initial values.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// Uniform between `-bound` and `bound`.
    Uniform(f64),
    /// The same value everywhere.
    Constant(f32),
}

impl ParamSpec {
    /// A convolution's weight, Kaiming normal by fan-out: standard deviation `sqrt(2 / (out * kh * kw))` (He et al.
    /// 2015).
    ///
    /// # Shapes
    /// - `shape`: `[out, in, kh, kw]`
    pub fn convolution(name: String, shape: [usize; 4]) -> Self {
        let fan_out = shape[0] * shape[2] * shape[3];
        Self { name, shape: shape.to_vec(), init: Init::Normal((2.0 / fan_out as f64).sqrt()) }
    }

    /// A vector of `count` equal values.
    pub fn constant(name: String, count: usize, value: f32) -> Self {
        Self { name, shape: vec![count], init: Init::Constant(value) }
    }

    /// The four parameters of a batch normalization that starts as the identity.
    pub fn batch_norm(name: &str, count: usize) -> impl Iterator<Item = Self> {
        let leaves = [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)];
        leaves.into_iter().map(move |(leaf, value)| Self::constant(format!("{name}.{leaf}"), count, value))
    }

    /// Number of values.
    pub fn num_values(&self) -> u64 {
        self.shape.iter().map(|&n| n as u64).product()
    }
}

/// PyTorch's name for a leaf of one of Burn's modules.
#[cfg(feature = "train")]
pub(super) fn torch_leaf(name: &str) -> &str {
    match name {
        "gamma" => "weight",
        "beta" => "bias",
        other => other,
    }
}
