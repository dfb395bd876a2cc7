#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("run_report"), |data: &[u8]| harness::run("run_report", data));
