#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("safetensors"), |data: &[u8]| harness::run("safetensors", data));
