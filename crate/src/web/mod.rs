//! The page's door: wasm-bindgen exports that convert and forward, without logic of their own.
//!
//! Three modules are built from it: two that train (feature `web`), on the CPU and on WebGPU, and one that reads ONNX
//! (feature `web-onnx`). `web/types/wasm.d.ts` describes the interface for JavaScript. Every error is an object
//! `{ code, message, field? }` with a one-line message, see [`Error::code`](crate::Error::code).

#[cfg(feature = "web")]
mod checkpoint;
mod convert;
#[cfg(feature = "web")]
mod data;
#[cfg(feature = "web")]
mod module;
#[cfg(feature = "web-onnx")]
mod onnx;
#[cfg(feature = "web")]
mod run;

use wasm_bindgen::prelude::*;

/// Logs where a panic happened: panics are bugs.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}
