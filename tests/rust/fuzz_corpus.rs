//! Replays the corpus of the fuzzer, with the fuzzer's own functions.

use std::path::Path;

#[path = "../../fuzz/targets.rs"]
mod targets;

#[test]
fn the_fuzz_corpus_replays() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for target in targets::TARGETS {
        let folder = corpus.join(target.name);
        let mut count = 0;
        for entry in std::fs::read_dir(&folder).expect("every target has a corpus") {
            let path = entry.expect("readable").path();
            let bytes = std::fs::read(&path).expect("readable");
            let result = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(result.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count > 0, "{} has no inputs", target.name);
        // The memory limits hold while fuzzing only.
        assert!(target.spare > 0 && target.per_byte > 0);
    }
}
