//! Our CPU kernels, and Burn's own operations for the same layers.

#![cfg(feature = "cpu")]

use std::hint::black_box;

use burn::nn::PaddingConfig2d;
use burn::nn::pool::MaxPool2dConfig;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData, module};
use criterion::{Criterion, criterion_group, criterion_main};
use crossdub_kernels::convolution::{ConvolutionShape, forward, input_gradient};
use crossdub_kernels::pooling::{self, PoolShape};
use crossdub_kernels::weight_gradient::weight_gradient;

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|at| (at as f32 * 0.7).sin()).collect()
}

/// A 3 x 3 convolution that keeps the size: images, inputs, outputs, side.
fn shape([batch, inputs, outputs, side]: [usize; 4]) -> ConvolutionShape {
    ConvolutionShape {
        batch,
        inputs,
        outputs,
        input_size: [side; 2],
        kernel: [3; 2],
        stride: [1; 2],
        padding: [1; 2],
        groups: 1,
    }
}

fn convolutions(criterion: &mut Criterion) {
    for layer in [
        [64, 3, 32, 32],
        [64, 32, 64, 16],
        [64, 64, 128, 8],
        [8, 64, 64, 56],
        [8, 256, 256, 14],
        [8, 512, 512, 2],
    ] {
        let [batch, inputs, outputs, side] = layer;
        let shape = shape(layer);
        let input = values(batch * inputs * side * side);
        let weight = values(outputs * inputs * 9);
        let gradient = values(batch * outputs * side * side);
        let mut group =
            criterion.benchmark_group(format!("{inputs} to {outputs}, {side} x {side}, batch {batch}"));
        group.sample_size(10);
        group.bench_function("forward", |bencher| {
            bencher.iter(|| forward(&shape, black_box(&input), &weight, None, true));
        });
        group.bench_function("input gradient", |bencher| {
            bencher.iter(|| input_gradient(&shape, black_box(&gradient), &weight));
        });
        group.bench_function("weight gradient", |bencher| {
            bencher.iter(|| weight_gradient(&shape, black_box(&input), &gradient));
        });
        let device = Device::flex().autodiff();
        let tensor = |values: &Vec<f32>, shape: [usize; 4]| {
            Tensor::<4>::from_data(TensorData::new(values.clone(), shape), &device).require_grad()
        };
        let x = tensor(&input, [batch, inputs, side, side]);
        let w = tensor(&weight, [outputs, inputs, 3, 3]);
        let convolve =
            || module::conv2d(x.clone(), w.clone(), None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1));
        group.bench_function("Burn, forward", |bencher| bencher.iter(convolve));
        group.bench_function("Burn, forward and gradients", |bencher| {
            bencher.iter(|| convolve().sum().backward());
        });
    }
}

fn poolings(criterion: &mut Criterion) {
    for (window, padding, maps, side) in [(2, 0, 64 * 32, 32), (3, 1, 8 * 64, 112)] {
        let shape = PoolShape {
            maps,
            input_size: [side; 2],
            window: [window; 2],
            stride: [2; 2],
            padding: [padding; 2],
        };
        let input = values(maps * side * side);
        let mut group =
            criterion.benchmark_group(format!("pooling {window} x {window}, {maps} maps of {side} x {side}"));
        group.sample_size(10);
        group.bench_function("forward", |bencher| {
            bencher.iter(|| pooling::forward(&shape, black_box(&input), true));
        });
        let (output, winners) = pooling::forward(&shape, &input, true);
        group.bench_function("gradient", |bencher| {
            bencher.iter(|| pooling::backward(&shape, black_box(&output), &winners));
        });
        let x = Tensor::<4>::from_data(TensorData::new(input, [1, maps, side, side]), &Device::flex());
        let layer = MaxPool2dConfig::new([window; 2]).with_strides([2, 2]);
        let layer = layer.with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding)).init();
        group.bench_function("Burn, forward", |bencher| bencher.iter(|| layer.forward(x.clone())));
    }
}

criterion_group!(benches, convolutions, poolings);
criterion_main!(benches);
