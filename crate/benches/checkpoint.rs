//! Reading and writing a checkpoint of VGG11.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use crossdub::Checkpoint;
use crossdub::checkpoint::safetensors;

mod vgg11;

fn checkpoint(criterion: &mut Criterion) {
    let checkpoint = vgg11::checkpoint();
    let bytes = safetensors::write(&checkpoint).expect("finite weights");
    let mut group = criterion.benchmark_group("safetensors");
    group.bench_function("read", |bencher| bencher.iter(|| Checkpoint::from_bytes(black_box(&bytes))));
    group.bench_function("write", |bencher| bencher.iter(|| safetensors::write(black_box(&checkpoint))));
    group.finish();
}

criterion_group!(benches, checkpoint);
criterion_main!(benches);
