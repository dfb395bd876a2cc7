//! Sensitivity: accuracies measured from cached activations equal those of the whole pruned network.

use crossdub::checkpoint::{Checkpoint, safetensors};
use crossdub::compress::sensitivity::{Sensitivity, SensitivityConfig, SensitivityPoint, sensitivity};
use crossdub::config::{ClassifierWidths, DeviceChoice, TrainConfig};
use crossdub::crossbar::quantile::quantile;
use crossdub::data::Dataset;
use crossdub::device::ComputeDevice;
use crossdub::network::parameters::import;
use crossdub::network::spec::initialize;
use crossdub::network::{Network, NetworkSpec};
use crossdub::train::evaluate::evaluate;

use crate::command_line::{failure, json_output, usage_error};
use crate::training::{small_config, small_data, trainer};

/// More than one batch, the last one smaller.
const IMAGES: usize = 290;

fn cpu() -> ComputeDevice {
    pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU")
}

fn network(spec: &NetworkSpec, weights: &Checkpoint) -> Network {
    import(Network::new(spec, &cpu().device), spec, weights).expect("fits")
}

/// Weights that tell the built-in images apart, so that pruning costs something.
fn trained(config: TrainConfig, steps: usize) -> Checkpoint {
    let mut trainer = trainer(config);
    for _ in 0..steps {
        pollster::block_on(trainer.step()).expect("trains");
    }
    pollster::block_on(trainer.weights()).expect("reads")
}

fn images() -> Dataset {
    crossdub::data::synthetic::generate(9, 10, IMAGES).test
}

fn measure(spec: &NetworkSpec, weights: &Checkpoint, config: &SensitivityConfig) -> Sensitivity {
    let (network, images) = (network(spec, weights), images());
    let mut last = (0, 0);
    let mut progress = |passed, total| last = (passed, total);
    let of = (&images as _, 0..IMAGES);
    let found = pollster::block_on(sensitivity(&network, spec, of, config, &cpu(), &mut progress));
    assert_eq!(last, (IMAGES as u64, IMAGES as u64), "progress reaches its end");
    found.expect("measures")
}

/// Accuracy of the whole network with these layers pruned, computed independently.
fn pruned_accuracy(spec: &NetworkSpec, weights: &Checkpoint, cuts: &[(&str, f64)]) -> f64 {
    let mut weights = weights.clone();
    for (name, ratio) in cuts.iter().filter(|(_, ratio)| *ratio > 0.0) {
        let layer = weights.tensors.iter_mut().find(|tensor| tensor.name == *name).expect("a layer");
        let mut magnitudes: Vec<f32> = layer.data.iter().map(|weight| weight.abs()).collect();
        let limit = quantile(&mut magnitudes, ratio / 100.0).expect("weights");
        layer.data.iter_mut().filter(|w| f64::from(w.abs()) <= limit).for_each(|w| *w = 0.0);
    }
    let images = images();
    let found = pollster::block_on(evaluate(&network(spec, &weights), &images, 0..IMAGES, &cpu()));
    found.expect("evaluates").accuracy
}

fn check(config: &TrainConfig, steps: usize) {
    let spec = NetworkSpec::from_config(config, small_data().test.classes.len()).expect("valid");
    let weights = trained(config.clone(), steps);
    let settings =
        SensitivityConfig { ratios: vec![97.5, 40.0, 0.0, 80.0, 100.0, 80.0], max_accuracy_drop: 4.0 };
    let found = measure(&spec, &weights, &settings);
    let baseline = pruned_accuracy(&spec, &weights, &[]);
    assert!(baseline > 25.0, "{baseline} % of ten classes");
    assert_eq!((found.images, found.baseline_accuracy), (IMAGES, baseline));
    // Layers are in the order in which `prune --ratios` takes their ratios.
    let order: Vec<_> = weights.matrices(false).expect("layers").into_iter().map(|m| m.name).collect();
    assert_eq!(found.layers.iter().map(|layer| layer.name.clone()).collect::<Vec<_>>(), order);
    let mut lost = 0;
    for layer in &found.layers {
        let ratios: Vec<f64> = layer.points.iter().map(|point| point.ratio).collect();
        assert_eq!(ratios, [0.0, 40.0, 80.0, 97.5, 100.0]);
        assert_eq!(layer.points[0].accuracy, baseline);
        for point in &layer.points {
            let whole = pruned_accuracy(&spec, &weights, &[(&layer.name, point.ratio)]);
            assert_eq!(point.accuracy, whole, "{} at {}", layer.name, point.ratio);
            lost += usize::from(point.accuracy < baseline - 4.0);
        }
        let whole = pruned_accuracy(&spec, &weights, &[(&layer.name, layer.proposed)]);
        assert_eq!(layer.proposed_accuracy, whole, "{} at its proposal", layer.name);
        assert!(whole >= baseline - 4.0 - 1e-9, "{} costs more than the drop", layer.name);
        let within = |point: &&SensitivityPoint| point.accuracy >= baseline - 4.0;
        let largest = layer.points.iter().rfind(within).expect("the unpruned one");
        assert!(layer.proposed >= largest.ratio, "{}: {} is within the drop", layer.name, largest.ratio);
    }
    assert!(lost > 0, "pruning a layer costs accuracy");
    assert_eq!(found.proposed, found.layers.iter().map(|layer| layer.proposed).collect::<Vec<_>>());
    let all: Vec<_> = found.layers.iter().map(|layer| (layer.name.as_str(), layer.proposed)).collect();
    assert_eq!(found.proposed_accuracy, pruned_accuracy(&spec, &weights, &all));
}

#[test]
fn vgg_curves_match_the_whole_network() {
    check(&TrainConfig { batch_norm: true, ..small_config() }, 60);
}

#[test]
fn resnet_curves_match_the_whole_network() {
    let plan = "basic 1x8 1x16".parse().expect("a plan");
    check(&TrainConfig { plan, classifier: ClassifierWidths::default(), ..small_config() }, 60);
}

#[test]
fn the_proposal_can_be_pasted_into_prune_and_errors_are_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let config = TrainConfig {
        plan: "4 M 6 M".parse().expect("a plan"),
        classifier: ClassifierWidths::default(),
        ..TrainConfig::default()
    };
    let mut weights = initialize(&NetworkSpec::from_config(&config, 10).expect("valid"), 1);
    let write = |name: &str, weights: &Checkpoint| {
        std::fs::write(path(name), safetensors::write(weights).expect("writes")).expect("writes");
        path(name)
    };
    let file = write("w.safetensors", &weights);
    let with = |file: &str, more: &[&str]| {
        let common = ["--plan", "4 M 6 M", "--data", "builtin", "--device", "cpu"];
        let arguments = ["sensitivity", file].into_iter().chain(common).chain(more.iter().copied());
        arguments.map(str::to_owned).collect::<Vec<_>>()
    };
    let rejected = |file: &str, more: &[&str]| {
        usage_error(&with(file, more).iter().map(String::as_str).collect::<Vec<_>>())
    };
    let measured = with(&file, &["--images", "50", "--ratios", "50,90", "--json"]);
    let found = json_output(&measured.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((found["schema_version"].as_u64(), found["images"].as_u64()), (Some(1), Some(50)));
    let proposed: Vec<String> =
        found["proposed"].as_array().expect("a list").iter().map(ToString::to_string).collect();
    let out = path("pruned.safetensors");
    json_output(&["prune", &file, "--tile", "8", "--ratios", &proposed.join(","), "--out", &out, "--json"]);

    assert!(rejected(&file, &["--ratios", "50,101"]).contains("ratios (101)"));
    assert!(rejected(&file, &["--ratios", "-5"]).contains("ratios (-5)"));
    assert!(rejected(&file, &["--drop", "-1"]).contains("drop (-1)"));
    assert!(rejected(&file, &["--images", "0"]).contains("images (0)"));
    assert!(
        failure(&["sensitivity", &file, "--model", "vgg-small", "--data", "builtin"])
            .contains("w.safetensors")
    );
    let layer = weights.tensors.iter_mut().find(|tensor| tensor.shape.len() == 4).expect("a layer");
    layer.data[0] = f32::NAN;
    let nan = with(&write("nan.safetensors", &weights), &[]);
    let nan = failure(&nan.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(nan.contains("NaN") && nan.contains("features.0.weight"), "{nan}");
}
