//! Writes what the page needs around a compiled module: `crossdub-bind-module MODULE.wasm FOLDER`, as
//! `wasm-bindgen --target web --out-name crossdub` does, and lets the module run its constructors when it is made.

use std::env;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

/// The linker's function that calls all constructors.
const CONSTRUCTORS: &str = "__wasm_call_ctors";

fn main() -> Result<()> {
    let mut args = env::args_os().skip(1);
    let (Some(module), Some(folder), None) = (args.next(), args.next(), args.next()) else {
        anyhow::bail!("usage: crossdub-bind-module MODULE.wasm FOLDER");
    };
    let mut bindgen = Bindgen::new();
    bindgen.web(true)?.input_path(module).out_name("crossdub");
    // As the tool's defaults are, not the library's.
    bindgen.typescript(true).omit_default_module_path(false);
    let mut output = bindgen.generate_output().context("wasm-bindgen can't bind the module")?;
    let wasm = output.wasm_mut();
    let constructors =
        wasm.exports.get_func(CONSTRUCTORS).context("the module does not export its constructors")?;
    anyhow::ensure!(wasm.start.is_none(), "the module starts with another function than its constructors");
    wasm.start = Some(constructors);
    wasm.exports.remove(CONSTRUCTORS)?;
    output.emit(folder).context("the bound module can't be written")
}
