#![no_main]
//! See `targets::fuzz_kernel`.

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::fuzz_kernel(data));
