//! Networks agree with PyTorch: class scores of real images with weights from a formula, and accuracy of weights
//! trained by PyTorch.

use burn::tensor::{Tensor, TensorData};
use crossdub::checkpoint::{Checkpoint, NamedTensor};
use crossdub::config::{DataSource, DeviceChoice, HardwareConfig, NetworkName, TrainConfig};
use crossdub::data::cifar;
use crossdub::device::ComputeDevice;
use crossdub::network::parameters::{ExportKind, export, import};
use crossdub::network::spec::initialize;
use crossdub::network::{Network, NetworkSpec};
use crossdub::report::analyze;
use crossdub::train::evaluate::{evaluate, scores};

use crate::shared::{by_formula, json, numbers, relative_difference, shared, weights};

fn cpu() -> ComputeDevice {
    pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU")
}

#[test]
fn class_scores_agree_with_pytorch() {
    let Some(file) = shared("data/cifar-10-batches-bin/test_batch.bin") else { return };
    let images = cifar::parse("test_batch.bin", &std::fs::read(file).expect("readable")).expect("valid");
    for name in [NetworkName::VggSmall, NetworkName::Vgg11, NetworkName::Vgg11Bn] {
        let Some(file) = shared(&format!("golden/models/{name}.json")) else { return };
        let mut config = TrainConfig::default();
        config.set_model(name);
        let spec = NetworkSpec::from_config(&config, 10).expect("valid");
        let device = cpu();
        let network = import(Network::new(&spec, &device.device), &spec, &by_formula(&spec)).expect("fits");
        let got = pollster::block_on(scores(&network, &images, 0..8, &device)).expect("computes");
        let golden = json(&file);
        let golden = golden["logits"].as_array().expect("logits").iter().flat_map(numbers);
        let golden: Vec<f32> = golden.map(|value| value as f32).collect();
        let difference = relative_difference(&got, &golden);
        assert!(difference < 1e-3, "{name}: {difference:e}");
    }
}

fn resnet18() -> NetworkSpec {
    let mut config = TrainConfig { side: 224, data: DataSource::ImageNet, ..TrainConfig::default() };
    config.set_model(NetworkName::ResNet18);
    NetworkSpec::from_config(&config, 1000).expect("valid")
}

#[test]
fn resnet18_agrees_with_torchvision() {
    let Some(file) = shared("golden/models/resnet18.expected.safetensors") else { return };
    let golden = weights(&file);
    let tensor = |name: &str| golden.get(name).expect("stored").clone();
    let (spec, device) = (resnet18(), cpu());
    let network = import(Network::new(&spec, &device.device), &spec, &by_formula(&spec)).expect("fits");
    let input = tensor("input");
    let shape: [usize; 4] = input.shape.try_into().expect("4-D");
    let images = Tensor::<4>::from_data(TensorData::new(input.data, shape), &device.device);
    let got = network.forward(images, None).into_data();
    let difference = relative_difference(got.as_slice().expect("float32"), &tensor("logits").data);
    assert!(difference < 2e-2, "{difference:e}");
}

/// The tile count of the paper's ResNet18, with layers in the natural order of the command line.
#[test]
fn resnet18_takes_2727_crossbars_of_64() {
    let layers = initialize(&resnet18(), 0).matrices(false).expect("layers");
    let analysis = analyze(&layers, &HardwareConfig { tile: 64, ..HardwareConfig::default() });
    assert_eq!((analysis.tiles, analysis.weights), (2727, 11_166_912));
    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names.len(), 20);
    assert_eq!(names[0], "conv1.weight");
    assert_eq!(
        names[5..8],
        ["layer2.0.conv1.weight", "layer2.0.conv2.weight", "layer2.0.downsample.0.weight"]
    );
}

/// PyTorch reaches 79.62 % on batch 5; this takes its first 1,000 images to save time.
#[test]
fn weights_trained_by_pytorch_are_as_accurate_here() {
    let (Some(file), Some(batch)) =
        (shared("golden/models/vgg_small_clean.pth"), shared("data/cifar-10-batches-bin/data_batch_5.bin"))
    else {
        return;
    };
    let images = cifar::parse("data_batch_5.bin", &std::fs::read(batch).expect("readable")).expect("valid");
    let spec = NetworkSpec::from_config(&TrainConfig::default(), 10).expect("valid");
    let device = cpu();
    let network = import(Network::new(&spec, &device.device), &spec, &weights(&file)).expect("fits");
    let evaluation = pollster::block_on(evaluate(&network, &images, 0..1000, &device)).expect("computes");
    assert!((evaluation.accuracy - 79.6).abs() < 3.0, "{evaluation:?}");
}

#[test]
fn all_checkpoint_formats_hold_the_same_network() {
    let Some(file) = shared("golden/models/vgg_small_dub.pth") else { return };
    let reference = weights(&file);
    for form in ["vgg_small_checkpoint.pth", "vgg_small_legacy.pth"] {
        let Some(file) = shared(&format!("golden/models/{form}")) else { return };
        assert!(weights(&file) == reference, "{form}");
    }
    let Some(file) = shared("golden/models/vgg_small_bf16.pt") else { return };
    for (half, full) in weights(&file).tensors.iter().zip(&reference.tensors) {
        assert_eq!(half.shape, full.shape);
        assert!(relative_difference(&half.data, &full.data) < 1.0 / 256.0, "{}", full.name);
    }
}

#[test]
fn parameters_round_trip_under_their_names() {
    for (text, classifier, names) in [
        ("32 M 64 M 128 M", "128", ["features.1.running_var", "classifier.3.bias"]),
        ("bottleneck 1x4 2x8", "", ["layer2.0.downsample.1.running_mean", "layer2.1.bn3.weight"]),
    ] {
        let (plan, classifier) = (text.parse().expect("a plan"), classifier.parse().expect("widths"));
        let config = TrainConfig { plan, classifier, batch_norm: true, ..TrainConfig::default() };
        let spec = NetworkSpec::from_config(&config, 10).expect("valid");
        let original = by_formula(&spec);
        assert!(names.iter().all(|name| original.get(name).is_some()));
        for device in [cpu().device, cpu().device.autodiff()] {
            let mut read = original.clone();
            let [count, running] = ["num_batches_tracked", "running_mean"];
            let counted = names[0].replace("running_var", count).replace(running, count);
            read.tensors.push(NamedTensor { name: counted, shape: vec![], data: vec![3.0] });
            let network = import(Network::new(&spec, &device), &spec, &read).expect("fits");
            let back = pollster::block_on(export(&network, &spec, ExportKind::Weights)).expect("reads");
            assert!(back == original, "{names:?}");
        }
    }
}

#[test]
fn weights_of_another_network_are_rejected() {
    let spec = NetworkSpec::from_config(&TrainConfig::default(), 10).expect("valid");
    let original = by_formula(&spec);
    let reject = |change: &dyn Fn(&mut Vec<NamedTensor>), expected: &str| {
        let mut tensors = original.tensors.clone();
        change(&mut tensors);
        let result = import(Network::new(&spec, &cpu().device), &spec, &Checkpoint::new(tensors));
        let error = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{error}");
    };
    reject(&|tensors| drop(tensors.remove(0)), "classifier.0.bias is missing");
    reject(&|tensors| tensors[0].shape = vec![2, 64], "classifier.0.bias is [2, 64]");
    reject(&|tensors| tensors[0].data[3] = f32::NAN, "holds NaN");
    reject(
        &|tensors| tensors.push(NamedTensor { name: "head".into(), ..tensors[0].clone() }),
        "no parameter head",
    );
}
