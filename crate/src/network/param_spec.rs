//! Initial weights, drawn on the host so that every device starts from the same.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::checkpoint::{Checkpoint, NamedTensor};
use crate::network::Plan;

/// A parameter that has no values yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Blank {
    /// PyTorch's name.
    pub name: String,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// What it starts with.
    pub fill: Fill,
}

/// What a parameter starts with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// Normal around 0 with this deviation.
    Normal(f64),
    /// Uniform between this bound's negative and it.
    Uniform(f64),
    /// All the same.
    Constant(f32),
}

impl Blank {
    /// A convolution's weight, Kaiming-normal by its fan-out.
    pub fn convolution(name: String, shape: [usize; 4]) -> Self {
        let fan_out = shape[0] * shape[2] * shape[3];
        Self { name, shape: shape.to_vec(), fill: Fill::Normal((2.0 / fan_out as f64).sqrt()) }
    }

    /// One value an output.
    pub fn constant(name: String, count: usize, value: f32) -> Self {
        Self { name, shape: vec![count], fill: Fill::Constant(value) }
    }

    /// The four parameters of a batch normalization that starts as the identity.
    pub fn normalization(name: &str, count: usize) -> impl Iterator<Item = Self> {
        let leaves = [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)];
        leaves.into_iter().map(move |(leaf, value)| Self::constant(format!("{name}.{leaf}"), count, value))
    }
}

/// Draws a network's weights: convolutions Kaiming-normal (fan-out), biases zero, normalizations the
/// identity; fully connected layers N(0, 0.01) in a VGG, the recipe of the reference run, and uniform
/// by their fan-in in a ResNet, as torchvision draws them.
pub fn initialize(plan: &Plan, seed: u64) -> Checkpoint {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Checkpoint::new(plan.blanks().into_iter().map(|blank| draw(blank, &mut random)).collect())
}

fn draw(blank: Blank, random: &mut ChaCha8Rng) -> NamedTensor {
    let Blank { name, shape, fill } = blank;
    let count: usize = shape.iter().product();
    let data = match fill {
        Fill::Constant(value) => vec![value; count],
        Fill::Normal(deviation) => {
            let normal = |_| {
                let z: f64 = StandardNormal.sample(random);
                (z * deviation) as f32
            };
            (0..count).map(normal).collect()
        }
        Fill::Uniform(bound) => {
            let uniform = |_| {
                let u = f64::from(random.next_u32()) / f64::from(u32::MAX);
                ((2.0 * u - 1.0) * bound) as f32
            };
            (0..count).map(uniform).collect()
        }
    };
    NamedTensor { name, shape, data }
}
