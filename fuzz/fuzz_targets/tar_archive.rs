#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("tar_archive"), |data: &[u8]| harness::run("tar_archive", data));
