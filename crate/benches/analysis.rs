//! The crossbar analysis of VGG11: tiles, sparsity, levels and ADC energy.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use crossdub::{HardwareConfig, analyze};

mod vgg11;

fn analysis(criterion: &mut Criterion) {
    let layers = vgg11::matrices();
    for tile in [32, 64] {
        let hardware = HardwareConfig { tile, ..HardwareConfig::default() };
        let name = format!("analyze/tile {tile}");
        criterion.bench_function(&name, |bencher| bencher.iter(|| analyze(black_box(&layers), &hardware)));
    }
}

criterion_group!(benches, analysis);
criterion_main!(benches);
