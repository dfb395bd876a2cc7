//! Training steps in a real browser, on the module's own backend.

#![cfg(target_arch = "wasm32")]

use crossdub::config::{ClassifierWidths, DeviceChoice, HardwareConfig, Kernels, TrainConfig};
use crossdub::data::synthetic;
use crossdub::device::ComputeDevice;
use crossdub::train::checkpoint::TrainingCheckpoint;
use crossdub::train::self_test;
use crossdub::train::trainer::Trainer;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

const DEVICE: DeviceChoice =
    if cfg!(feature = "webgpu") { DeviceChoice::Webgpu(None) } else { DeviceChoice::Cpu };
const MEMORY: u64 = 1 << 30;

fn config() -> TrainConfig {
    TrainConfig {
        plan: "4 M 8 M 8 M".parse().expect("a plan"),
        classifier: "16".parse().expect("widths"),
        batch: 8,
        learning_rate: 0.02,
        device: DEVICE,
        ..TrainConfig::for_page()
    }
}

async fn compute() -> ComputeDevice {
    ComputeDevice::open(&DEVICE).await.expect("the module's device")
}

#[wasm_bindgen_test]
async fn steps_train_and_a_checkpoint_goes_on() {
    let data = synthetic::generate(1, 64, 16);
    let mut trainer =
        Trainer::new(config(), HardwareConfig::default(), data.clone(), compute().await, MEMORY, None)
            .expect("valid");
    assert_eq!(trainer.compute().kind, if cfg!(feature = "webgpu") { "webgpu" } else { "cpu" });
    let before = trainer.matrices().await.expect("reads");
    let mut losses = Vec::new();
    for _ in 0..4 {
        let progress = trainer.step().await.expect("trains");
        assert!(progress.loss.is_finite() && progress.regularizer > 0.0);
        losses.push(progress.loss);
    }
    assert!(before != trainer.matrices().await.expect("reads"), "the weights move");
    let evaluation = trainer.evaluate(16).await.expect("evaluates");
    assert_eq!(evaluation.images, 16);

    let bytes = trainer.checkpoint().await.expect("writes");
    let checkpoint = TrainingCheckpoint::read(&bytes).expect("reads");
    let mut resumed = checkpoint.resume(data, compute().await, MEMORY).expect("fits");
    let (expected, got) =
        (trainer.step().await.expect("trains").loss, resumed.step().await.expect("trains").loss);
    assert!((expected - got).abs() < 1e-4 * expected, "{expected} {got}");
}

/// Our kernels, in the browser's 128 bits or as shaders, against Burn's: channels that fill no block, batch normalization,
/// a residual sum, strides and the regularizer among them.
#[wasm_bindgen_test]
async fn both_kernels_train_the_same_network() {
    // A software adapter compiles Burn's shaders for minutes.
    let steps = if cfg!(feature = "webgpu") { 2 } else { 4 };
    let vgg = TrainConfig { plan: "5 M 9 M 8 M".parse().expect("a plan"), batch_norm: true, ..config() };
    let resnet = "basic 1x4 1x8".parse().expect("a plan");
    let resnet = TrainConfig { plan: resnet, classifier: ClassifierWidths::default(), ..config() };
    for network in [config(), vgg, resnet] {
        let mut losses = Vec::new();
        for kernels in [Kernels::Crossdub, Kernels::Burn] {
            let config = TrainConfig { kernels, ..network.clone() };
            let data = synthetic::generate(1, 64, 16);
            let hardware = HardwareConfig::default();
            let mut trainer =
                Trainer::new(config, hardware, data, compute().await, MEMORY, None).expect("valid");
            for _ in 0..steps {
                losses.push(trainer.step().await.expect("trains").loss);
            }
            losses.push(trainer.evaluate(16).await.expect("evaluates").loss);
        }
        let (ours, burns) = losses.split_at(steps + 1);
        for (ours_at, burns_at) in ours.iter().zip(burns) {
            assert!((ours_at - burns_at).abs() < 1e-3 * burns_at, "{ours:?} {burns:?}");
        }
    }
}

#[wasm_bindgen_test]
async fn the_self_test_gives_finite_results() {
    let results = self_test::run(&compute().await).await.expect("computes");
    assert!(results.iter().all(|value| value.is_finite()));
    assert!(results.iter().any(|value| *value != 0.0));
}
