//! Mixed precision: products in bf16, weights in f32.

use std::path::Path;
use std::process::{Command, Stdio};

use burn::tensor::Tensor;
use crossdub::checkpoint::Checkpoint;
use crossdub::config::{ClassifierWidths, DeviceChoice, Precision, RegularizerKind, TrainConfig};
use crossdub::device::ComputeDevice;
use crossdub::train::trainer::Trainer;

use crate::training::{small_config, trainer};

fn bf16(config: TrainConfig) -> TrainConfig {
    TrainConfig { precision: Precision::Bf16, ..config }
}

fn losses(trainer: &mut Trainer, steps: usize) -> Vec<f64> {
    (0..steps).map(|_| pollster::block_on(trainer.step()).expect("trains").loss).collect()
}

fn weights(trainer: &Trainer) -> Checkpoint {
    pollster::block_on(trainer.weights()).expect("reads")
}

/// Networks with and without normalization, with a regularizer: a plain VGG, one with batch normalization, a ResNet.
fn configs() -> [TrainConfig; 3] {
    let resnet = "basic 1x8 1x16".parse().expect("a plan");
    let config = TrainConfig { dropout: 0.0, lambda: 1e-2, ..small_config() };
    [
        config.clone(),
        TrainConfig { batch_norm: true, ..config.clone() },
        TrainConfig { plan: resnet, classifier: ClassifierWidths::default(), ..config },
    ]
}

#[test]
fn a_bf16_step_differs_only_by_rounding() {
    for config in configs() {
        let (mut exact, mut mixed) = (trainer(config.clone()), trainer(bf16(config.clone())));
        let before = weights(&exact);
        let (one, other) = (losses(&mut exact, 1)[0], losses(&mut mixed, 1)[0]);
        // 8 bits of mantissa: 0.4 % a rounding.
        assert!(one != other && (one - other).abs() < 0.02 * one, "{}: {one} and {other}", config.plan);
        let (exact, mixed) = (weights(&exact), weights(&mixed));
        for ((before, exact), mixed) in before.tensors.iter().zip(&exact.tensors).zip(&mixed.tensors) {
            let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
            let moved = norm(&mut before.data.iter().zip(&exact.data).map(|(a, b)| a - b));
            let apart = norm(&mut mixed.data.iter().zip(&exact.data).map(|(a, b)| a - b));
            assert!(apart <= 0.2 * moved + 1e-6, "{}: moved {moved:e}, apart {apart:e}", exact.name);
        }
    }
}

/// Steps far below the 8 bits of bf16 add up in the weights of 32 bits.
#[test]
fn small_updates_are_not_lost() {
    let config = TrainConfig {
        learning_rate: 1e-3,
        momentum: 0.0,
        weight_decay: 0.0,
        regularizer: RegularizerKind::None,
        ..small_config()
    };
    let mut mixed = trainer(bf16(config));
    let before = weights(&mixed);
    losses(&mut mixed, 1);
    let after = weights(&mixed);
    let name = "features.0.weight";
    let values = |weights: &Checkpoint| weights.get(name).expect("is there").data.clone();
    let (before, after) = (values(&before), values(&after));
    let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert!(changed > before.len() / 2, "{changed} of {} changed", before.len());
    let rounded = |value: &f32| half::bf16::from_f32(*value).to_f32();
    let coarse = before.iter().zip(&after).filter(|(a, b)| rounded(a) != rounded(b)).count();
    assert!(coarse < before.len() / 10, "in bf16 {coarse} of {} would have", before.len());
}

#[test]
fn bf16_learns_like_f32_and_is_reproducible() {
    let mut first = trainer(bf16(small_config()));
    let all = losses(&mut first, 80);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&all[70..]) < 0.85 * mean(&all[..10]), "{all:?}");
    let mut exact = trainer(small_config());
    let difference = (mean(&losses(&mut exact, 80)[70..]) - mean(&all[70..])).abs();
    assert!(difference < 0.1, "{difference} apart after 80 steps");
    let mut second = trainer(bf16(small_config()));
    assert_eq!(all[..10], losses(&mut second, 10));
    let mut split =
        trainer(TrainConfig { devices: "cpu,cpu".parse().expect("known"), ..bf16(small_config()) });
    for (one, other) in all.iter().zip(losses(&mut split, 10)) {
        assert!((one - other).abs() < 1e-2, "{one} and {other}");
    }
}

#[test]
fn running_statistics_follow_the_batches() {
    let [_, config, _] = configs();
    let means = |precision| {
        let mut trainer = trainer(TrainConfig { precision, ..config.clone() });
        losses(&mut trainer, 5);
        weights(&trainer).get("features.1.running_mean").expect("is there").data.clone()
    };
    let (exact, mixed) = (means(Precision::F32), means(Precision::Bf16));
    assert!(exact.iter().all(|mean| *mean != 0.0));
    assert!(crate::shared::relative_difference(&mixed, &exact) < 0.02);
}

#[test]
fn the_cpu_has_bf16() {
    let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
    compute.check(Precision::Bf16).expect("Burn's CPU backend has it");
    let one = Tensor::<1>::ones([1], &compute.device).cast(burn::tensor::FloatDType::BF16);
    assert_eq!(one.dtype(), burn::tensor::DType::BF16);
}

#[test]
fn the_precision_is_kept_in_the_run_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let train = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossdub"));
        command.args([
            "train",
            "--data",
            "builtin",
            "--plan",
            "4 M 8 M 8 M",
            "--limit",
            "200",
            "--epochs",
            "1",
        ]);
        command
            .args(["--out", &out.display().to_string()])
            .args(more)
            .stdin(Stdio::null())
            .output()
            .expect("runs")
    };
    let rejected = train(&["--precision", "f8"]);
    let message = String::from_utf8_lossy(&rejected.stderr).into_owned();
    assert!(
        !rejected.status.success() && message.contains("precision (f8): must be f32 or bf16"),
        "{message}"
    );
    let output = train(&["--precision", "bf16"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = crate::shared::json(Path::new(&out.join("report.json")));
    assert_eq!(report["spec"]["precision"], "bf16");
}
