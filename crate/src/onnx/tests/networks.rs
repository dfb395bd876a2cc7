//! Small networks: outputs, positions, crossbars, pruned files.

use proptest::prelude::*;

use super::{FIXTURES, difference, floats, model};
use crate::config::{HardwareConfig, Resolution, Subtraction};
use crate::crossbar::tiling::TileShape;
use crate::matrix::Matrix;
use crate::onnx::layers::LayerKind;
use crate::onnx::simulate::OnnxSimulator;
use crate::onnx::{OnnxNetwork, Tensor};
use crate::prune::{Cutoff, PruneMethod, prune};
use crate::simulate::config::SimulationConfig;

#[test]
fn networks_give_what_onnxruntime_gives() {
    for fixture in &FIXTURES {
        let network = fixture.model().network(&[]).expect(fixture.name);
        let outputs = network.run(vec![fixture.input()]).expect(fixture.name);
        let expected = floats(&fixture.facts()["output"]);
        // Integers leave nothing to round.
        let limit = if fixture.is_quantized() { 1e-6 } else { 1e-5 };
        let apart = difference(outputs[0].as_floats().expect("floats"), &expected);
        assert!(apart < limit, "{}: {apart}", fixture.name);
    }
}

#[test]
fn layers_are_used_as_often_as_pytorch_counts() {
    for fixture in &FIXTURES {
        let network = fixture.model().network(&[]).expect(fixture.name);
        let facts = fixture.facts();
        let counted = facts["positions"].as_object().expect("an object").values();
        let mut counted: Vec<u64> = counted.map(|v| v.as_u64().expect("a number")).collect();
        let mut own: Vec<u64> =
            network.layers().iter().map(|l| l.positions.clone().expect("known")).collect();
        counted.sort_unstable();
        own.sort_unstable();
        assert_eq!(own, counted, "{}", fixture.name);
        assert_eq!(network.left_out(), [], "{}", fixture.name);
    }
}

#[test]
fn groups_and_transposed_layers_are_exact() {
    let network = FIXTURES[4].model().network(&[]).expect("fits");
    let matrices: Vec<Matrix> = network.layers().iter().map(|l| network.matrix(l).expect("reads")).collect();
    let sizes: Vec<_> = matrices.iter().map(|m| (m.rows, m.cols, m.groups)).collect();
    // Stem, depthwise, squeeze, excite, grouped, transposed, head.
    let expected = [(8, 27, 1), (8, 9, 8), (2, 8, 1), (8, 2, 1), (12, 6, 4), (4, 48, 1), (5, 4, 1)];
    assert_eq!(sizes, expected);
}

fn simulated(
    network: &OnnxNetwork,
    hardware: &HardwareConfig,
    input: Tensor,
) -> (bool, Vec<f32>, Vec<f32>, u64) {
    let config = SimulationConfig { linear: true, ..SimulationConfig::default() };
    let mut simulator = OnnxSimulator::new(network, hardware, &config, &[vec![input.clone()]]).expect("maps");
    let outputs = simulator.outputs(vec![vec![input]], 0).expect("runs").remove(0);
    let values = |tensors: &[Tensor]| tensors[0].as_floats().expect("floats").to_vec();
    let report = simulator.report();
    (report.exact, values(&outputs.exact), values(&outputs.simulated), report.mismatched_outputs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn lossless_crossbars_give_every_integer(
        which in 0..FIXTURES.len(), tile in prop::sample::select(vec![8_usize, 16, 32, 128]),
        cell_bits in 1_u32..4, dac_bits in 1_u32..4, sliced in any::<bool>(), offset in any::<bool>(),
    ) {
        let fixture = &FIXTURES[which];
        let network = fixture.model().network(&[]).expect(fixture.name);
        let hardware = HardwareConfig {
            tile,
            cell_bits,
            dac_bits,
            resolution: if sliced { Resolution::LosslessSliced } else { Resolution::Lossless },
            subtraction: if offset { Subtraction::Offset } else { Subtraction::Digital },
            ..HardwareConfig::default()
        };
        let (exact, quantized, simulated, mismatched) = simulated(&network, &hardware, fixture.input());
        prop_assert!(exact && mismatched == 0, "{}: {mismatched}", fixture.name);
        prop_assert_eq!(quantized, simulated);
    }
}

/// The integers on the crossbars are the model's own, so nothing is quantized twice.
#[test]
fn quantized_networks_lose_nothing_on_crossbars() {
    let hardware = HardwareConfig { resolution: Resolution::Lossless, ..HardwareConfig::default() };
    for fixture in FIXTURES.iter().filter(|fixture| fixture.is_quantized()) {
        let network = fixture.model().network(&[]).expect(fixture.name);
        let expected = floats(&fixture.facts()["output"]);
        let (exact, _, simulated, _) = simulated(&network, &hardware, fixture.input());
        assert!(exact && difference(&simulated, &expected) < 1e-6, "{}", fixture.name);
    }
}

#[test]
fn coarse_converters_saturate_and_are_counted() {
    let fixture = &FIXTURES[0];
    let network = fixture.model().network(&[]).expect(fixture.name);
    let hardware = HardwareConfig { resolution: Resolution::Bits(1), ..HardwareConfig::default() };
    let (exact, quantized, simulated, mismatched) = simulated(&network, &hardware, fixture.input());
    assert!(!exact && mismatched > 0 && quantized != simulated);
}

/// The quantized network is close to the float one.
#[test]
fn quantization_alone_changes_little() {
    let hardware = HardwareConfig { resolution: Resolution::Lossless, ..HardwareConfig::default() };
    for fixture in FIXTURES.iter().filter(|fixture| !fixture.is_quantized()) {
        let network = fixture.model().network(&[]).expect(fixture.name);
        let expected = floats(&fixture.facts()["output"]);
        let apart = difference(&simulated(&network, &hardware, fixture.input()).1, &expected);
        assert!(apart > 0.0 && apart < 0.06, "{}: {apart}", fixture.name);
    }
}

fn pruned(network: &OnnxNetwork) -> Vec<Matrix> {
    let mut layers: Vec<Matrix> =
        network.layers().iter().map(|l| network.matrix(l).expect("reads")).collect();
    let cutoff = Cutoff::Ratios(vec![60.0; layers.len()]);
    prune(&mut layers, TileShape { rows: 8, columns: 4 }, &PruneMethod::Exact(cutoff)).expect("prunes");
    layers
}

#[test]
fn pruned_models_hold_the_pruned_weights_and_nothing_else_changes() {
    for fixture in &FIXTURES {
        let network = fixture.model().network(&[]).expect(fixture.name);
        let layers = pruned(&network);
        let written = network.with_layers(&layers).expect(fixture.name);
        assert!(written.external.is_empty());
        let again = model(written.bytes.clone()).and_then(|model| model.network(&[])).expect(fixture.name);
        let mut removed = 0;
        for ((layer, expected), before) in again.layers().iter().zip(&layers).zip(network.layers()) {
            let (own, before) = (again.matrix(layer).expect("reads"), network.matrix(before).expect("reads"));
            let same = own.data.iter().zip(&expected.data).all(|(a, b)| a == b);
            assert!(same, "{}: {}", fixture.name, layer.name);
            removed += before.data.iter().zip(&own.data).filter(|(a, b)| a != b).count();
        }
        let changed = fixture.bytes().iter().zip(&written.bytes).filter(|(a, b)| a != b).count();
        assert_eq!(written.bytes.len(), fixture.bytes().len());
        // A float has four bytes.
        assert!(removed > 50 && changed <= 4 * removed, "{}: {changed} {removed}", fixture.name);
        assert!(again.run(vec![fixture.input()]).is_ok());
    }
}

#[test]
fn parameters_are_named_or_refused_with_a_reason() {
    let weights = FIXTURES[0].model().network(&[]).and_then(|network| network.checkpoint()).expect("reads");
    let named = |weights: &crate::checkpoint::Checkpoint| {
        weights.tensors.iter().map(|t| (t.name.clone(), t.shape.clone())).collect::<Vec<_>>()
    };
    let config = crate::config::TrainConfig {
        plan: "4 M 6 M".parse().expect("a plan"),
        classifier: "8".parse().expect("widths"),
        ..crate::config::TrainConfig::default()
    };
    let spec = crate::network::NetworkSpec::from_config(&config, 10).expect("fits");
    assert_eq!(named(&weights), named(&crate::network::spec::initialize(&spec, 0)));
    let said = |at: usize| {
        let network = FIXTURES[at].model().network(&[]).expect("fits");
        network.checkpoint().expect_err("rejected").to_string()
    };
    assert!(said(2).ends_with("it is quantized, and integers can't be trained"));
    assert!(said(4).contains("transposed convolution"), "{}", said(4));
}

#[test]
fn parameters_without_names_are_found_by_order_and_shape() {
    let config = |batch_norm| crate::config::TrainConfig {
        plan: "4 M 6 M".parse().expect("a plan"),
        classifier: "8".parse().expect("widths"),
        batch_norm,
        ..crate::config::TrainConfig::default()
    };
    let spec = |batch_norm| crate::network::NetworkSpec::from_config(&config(batch_norm), 10).expect("fits");
    for fixture in &FIXTURES[..2] {
        let checkpoint = |bytes| model(bytes).and_then(|m| m.network(&[])).and_then(|n| n.checkpoint());
        let own = checkpoint(fixture.bytes()).expect("named");
        // Other names of the same length.
        let mut bytes = fixture.bytes();
        for (name, other) in [("features.", "onnx::Co_"), ("classifier.", "onnx::MatM_")] {
            for at in 0..bytes.len() - name.len() {
                if bytes[at..].starts_with(name.as_bytes()) {
                    bytes[at..at + name.len()].copy_from_slice(other.as_bytes());
                }
            }
        }
        let other = checkpoint(bytes).expect("numbered");
        assert!(other.get("features.0.weight").is_none(), "{}", fixture.name);
        let plain = spec(false);
        let adapted = plain.adapt(&other).expect("fits by order");
        for tensor in &own.tensors {
            assert_eq!(adapted.get(&tensor.name), Some(tensor), "{}", fixture.name);
        }
        let why = spec(true).adapt(&other).expect_err("folded").to_string();
        assert!(why.contains("exporters fold them into the convolutions"), "{why}");
    }
}

#[test]
fn half_floats_are_read_and_pruned_in_place() {
    let bytes = super::file("fixtures/small_vgg.fp16.onnx");
    let network = model(bytes.to_vec()).and_then(|model| model.network(&[])).expect("fits");
    let whole = FIXTURES[0].model().network(&[]).expect("fits");
    for (half, float) in network.layers().iter().zip(whole.layers()) {
        let (half, float) = (network.matrix(half).expect("reads"), whole.matrix(float).expect("reads"));
        assert!(difference(&half.data, &float.data) < 1e-3);
    }
    let layers = pruned(&network);
    let written = network.with_layers(&layers).expect("writes").bytes;
    let again = model(written).and_then(|model| model.network(&[])).expect("fits");
    assert_eq!(again.matrix(&again.layers()[0]).expect("reads").data, layers[0].data);
}

#[test]
fn open_shapes_are_asked_for_and_change_the_positions() {
    let bytes = super::file("fixtures/open_shape.onnx");
    let model = model(bytes.to_vec()).expect("reads");
    let why = model.network(&[]).expect_err("open").to_string();
    let expected = "invalid input_shape (images): the model leaves the shape of its input open, \
                    [batch, 3, height, width]: give one";
    assert_eq!(why, expected);
    for (side, positions) in [(32, [1024, 256]), (48, [2304, 576])] {
        let network = model.network(&[(String::new(), vec![1, 3, side, side])]).expect("fits");
        let own: Vec<u64> = network.layers().iter().map(|l| l.positions.clone().expect("known")).collect();
        assert_eq!(own, positions);
        assert!(network.layers().iter().all(|layer| layer.kind == LayerKind::Convolution));
    }
    // Two images at once are still one inference each.
    let two = model.network(&[("images".to_owned(), vec![2, 3, 32, 32])]).expect("fits");
    assert_eq!(two.layers()[0].positions, Ok(1024));
    let wrong =
        model.network(&[("images".to_owned(), vec![1, 4, 32, 32])]).expect_err("rejected").to_string();
    assert!(wrong.contains("the input images is [batch, 3, height, width]"), "{wrong}");
    let unknown = model.network(&[("picture".to_owned(), vec![1])]).expect_err("rejected").to_string();
    assert!(unknown.ends_with("name one of the model's inputs: images"), "{unknown}");
}

#[test]
fn weights_beside_the_model_are_read_and_kept_apart() {
    let bytes = super::file("fixtures/external/small_vgg.onnx");
    let beside = super::file("fixtures/external/weights/small_vgg.bin");
    let mut asked = Vec::new();
    let model = crate::onnx::OnnxModel::from_bytes(bytes.to_vec(), |location| {
        asked.push(location.to_owned());
        Ok(beside.to_vec())
    });
    let network = model.and_then(|model| model.network(&[])).expect("fits");
    assert_eq!(asked, ["weights/small_vgg.bin"]);
    let facts = FIXTURES[0].facts();
    let outputs = network.run(vec![FIXTURES[0].input()]).expect("runs");
    assert!(difference(outputs[0].as_floats().expect("floats"), &floats(&facts["output"])) < 1e-5);
    let written = network.with_layers(&pruned(&network)).expect("writes");
    assert_eq!(written.bytes, bytes);
    assert_eq!(written.external[0].0, "weights/small_vgg.bin");
    assert_ne!(written.external[0].1, beside);
    let rejected = crate::onnx::OnnxModel::from_bytes(bytes.to_vec(), |_| Ok(beside[..100].to_vec()));
    assert!(rejected.expect_err("cut off").to_string().contains("its file weights/small_vgg.bin is cut off"));
}

#[test]
fn values_of_a_matrix_return_to_the_order_of_the_weight() {
    // Pruned at its place in the file, the weight's zeros must be where the mask has them.
    let network = FIXTURES[4].model().network(&[]).expect("fits");
    let up = network.layers().iter().find(|layer| layer.name.starts_with("up.")).expect("a transposed one");
    let [inputs, outputs, height, width] = up.shape[..] else { panic!("4-D") };
    let matrix = network.matrix(up).expect("reads");
    let weight = up.in_weight_order(&matrix.data);
    let kernel = height * width;
    for output in 0..outputs {
        let mut row = matrix.data[output * inputs * kernel..(output + 1) * inputs * kernel].to_vec();
        let of_output = (0..inputs).flat_map(|input| {
            let from = (input * outputs + output) * kernel;
            weight[from..from + kernel].to_vec()
        });
        let mut of_output: Vec<f32> = of_output.collect();
        row.sort_by(f32::total_cmp);
        of_output.sort_by(f32::total_cmp);
        assert_eq!(row, of_output, "output {output}");
    }
}
