#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("pytorch_zip"), |data: &[u8]| harness::run("pytorch_zip", data));
