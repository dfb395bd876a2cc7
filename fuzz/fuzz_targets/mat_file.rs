#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("mat_file"), |data: &[u8]| harness::run("mat_file", data));
