//! The weights that the benchmarks work on.

use crossdub::config::NetworkName;
use crossdub::network::NetworkSpec;
use crossdub::network::spec::initialize;
use crossdub::{Checkpoint, Matrix, TrainConfig};

const CLASSES: usize = 10;

/// VGG11's initial weights.
pub fn checkpoint() -> Checkpoint {
    let mut config = TrainConfig::default();
    config.set_model(NetworkName::Vgg11);
    initialize(&NetworkSpec::from_config(&config, CLASSES).expect("a valid network"), 0)
}

/// The matrices of VGG11's convolutions.
#[allow(dead_code, reason = "not every benchmark works on matrices")]
pub fn matrices() -> Vec<Matrix> {
    checkpoint().matrices(false).expect("convolutions")
}
