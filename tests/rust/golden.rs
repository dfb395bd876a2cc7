//! Agreement with the authors' own code, case by case.

use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData};
use crossdub::crossbar::prune::{Rule, Threshold, prune};
use crossdub::crossbar::tiling::TileShape;
use crossdub::device::Compute;
use crossdub::loss::Regularizer;
use crossdub::report::analyze;
use crossdub::spec::{DeviceChoice, HardwareSpec, RegularizerKind};
use serde_json::Value;

use crate::shared::{json, layers, numbers, relative_difference, repository, shared, weights};

/// A case: its record, its weights, what the authors' code made of them.
struct Case {
    record: Value,
    weights: PathBuf,
    expected: PathBuf,
}

impl Case {
    fn name(&self) -> &str {
        self.record["name"].as_str().expect("a name")
    }

    fn hardware(&self) -> HardwareSpec {
        let count = |key: &str| self.record[key].as_u64().expect("a count") as usize;
        let tol = self.record["tol"].as_f64().expect("a number");
        let (tile, weight_bits) = (count("tile"), count("weight_bits"));
        HardwareSpec { tile, weight_bits, tol, ..HardwareSpec::default() }
    }
}

/// The repository's own small case, and all the shared ones.
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

#[test]
fn regularizers_and_their_gradients_agree() {
    let kinds = [
        (RegularizerKind::Gated, "gated"),
        (RegularizerKind::Ungated, "ungated"),
        (RegularizerKind::MeanAndVariance, "mean_and_variance"),
        (RegularizerKind::MeanAndGatedVariance, "mean_and_gated_variance"),
        (RegularizerKind::GroupLassoTile, "group_lasso_tile"),
        (RegularizerKind::GroupLassoRow, "group_lasso_row"),
        (RegularizerKind::GroupLassoColumn, "group_lasso_column"),
    ];
    let compute = pollster::block_on(Compute::open(DeviceChoice::Cpu)).expect("a CPU");
    for case in cases() {
        let (inputs, expected) = (weights(&case.weights), weights(&case.expected));
        for (kind, name) in kinds {
            let number = |key: &str| case.record[key].as_f64().expect("a number");
            let regularizer = Regularizer {
                kind,
                lambda: number("lambda_variance"),
                lambda_mean: number("lambda_mean"),
                shape: TileShape::from(&case.hardware()),
            };
            let mut loss = 0.0;
            for tensor in &inputs.tensors {
                let shape: [usize; 4] = tensor.shape.clone().try_into().expect("4-D");
                let weight = Tensor::from_data(TensorData::new(tensor.data.clone(), shape), &compute.device);
                let term = regularizer.evaluate(weight).expect("a term");
                loss += f64::from(term.loss.into_data().as_slice::<f32>().expect("float32")[0]);
                let key = format!("grad_{name}.{}", tensor.name);
                let golden = expected.get(&key).unwrap_or_else(|| panic!("{}: {key}", case.name()));
                let gradient = term.gradient.into_data();
                let difference = relative_difference(gradient.as_slice().expect("float32"), &golden.data);
                assert!(difference < 1e-4, "{} {key}: {difference:e}", case.name());
            }
            let golden = number(&format!("loss_{name}"));
            let difference = ((loss - golden) / golden).abs();
            assert!(difference < 1e-5, "{} {name}: {loss} for {golden}", case.name());
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
            // The authors' are float32.
            assert!((got - golden).abs() < 1e-6, "{}: {got} for {golden}", case.name());
        }
    }
}

#[test]
fn the_paper_rule_prunes_the_same_weights() {
    for case in cases() {
        let hardware = case.hardware();
        let threshold = match case.record.get("prune_ratios_percent") {
            Some(ratios) => Threshold::Ratios(numbers(ratios)),
            None => Threshold::Tolerance(hardware.tol),
        };
        let mut layers = layers(&case.weights);
        prune(&mut layers, TileShape::from(&hardware), Rule::Paper, &threshold).expect("valid");
        let expected = weights(&case.expected);
        for layer in &layers {
            let golden = expected.get(&format!("pruned.{}", layer.name)).expect("a golden layer");
            let wrong = layer.data.iter().zip(&golden.data).filter(|(a, b)| a != b).count();
            assert_eq!(wrong, 0, "{} {}: weights that differ", case.name(), layer.name);
        }
        let after = analyze(&layers, &hardware);
        assert_eq!(Some(after.zeros as u64), case.record["zeros_after"].as_u64(), "{}", case.name());
        let histogram: Vec<f64> = after.histogram.iter().map(|&n| n as f64).collect();
        assert_eq!(histogram, numbers(&case.record["hist_after"]), "{}", case.name());
    }
}
