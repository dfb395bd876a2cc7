//! The snippet of `docs/pytorch.md`, run by a Python with PyTorch (`CROSSDUB_PYTHON`, or else `python3`). Without
//! one the test reports that it skips.

use std::process::Command;

use crate::shared::repository;

/// The script's exit status if PyTorch is missing.
const MISSING: i32 = 77;

#[test]
fn pruned_weights_load_in_pytorch() {
    let python = std::env::var("CROSSDUB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = repository().join("tests/pytorch/load_pruned.py");
    let output = Command::new(&python)
        .arg(script)
        .args([env!("CARGO_BIN_EXE_crossdub").as_ref(), repository().as_os_str()])
        .output();
    match output {
        Err(why) => eprintln!("skipped: {python} can't be run: {why}"),
        Ok(output) if output.status.code() == Some(MISSING) => {
            eprintln!("skipped: {python} has no PyTorch (set CROSSDUB_PYTHON)");
        }
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{stderr}");
        }
    }
}
