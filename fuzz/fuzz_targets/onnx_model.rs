#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("onnx_model"), |data: &[u8]| harness::run("onnx_model", data));
