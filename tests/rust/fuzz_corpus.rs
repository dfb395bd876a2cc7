//! Replays the fuzzer's seeds and corpus with the fuzz targets themselves.

use crate::shared::repository;

#[path = "../../fuzz/application_targets.rs"]
mod application_targets;
#[path = "../../fuzz/seeds.rs"]
mod seeds;
#[path = "../../fuzz/targets.rs"]
mod targets;

#[test]
fn no_fuzz_target_panics_on_its_corpus() {
    let corpus = repository().join("fuzz/corpus");
    let seeds = seeds::all();
    for target in targets::TARGETS.iter().chain(application_targets::TARGETS) {
        let (_, seeds) = seeds.iter().find(|(name, _)| *name == target.name).expect("every target has seeds");
        let mut inputs: Vec<_> =
            seeds.iter().enumerate().map(|(at, seed)| (format!("seed {at}"), seed.clone())).collect();
        for entry in std::fs::read_dir(corpus.join(target.name)).into_iter().flatten() {
            let path = entry.expect("readable").path();
            inputs.push((path.display().to_string(), std::fs::read(&path).expect("readable")));
        }
        for (name, bytes) in inputs {
            let result = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(result.is_ok(), "{} {name}", target.name);
        }
        // These limits apply while fuzzing only.
        assert!(target.spare > 0 && target.per_byte > 0);
    }
}
