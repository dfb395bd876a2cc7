//! Initial weights, drawn on the host so that every device starts from the same values.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::network::NetworkSpec;
use super::param::{Init, ParamSpec};
use crate::checkpoint::{Checkpoint, NamedTensor};

/// Draws a network's initial weights from `seed`.
///
/// Convolutions are Kaiming normal (fan-out), biases zero, normalizations the identity. Fully connected layers are
/// N(0, 0.01) in a VGG, as in the reference run, and uniform by fan-in in a ResNet, as in torchvision.
///
/// ```
/// use crossdub::config::{ClassifierWidths, TrainConfig};
/// use crossdub::network::spec::{NetworkSpec, initialize};
///
/// let config = TrainConfig { plan: "4 M".parse()?, classifier: ClassifierWidths::default(), ..TrainConfig::default() };
/// let weights = initialize(&NetworkSpec::from_config(&config, 10)?, 0);
/// assert_eq!(weights.get("features.0.weight").unwrap().shape, [4, 3, 3, 3]);
/// # Ok::<(), crossdub::Error>(())
/// ```
pub fn initialize(spec: &NetworkSpec, seed: u64) -> Checkpoint {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Checkpoint::new(spec.param_specs().into_iter().map(|param| draw(param, &mut rng)).collect())
}

fn draw(param: ParamSpec, rng: &mut ChaCha8Rng) -> NamedTensor {
    let ParamSpec { name, shape, init } = param;
    let count: usize = shape.iter().product();
    let data = match init {
        Init::Constant(value) => vec![value; count],
        Init::Normal(deviation) => {
            let normal = |_| {
                let z: f64 = StandardNormal.sample(rng);
                (z * deviation) as f32
            };
            (0..count).map(normal).collect()
        }
        Init::Uniform(bound) => {
            let uniform = |_| {
                let u = f64::from(rng.next_u32()) / f64::from(u32::MAX);
                ((2.0 * u - 1.0) * bound) as f32
            };
            (0..count).map(uniform).collect()
        }
    };
    NamedTensor { name, shape, data }
}
