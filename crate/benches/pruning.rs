//! Pruning VGG11 to discrete levels, by each rule.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use crossdub::HardwareConfig;
use crossdub::crossbar::tiling::TileShape;
use crossdub::prune::{Cutoff, PruneMethod, prune};

mod vgg11;

/// Share of each layer to prune: every level occurs.
const PERCENT: f64 = 90.0;
/// About the energy improvement that this share gives.
const IMPROVEMENT: f64 = 3.0;

fn pruning(criterion: &mut Criterion) {
    let layers = vgg11::matrices();
    let shape = TileShape::from(&HardwareConfig::default());
    let percent = Cutoff::uniform(PERCENT, layers.len());
    let methods = [
        PruneMethod::Exact(percent.clone()),
        PruneMethod::Percentile(percent),
        PruneMethod::Budget { target: IMPROVEMENT },
    ];
    let mut group = criterion.benchmark_group("prune");
    group.sample_size(20);
    for method in methods {
        let run = |mut layers: Vec<_>| {
            prune(&mut layers, shape, &method).expect("a valid method");
            layers
        };
        group.bench_function(method.rule().id(), |bencher| {
            bencher.iter_batched(|| layers.clone(), run, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, pruning);
criterion_main!(benches);
