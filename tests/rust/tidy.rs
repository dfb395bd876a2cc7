//! The house stays in order: modules import only lower modules, every module opens with a description, and no
//! file outgrows a reader.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shared::repository;

/// Modules by rank; a module imports only from those before it, or from its own rank's line.
const RANKS: [&[&str]; 18] = [
    &["error", "metrics", "protobuf", "rng"],
    &["config", "matrix"],
    &["checkpoint", "crossbar"],
    &["adc", "data", "device"],
    &["prune"],
    &["kernels"],
    &["network"],
    &["simulate"],
    &["loss"],
    &["report"],
    &["step"],
    &["distributed"],
    &["train"],
    &["compress"],
    &["onnx"],
    &["workflow"],
    &["html"],
    &["cli", "web", "main", "lib"],
];

/// Modules that must not know Burn, so that crossbars and energy stay plain arithmetic.
const WITHOUT_BURN: [&str; 13] = [
    "error",
    "metrics",
    "rng",
    "config",
    "matrix",
    "checkpoint",
    "crossbar",
    "adc",
    "data",
    "prune",
    "report",
    "simulate",
    "onnx",
];

fn sources(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn crate_sources() -> Vec<(String, PathBuf, String)> {
    let root = repository().join("crate/src");
    let module = |path: &Path| {
        let first = path.strip_prefix(&root).ok()?.components().next()?;
        Some(first.as_os_str().to_str()?.trim_end_matches(".rs").to_owned())
    };
    let files = sources(&root, "rs").into_iter();
    files
        .map(|path| {
            let text = fs::read_to_string(&path).expect("readable");
            (module(&path).expect("in a module"), path, text)
        })
        .collect()
}

#[test]
fn modules_import_only_lower_modules() {
    let rank = |module: &str| RANKS.iter().position(|modules| modules.contains(&module));
    for (module, path, text) in crate_sources() {
        let own = rank(&module).unwrap_or_else(|| panic!("{module} has no rank in tests/rust/tidy.rs"));
        // Tests may reach up for examples.
        let code = text.split("mod tests {").next().unwrap_or_default();
        for (at, _) in code.match_indices("crate::") {
            let other: String =
                code[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if let Some(imported) = rank(&other) {
                let fine = imported < own || other == module || (imported == own && own < RANKS.len() - 1);
                assert!(fine, "{}: {module} imports {other}", path.display());
            }
        }
        if WITHOUT_BURN.contains(&module.as_str()) {
            assert!(!code.contains("burn::"), "{} knows Burn", path.display());
        }
        if module != "web" {
            assert!(!code.contains("wasm_bindgen"), "{} knows wasm-bindgen", path.display());
        }
        // Tests in files of their own may read what they compare with.
        if module != "cli" && !path.components().any(|part| part.as_os_str() == "tests") {
            assert!(
                !code.contains("std::fs") && !code.contains("File::open"),
                "{} opens files",
                path.display()
            );
        }
    }
}

#[test]
fn every_module_says_what_it_is() {
    let mut files = sources(&repository().join("crate/src"), "rs");
    files.extend(sources(&repository().join("kernels/src"), "rs"));
    files.extend(sources(&repository().join("xtask/src"), "rs"));
    files.extend(sources(&repository().join("tests"), "rs"));
    for path in files {
        let text = fs::read_to_string(&path).expect("readable");
        assert!(text.starts_with("//!") || text.starts_with("#!["), "{} has no opening doc", path.display());
    }
}

#[test]
fn no_file_outgrows_a_reader() {
    let mut files = sources(&repository().join("crate/src"), "rs");
    files.extend(sources(&repository().join("kernels/src"), "rs"));
    files.extend(sources(&repository().join("xtask/src"), "rs"));
    for ending in ["js", "css", "ts"] {
        files.extend(sources(&repository().join("web"), ending));
    }
    // Nobody reads or edits what is generated.
    for path in files.into_iter().filter(|path| !path.ends_with("types/generated.d.ts")) {
        let lines = fs::read_to_string(&path).expect("readable").lines().count();
        assert!(lines <= 420, "{} has {lines} lines", path.display());
    }
}

#[test]
fn only_the_worker_imports_the_modules() {
    for path in sources(&repository().join("web"), "js") {
        let text = fs::read_to_string(&path).expect("readable");
        let inside = path.components().any(|part| part.as_os_str() == "worker");
        assert!(inside || !text.contains("pkg/"), "{} reaches into pkg", path.display());
    }
}
