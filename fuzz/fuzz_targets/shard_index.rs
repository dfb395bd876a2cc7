#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(init: harness::write_seeds("shard_index"), |data: &[u8]| harness::run("shard_index", data));
