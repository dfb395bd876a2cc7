//! Exported networks: ONNX models that compute the same, and integers that read back as the same weights.

use std::collections::BTreeMap;

use crossdub::checkpoint::{Checkpoint, safetensors};
use crossdub::config::{DeviceChoice, HardwareConfig, NetworkName, RegularizerKind, TrainConfig};
use crossdub::data::loader::LabeledDataset;
use crossdub::data::synthetic;
use crossdub::device::ComputeDevice;
use crossdub::network::parameters::import;
use crossdub::network::{Network, NetworkSpec};
use crossdub::onnx::{OnnxModel, Tensor, export};
use crossdub::train::evaluate::scores;
use crossdub::train::trainer::Trainer;

use crate::shared::relative_difference;
use crate::training::{small_config, small_data};

const IMAGES: usize = 6;

fn cpu() -> ComputeDevice {
    pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU")
}

/// A network after some steps of training, quantized to these bits if any are given.
fn trained(config: &TrainConfig, precision: &str, input_bits: u32) -> Checkpoint {
    let config = TrainConfig {
        quantize_precision: precision.parse().expect("bits"),
        quantize_cap: if precision.is_empty() { "" } else { "3" }.parse().expect("caps"),
        ..config.clone()
    };
    let hardware = HardwareConfig { input_bits, ..HardwareConfig::default() };
    let mut trainer = Trainer::new(config, hardware, small_data(), cpu(), 1 << 32, None).expect("valid");
    for _ in 0..4 {
        pollster::block_on(trainer.step()).expect("trains");
    }
    pollster::block_on(trainer.weights()).expect("reads")
}

/// The relative difference of the model's scores from the network's, and the model.
fn apart(config: &TrainConfig, weights: &Checkpoint) -> (f64, Vec<u8>) {
    let spec = NetworkSpec::from_config(config, 10).expect("a network");
    let images = synthetic::generate(1, 1, IMAGES).test;
    let compute = cpu();
    let network = import(Network::new(&spec, &compute.device), &spec, weights).expect("fits");
    let own = pollster::block_on(scores(&network, &images, 0..IMAGES, &compute)).expect("runs");
    let bytes = export::model(&spec, weights).expect("a model");
    let model = OnnxModel::from_bytes(bytes.clone(), |_| unreachable!("all in one file")).expect("reads");
    let shape = vec![IMAGES, 3, 32, 32];
    let network = model.network(&[("images".to_owned(), shape.clone())]).expect("fits");
    let batch = images.batches(0..IMAGES, IMAGES).next().expect("one batch").expect("reads");
    let output = network.run(vec![Tensor::from_floats(shape, batch.images)]).expect("runs").remove(0);
    (relative_difference(output.as_floats().expect("floats"), &own), bytes)
}

#[test]
fn a_model_computes_what_the_network_does() {
    let vgg = TrainConfig { regularizer: RegularizerKind::None, ..small_config() };
    let normalized = TrainConfig { batch_norm: true, ..vgg.clone() };
    let averaged = TrainConfig { plan: "8 M 16 A2".parse().expect("a plan"), ..vgg.clone() };
    let mut residual = vgg.clone();
    residual.set_model(NetworkName::Custom);
    residual.plan = "basic 1x8 1x16".parse().expect("a plan");
    residual.classifier = "".parse().expect("none");
    for (name, config) in
        [("vgg", vgg), ("normalized", normalized), ("averaged", averaged), ("resnet", residual)]
    {
        let (floats, plain) = apart(&config, &trained(&config, "", 8));
        assert!(floats < 1e-5, "{name}: {floats}");
        assert!(!contains(&plain, b"QuantizeLinear"));
        for (input_bits, quantize_linear) in [(8, false), (5, false), (8, true), (5, true)] {
            let config = TrainConfig { quantize_linear, ..config.clone() };
            let (integers, bytes) = apart(&config, &trained(&config, "3", input_bits));
            assert!(integers < 1e-4, "{name}, {input_bits} bits, {quantize_linear}: {integers}");
            assert!(contains(&bytes, b"QuantizeLinear"));
            assert_eq!(contains(&bytes, b"Clip"), input_bits < 8, "more bits than 5 would saturate later");
        }
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[test]
fn integers_read_back_as_the_same_weights() {
    let config = TrainConfig { regularizer: RegularizerKind::None, ..small_config() };
    let weights = trained(&config, "4", 8);
    let bytes = safetensors::write_integers(&weights, &BTreeMap::new()).expect("integers");
    let read = Checkpoint::from_bytes(&bytes).expect("reads");
    for (own, back) in
        weights.matrices(false).expect("whole").iter().zip(read.matrices(false).expect("whole"))
    {
        assert_eq!((&own.name, &own.data, &own.steps), (&back.name, &back.data, &back.steps));
        assert_eq!(weights.quantizers(&own.name), read.quantizers(&own.name));
    }
    // A quarter of the bytes of the convolutions, and the small tensors beside them.
    let floats = safetensors::write(&weights).expect("writes");
    assert!(bytes.len() < floats.len());
    let error = safetensors::write_integers(&trained(&config, "", 8), &BTreeMap::new()).expect_err("floats");
    assert!(error.to_string().contains("no weight was trained quantized"), "{error}");
    let mut moved = weights;
    let name = moved.matrices(false).expect("whole")[0].name.to_string();
    moved.tensors.iter_mut().find(|tensor| tensor.name == name).expect("there").data[0] += 1e-3;
    let error = safetensors::write_integers(&moved, &BTreeMap::new()).expect_err("no integer").to_string();
    assert!(error.contains("no integer of 8 bits of its step") && error.contains(&name), "{error}");
}

#[test]
fn more_than_8_bits_of_inputs_are_named() {
    let config = TrainConfig { regularizer: RegularizerKind::None, ..small_config() };
    let spec = NetworkSpec::from_config(&config, 10).expect("a network");
    let error = export::model(&spec, &trained(&config, "3", 9)).expect_err("9 bits").to_string();
    assert!(error.contains("its inputs have 9 bits"), "{error}");
}
