//! Compensation: the remaining weights make up for the pruned ones, and zeros stay zero.

use std::path::Path;
use std::process::{Command, Stdio};

use crossdub::checkpoint::{Checkpoint, safetensors};
use crossdub::compress::calibration::{ActivationStats, CalibrationConfig};
use crossdub::compress::fields::{Importance, PruneFields};
use crossdub::compress::pruning::{PruneConfig, PruneContext};
use crossdub::config::{DeviceChoice, HardwareConfig};
use crossdub::data::loader::DataLoader;
use crossdub::device::ComputeDevice;
use crossdub::network::parameters::import;
use crossdub::network::{Network, NetworkSpec};
use crossdub::prune::PruneRule;
use pollster::block_on;

use crate::training::{small_config, small_data, trainer};

/// A briefly trained network, and statistics of the inputs of its convolutions.
fn trained() -> (Checkpoint, ActivationStats, ComputeDevice) {
    let mut trainer = trainer(small_config());
    for _ in 0..60 {
        block_on(trainer.step()).expect("trains");
    }
    let weights = block_on(trainer.weights()).expect("reads");
    let device = block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
    let spec = NetworkSpec::from_config(&small_config(), 10).expect("valid");
    let network = import(Network::new(&spec, &device.device), &spec, &weights).expect("fits");
    let config = CalibrationConfig { images: 100, moments: true };
    let mut loader = DataLoader::from(small_data());
    let inputs =
        block_on(ActivationStats::collect(&network, &spec, &mut loader, config, &device)).expect("collects");
    (weights, inputs, device)
}

/// Squared error of a layer's outputs against the dense layer: `sum d^T C d` over its outputs.
fn error(name: &str, dense: &Checkpoint, other: &Checkpoint, inputs: &ActivationStats) -> f64 {
    let moments = inputs.get(name).and_then(|layer| layer.moments.clone()).expect("collected").into_data();
    let moments = moments.as_slice::<f32>().expect("float32");
    let (dense, other) = (dense.get(name).expect("a layer"), other.get(name).expect("a layer"));
    let difference: Vec<f64> =
        dense.data.iter().zip(&other.data).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
    let rows = dense.data.len() / dense.shape[0];
    let of_output = |row: &[f64]| -> f64 {
        let cells = (0..rows * rows).map(|at| row[at / rows] * row[at % rows] * f64::from(moments[at]));
        cells.sum()
    };
    difference.chunks_exact(rows).map(of_output).sum()
}

#[test]
fn compensation_lowers_every_layers_error_and_keeps_zeros() {
    let (dense, inputs, device) = trained();
    let hardware = HardwareConfig { tile: 16, ..HardwareConfig::default() };
    let context = PruneContext::default().with_inputs(&inputs);
    for fields in [
        PruneFields::new(PruneRule::Exact).with_ratios(vec![60.0, 80.0, 80.0]),
        PruneFields::new(PruneRule::Budget).with_target(2.0),
    ] {
        let config = |compensate| {
            let mut config = PruneConfig::from_fields(&fields, &hardware, Some(3)).expect("in range");
            (config.importance, config.compensate) = (Importance::Input, compensate);
            config
        };
        let prune = |config: &PruneConfig| {
            block_on(config.prune(&dense, &hardware, context, Some(&device))).expect("prunes").0
        };
        let (plain, better) = (prune(&config(false)), prune(&config(true)));
        assert!(plain.masks() == better.masks(), "the same weights are pruned");
        for layer in &plain.masks().tensors {
            let (before, after) =
                (error(&layer.name, &dense, &plain, &inputs), error(&layer.name, &dense, &better, &inputs));
            // A budget may leave a layer unpruned.
            assert!(before == 0.0 || after < 0.9 * before, "{}: {after} for {before}", layer.name);
        }
        for (old, new) in dense.tensors.iter().zip(&better.tensors) {
            assert!(old.shape.len() == 4 || old == new, "{} is not a crossbar layer", old.name);
        }
    }
}

#[test]
fn mean_squares_are_the_diagonal_of_the_moments() {
    let (_, inputs, _) = trained();
    for layer in &inputs.layers {
        let moments = layer.moments.clone().expect("collected").into_data();
        let moments = moments.as_slice::<f32>().expect("float32");
        let rows = layer.mean_square.len();
        let diagonal = (0..rows).map(|at| moments[at * (rows + 1)]);
        assert!(diagonal.eq(layer.mean_square.iter().copied()), "{}", layer.name);
        assert!(layer.mean_square.iter().any(|square| *square > 0.0), "{}", layer.name);
    }
}

#[test]
fn the_command_line_compensates_reproducibly() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (dense, _, _) = trained();
    let weights = path("dense.safetensors");
    std::fs::write(&weights, safetensors::write(&dense).expect("fits")).expect("writes");
    let network = ["--plan", "8 M 16 M 16 M", "--classifier", "32", "--data", "builtin", "--images", "64"];
    let prune = |out: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
        command.args(["prune", &weights, "--out", out, "--rule", "budget", "--target", "2"]);
        let output = command.args(network).args(more).stdin(Stdio::null()).output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        crate::shared::weights(Path::new(out))
    };
    let first = prune(&path("a.safetensors"), &["--compensate"]);
    assert!(first == prune(&path("b.safetensors"), &["--compensate"]));
    let plain = prune(&path("c.safetensors"), &["--importance", "input"]);
    assert!(plain.masks() == first.masks() && plain != first);
}
