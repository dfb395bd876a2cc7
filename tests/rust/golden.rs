//! Agreement with the authors' code, case by case.

use std::path::PathBuf;
use std::process::Command;

use burn::tensor::{Tensor, TensorData};
use crossdub::config::{DeviceChoice, HardwareConfig, RegularizerKind};
use crossdub::crossbar::tiling::TileShape;
use crossdub::device::ComputeDevice;
use crossdub::loss::{Lambdas, Regularizer};
use crossdub::prune::{Cutoff, PruneMethod, prune};
use crossdub::report::analyze;
use serde_json::Value;

use crate::shared::{json, layers, numbers, relative_difference, repository, shared, vectors, weights};

/// A case: its record, its weights, and the results of the authors' code.
struct Case {
    record: Value,
    weights: PathBuf,
    expected: PathBuf,
}

impl Case {
    fn name(&self) -> &str {
        self.record["name"].as_str().expect("a name")
    }

    fn hardware(&self) -> HardwareConfig {
        let count = |key: &str| self.record[key].as_u64().expect("a count") as usize;
        let tol = self.record["tol"].as_f64().expect("a number");
        let (tile, weight_bits) = (count("tile"), count("weight_bits"));
        HardwareConfig { tile, weight_bits, tol, ..HardwareConfig::default() }
    }
}

/// The small case of the repository, and all shared ones.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let own = repository().join("tests/golden");
    for folder in [Some(own), shared("golden")].into_iter().flatten() {
        for record in json(&folder.join("cases.json")).as_array().expect("a list") {
            let file = |kind: &str| {
                folder.join(format!("{}.{kind}.safetensors", record["name"].as_str().expect("named")))
            };
            cases.push(Case { record: record.clone(), weights: file("weights"), expected: file("expected") });
        }
    }
    cases
}

/// Every kind with its name on the command line.
const KINDS: [(RegularizerKind, &str); 7] = [
    (RegularizerKind::Gated, "gated"),
    (RegularizerKind::Ungated, "ungated"),
    (RegularizerKind::MeanAndVariance, "mean-and-variance"),
    (RegularizerKind::MeanAndGatedVariance, "mean-and-gated-variance"),
    (RegularizerKind::GroupLassoTile, "group-lasso-tile"),
    (RegularizerKind::GroupLassoRow, "group-lasso-row"),
    (RegularizerKind::GroupLassoColumn, "group-lasso-column"),
];

#[test]
fn regularizers_and_their_gradients_agree() {
    let device = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
    for case in cases() {
        let (inputs, expected) = (weights(&case.weights), vectors(&case.expected));
        for (kind, name) in KINDS {
            let name = name.replace('-', "_");
            let number = |key: &str| case.record[key].as_f64().expect("a number");
            let weights = Lambdas { main: number("lambda_variance"), mean: number("lambda_mean") };
            let tile = TileShape::from(&case.hardware());
            let regularizer = Regularizer::new(kind, weights, tile).expect("not none");
            let mut loss = 0.0;
            for tensor in &inputs.tensors {
                let shape: [usize; 4] = tensor.shape.clone().try_into().expect("4-D");
                let weight = Tensor::from_data(TensorData::new(tensor.data.clone(), shape), &device.device);
                let penalty = regularizer.evaluate(weight);
                loss += f64::from(penalty.loss.into_data().as_slice::<f32>().expect("float32")[0]);
                let key = format!("grad_{name}.{}", tensor.name);
                let golden = expected.get(&key).unwrap_or_else(|| panic!("{}: {key}", case.name()));
                let gradient = penalty.gradient.into_data();
                let difference = relative_difference(gradient.as_slice().expect("float32"), golden);
                assert!(difference < 1e-4, "{} {key}: {difference:e}", case.name());
            }
            let golden = number(&format!("loss_{name}"));
            let difference = ((loss - golden) / golden).abs();
            assert!(difference < 1e-5, "{} {name}: {loss} for {golden}", case.name());
        }
    }
}

#[test]
fn losses_and_gradients_of_the_command_agree() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("gradient.safetensors");
    for case in cases() {
        let (hardware, expected) = (case.hardware(), vectors(&case.expected));
        let number = |key: &str| case.record[key].as_f64().expect("a number");
        for (_, kind) in KINDS {
            let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
            command.arg("regularize").arg(&case.weights).args(["--kind", kind, "--json", "--grad"]).arg(&out);
            for (option, value) in [
                ("--tile", hardware.tile as f64),
                ("--weight-bits", hardware.weight_bits as f64),
                ("--lambda", number("lambda_variance")),
                ("--lambda-mean", number("lambda_mean")),
            ] {
                command.args([option, &value.to_string()]);
            }
            let output = command.output().expect("runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let answer: Value = serde_json::from_slice(&output.stdout).expect("exactly one JSON object");
            let name = kind.replace('-', "_");
            let (loss, golden) = (answer["loss"].as_f64().expect("a loss"), number(&format!("loss_{name}")));
            assert!(((loss - golden) / golden).abs() < 1e-5, "{} {kind}: {loss} for {golden}", case.name());
            let tiles: f64 = numbers(&case.record["tiles_per_layer"]).iter().sum();
            assert_eq!(answer["tiles"].as_f64(), Some(tiles), "{}", case.name());
            let gradients = weights(&out);
            assert!(!gradients.tensors.is_empty());
            for gradient in &gradients.tensors {
                let golden =
                    expected.get(&format!("grad_{name}.{}", gradient.name)).expect("a golden gradient");
                let difference = relative_difference(&gradient.data, golden);
                assert!(difference < 1e-4, "{} {kind} {}: {difference:e}", case.name(), gradient.name);
            }
        }
    }
}

#[test]
fn analysis_counts_the_same_tiles() {
    for case in cases() {
        let analysis = analyze(&layers(&case.weights), &case.hardware());
        let per_layer: Vec<f64> = analysis.layers.iter().map(|layer| layer.tiles as f64).collect();
        assert_eq!(per_layer, numbers(&case.record["tiles_per_layer"]), "{}", case.name());
        let histogram = |counts: &[u64]| counts.iter().map(|&n| n as f64).collect::<Vec<_>>();
        assert_eq!(histogram(&analysis.histogram), numbers(&case.record["hist_before"]), "{}", case.name());
        let almost = histogram(&analysis.almost_zero_histogram);
        assert_eq!(almost, numbers(&case.record["hist_almost_zero_before"]), "{}", case.name());
        let sparsities = analysis.layers.iter().flat_map(|layer| &layer.tile_almost_zero_sparsity);
        for (got, golden) in sparsities.zip(numbers(&case.record["sparsity_almost_zero_before"])) {
            // The authors device in float32.
            assert!((got - golden).abs() < 1e-6, "{}: {got} for {golden}", case.name());
        }
    }
}

#[test]
fn the_paper_rule_prunes_the_same_weights() {
    for case in cases() {
        let hardware = case.hardware();
        let cutoff = match case.record.get("prune_ratios_percent") {
            Some(ratios) => Cutoff::Ratios(numbers(ratios)),
            None => Cutoff::Tolerance(hardware.tol),
        };
        let mut layers = layers(&case.weights);
        prune(&mut layers, TileShape::from(&hardware), &PruneMethod::Percentile(cutoff)).expect("valid");
        let expected = vectors(&case.expected);
        for layer in &layers {
            let golden = expected.get(&format!("pruned.{}", layer.name)).expect("a golden layer");
            let wrong = layer.data.iter().zip(golden).filter(|(a, b)| a != b).count();
            assert_eq!(wrong, 0, "{} {}: weights that differ", case.name(), layer.name);
        }
        let after = analyze(&layers, &hardware);
        assert_eq!(Some(after.zeros as u64), case.record["zeros_after"].as_u64(), "{}", case.name());
        let histogram: Vec<f64> = after.histogram.iter().map(|&n| n as f64).collect();
        assert_eq!(histogram, numbers(&case.record["hist_after"]), "{}", case.name());
    }
}
