//! The gated D.U.B. regularizer: value and gradient on one convolution of VGG11.

use burn::tensor::{Tensor, TensorData};
use criterion::{Criterion, criterion_group, criterion_main};
use crossdub::config::{DeviceChoice, RegularizerKind};
use crossdub::crossbar::tiling::TileShape;
use crossdub::device::ComputeDevice;
use crossdub::loss::Regularizer;
use crossdub::{HardwareConfig, TrainConfig};

mod vgg11;

fn regularizer(criterion: &mut Criterion) {
    let device = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
    let config = TrainConfig { regularizer: RegularizerKind::Gated, ..TrainConfig::default() };
    let shape = TileShape::from(&HardwareConfig::default());
    let regularizer = Regularizer::from_config(&config, shape).expect("a regularizer");
    let largest = vgg11::checkpoint().tensors.into_iter().filter(|tensor| tensor.shape.len() == 4);
    let largest = largest.max_by_key(|tensor| tensor.data.len()).expect("convolutions");
    let weight = Tensor::<4>::from_data(TensorData::new(largest.data, largest.shape), &device.device);
    criterion.bench_function("gated", |bencher| {
        bencher.iter(|| {
            let penalty = regularizer.evaluate(weight.clone());
            (penalty.loss.into_data(), penalty.gradient)
        });
    });
}

criterion_group!(benches, regularizer);
criterion_main!(benches);
