#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("adc_model"), |data: &[u8]| harness::run("adc_model", data));
