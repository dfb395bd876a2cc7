//! Initial weights, drawn on the host so that every device starts from the same.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::plan::VggPlan;
use crate::weights::{NamedTensor, Weights};

/// Draws a network's weights: convolutions Kaiming-normal (fan-out), fully connected layers
/// N(0, 0.01), biases zero, normalizations the identity. The recipe of the reference run.
pub fn initialize(plan: &VggPlan, seed: u64) -> Weights {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut tensors = Vec::new();
    for stage in &plan.stages {
        let name = format!("features.{}", stage.index);
        let deviation = (2.0 / (stage.outputs * 9) as f64).sqrt();
        let shape = vec![stage.outputs, stage.inputs, 3, 3];
        tensors.push(normal(format!("{name}.weight"), shape, deviation, &mut random));
        tensors.push(constant(format!("{name}.bias"), stage.outputs, 0.0));
        if plan.batch_norm {
            let name = format!("features.{}", stage.index + 1);
            for (leaf, value) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)]
            {
                tensors.push(constant(format!("{name}.{leaf}"), stage.outputs, value));
            }
        }
    }
    for (at, (inputs, outputs)) in plan.linear_layers().into_iter().enumerate() {
        let name = format!("classifier.{}", 3 * at);
        tensors.push(normal(format!("{name}.weight"), vec![outputs, inputs], 0.01, &mut random));
        tensors.push(constant(format!("{name}.bias"), outputs, 0.0));
    }
    Weights::new(tensors)
}

fn normal(name: String, shape: Vec<usize>, deviation: f64, random: &mut ChaCha8Rng) -> NamedTensor {
    let count = shape.iter().product();
    let draw = |_| {
        let z: f64 = StandardNormal.sample(random);
        (z * deviation) as f32
    };
    NamedTensor { name, shape, data: (0..count).map(draw).collect() }
}

fn constant(name: String, count: usize, value: f32) -> NamedTensor {
    NamedTensor { name, shape: vec![count], data: vec![value; count] }
}
