#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("image_index"), |data: &[u8]| harness::run("image_index", data));
