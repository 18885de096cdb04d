//! The fuzz target on its committed corpus, and on mutations of it that are the same every time.

use std::path::Path;

use poai_testing::corpus;

#[path = "../../fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "public for the fuzz binary, which includes the same file")]
mod targets;

/// Mutations of each seed.
const MUTATIONS: u64 = 1_000;

#[test]
fn the_target_holds_on_its_corpus_and_near_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/fuzz_onnx");
    corpus::hold(targets::fuzz_onnx, &folder, 8, MUTATIONS);
}
