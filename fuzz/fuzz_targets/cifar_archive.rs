#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("cifar_archive"), |data: &[u8]| harness::run("cifar_archive", data));
