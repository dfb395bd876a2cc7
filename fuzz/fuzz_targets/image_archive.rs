#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("image_archive"), |data: &[u8]| harness::run("image_archive", data));
