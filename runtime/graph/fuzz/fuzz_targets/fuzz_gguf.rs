#![no_main]
//! See `targets::fuzz_gguf`.

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::fuzz_gguf(data));
