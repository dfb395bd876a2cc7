//! Writes what the page needs around a compiled module: `crossdub-bind-module MODULE.wasm FOLDER`, as
//! `wasm-bindgen --target web --out-name crossdub` does.

use std::env;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut args = env::args_os().skip(1);
    let (Some(module), Some(folder), None) = (args.next(), args.next(), args.next()) else {
        anyhow::bail!("usage: crossdub-bind-module MODULE.wasm FOLDER");
    };
    let mut bindgen = Bindgen::new();
    bindgen.web(true)?.input_path(module).out_name("crossdub");
    // As the tool's defaults are, not the library's.
    bindgen.typescript(true).omit_default_module_path(false);
    bindgen.generate(folder).context("wasm-bindgen can't bind the module")
}
