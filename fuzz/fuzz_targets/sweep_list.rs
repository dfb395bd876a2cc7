#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("sweep_list"), |data: &[u8]| harness::run("sweep_list", data));
