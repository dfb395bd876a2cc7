#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("cifar10_records"), |data: &[u8]| harness::run("cifar10_records", data));
