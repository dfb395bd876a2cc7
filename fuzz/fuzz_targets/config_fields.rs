#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("config_fields"), |data: &[u8]| harness::run("config_fields", data));
