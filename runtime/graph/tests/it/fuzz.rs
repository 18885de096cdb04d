//! The fuzz targets on their committed corpora, and on mutations of these that are the same every time.

use std::path::PathBuf;

use poai_testing::corpus;

#[path = "../../fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "public for the fuzz binary, which includes the same file")]
mod targets;

/// Mutations of each seed.
const MUTATIONS: u64 = 1_000;

fn corpus_of(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

#[test]
fn onnx_holds_on_its_corpus_and_near_it() {
    corpus::hold(targets::fuzz_onnx, &corpus_of("fuzz_onnx"), 8, MUTATIONS);
}

#[test]
fn gguf_holds_on_its_corpus_and_near_it() {
    corpus::hold(targets::fuzz_gguf, &corpus_of("fuzz_gguf"), 2, MUTATIONS);
}
