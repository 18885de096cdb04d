#![no_main]
//! See `targets::fuzz_onnx`.

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::fuzz_onnx(data));
