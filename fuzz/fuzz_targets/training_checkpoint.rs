#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("training_checkpoint"), |data: &[u8]| harness::run("training_checkpoint", data));
