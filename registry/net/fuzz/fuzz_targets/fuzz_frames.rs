#![no_main]
//! See `poai_net::fuzz`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| poai_net::fuzz::fuzz_frames(data));
