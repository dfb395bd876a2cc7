//! Tests of quantized training.

use super::*;
use crate::checkpoint::{NamedTensor, safetensors};
use crate::config::{DeviceChoice, Kernels, NetworkName, RegularizerKind, Standardize};
use crate::data::standardization::Standardization;
use crate::data::{Dataset, TrainTest};
use crate::device::ComputeDevice;
use crate::train::trainer::Trainer;

#[test]
fn caps_tighten_a_bit_at_a_time() {
    let caps: Vec<u32> = (0..9).map(|step| cap_at(3, 32, step, 8)).collect();
    assert_eq!(caps, [63, 63, 31, 31, 15, 15, 7, 7, 3]);
    assert_eq!(cap_at(3, 32, 0, 0), 3);
    assert_eq!(cap_at(40, 32, 0, 8), 40, "no column has as many rows");
    assert_eq!(cap_at(0, 32, 8, 8), 0);
}

/// Step by step against PyTorch: losses, weights and steps.
#[test]
fn training_is_that_of_lsq_in_pytorch() {
    // No part of the package, so it is read when the test runs, which cargo does in the package's folder.
    let path = "../tests/golden/lsq.safetensors";
    let all = safetensors::read(&std::fs::read(path).expect("the fixture")).expect("tensors");
    for kernels in [Kernels::Burn, Kernels::Crossdub] {
        let cases = [
            ("layer", WeightScale::Layer, "4,3"),
            ("channel", WeightScale::Channel, "4,3"),
            ("linear", WeightScale::Channel, "4,3,5"),
        ];
        for (name, weight_scale, precision) in cases {
            let part = |prefix: &str| {
                let prefix = format!("{name}/{prefix}");
                let own = all.tensors.iter().filter_map(|tensor| {
                    let name = tensor.name.strip_prefix(&prefix)?.trim_start_matches('/').to_owned();
                    Some(NamedTensor { name, ..tensor.clone() })
                });
                Checkpoint::new(own.collect())
            };
            let values = |name: &str| part(name).tensors[0].data.clone();
            let bytes = |name: &str| values(name).into_iter().map(|value| value as u8).collect::<Vec<_>>();
            let classes = (0..10).map(|class| class.to_string()).collect();
            let mut images = Dataset::new(classes, bytes("images"), bytes("labels"));
            images.standardization = Standardization::Channels { mean: [0.5; 3], deviation: [0.5; 3] };
            let data = TrainTest { train: images.clone(), test: images };
            let config = TrainConfig {
                model: NetworkName::Custom,
                plan: "4 6 A4".parse().expect("a plan"),
                classifier: "".parse().expect("none"),
                batch: 8,
                epochs: 100,
                learning_rate: 0.02,
                momentum: 0.9,
                weight_decay: 5e-4,
                dropout: 0.0,
                augment: false,
                standardize: Standardize::Half,
                regularizer: RegularizerKind::None,
                device: DeviceChoice::Cpu,
                kernels,
                quantize_precision: precision.parse().expect("bits"),
                quantize_linear: name == "linear",
                ..TrainConfig::default()
            };
            let hardware = HardwareConfig { weight_scale, ..HardwareConfig::default() };
            let start = part("start");
            let cpu = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
            let weights = Some(StartWeights::Resumed(&start));
            let mut trainer =
                Trainer::with_weights(config, hardware, data.into(), cpu, 1 << 32, weights).expect("valid");
            let compare = |trainer: &Trainer, with: &str, tolerance: f32| {
                let trained = pollster::block_on(trainer.float_weights()).expect("reads");
                for expected in &part(with).tensors {
                    let own = trained.get(&expected.name).expect("the same tensors");
                    let largest = expected.data.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                    let apart = own.data.iter().zip(&expected.data).map(|(a, b)| (a - b).abs());
                    let apart = apart.fold(0.0, f32::max);
                    assert!(
                        apart <= tolerance * largest,
                        "{name}, {with} {}: {apart} of {largest}",
                        expected.name
                    );
                }
            };
            for (step, expected) in values("losses").into_iter().enumerate() {
                let loss = pollster::block_on(trainer.step()).expect("trains").loss;
                let apart = (loss - f64::from(expected)).abs();
                assert!(apart < 1e-5, "{name}, step {step}: {loss} and {expected}");
                if step == 0 {
                    compare(&trainer, "first", 1e-5);
                }
            }
            compare(&trainer, "end", 1e-3);
        }
    }
}
