//! The snippet of `docs/pytorch.md`, run by a Python that has PyTorch (`CROSSDUB_PYTHON`, else
//! `python3`); skipped aloud where there is none.

use std::process::Command;

use crate::shared::repository;

/// What the script leaves with where PyTorch is missing.
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
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
        }
    }
}
