#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("webdataset_shard"), |data: &[u8]| harness::run("webdataset_shard", data));
