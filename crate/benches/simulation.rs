//! One convolution on simulated crossbars and converters, bit by bit.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use crossdub::simulate::bit_serial;
use crossdub::simulate::crossbars::Crossbars;
use crossdub::simulate::im2col::Window;
use crossdub::{HardwareConfig, Matrix, Resolution};

/// VGG11's second convolution.
const WINDOW: Window = Window { channels: 64, side: 16, kernel: 3, padding: 1, stride: 1 };
const OUTPUTS: usize = 128;

fn simulation(criterion: &mut Criterion) {
    let weight = |index: usize| (index * 7919 % 255) as f32 - 127.0;
    let weights = (0..OUTPUTS * WINDOW.inputs()).map(weight).collect();
    let layer = Matrix::new("layer", OUTPUTS, WINDOW.inputs(), weights).expect("matching sizes");
    let hardware = HardwareConfig { tile: 64, resolution: Resolution::Bits(7), ..HardwareConfig::default() };
    let crossbars = Crossbars::new(&layer, &hardware);
    let values = WINDOW.channels * WINDOW.side * WINDOW.side;
    let image: Vec<u16> = (0..values).map(|index| (index * 6151 % 256) as u16).collect();
    criterion.bench_function("im2col", |bencher| bencher.iter(|| WINDOW.patches(black_box(&image), 0)));
    let patches = WINDOW.patches(&image, 0);
    criterion.bench_function("simulate a layer", |bencher| {
        bencher.iter(|| bit_serial::simulate(&crossbars, black_box(&patches), 0));
    });
}

criterion_group!(benches, simulation);
criterion_main!(benches);
