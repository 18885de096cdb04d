//! The fuzz target on its committed corpus, and on mutations of it that are the same every time.

use std::path::Path;

use poai_testing::corpus;

#[path = "../../fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "public for the fuzz binary, which includes the same file")]
mod targets;

/// Mutations of each seed.
const MUTATIONS: u64 = 500;

#[test]
fn kernels_hold_on_their_corpus_and_near_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/fuzz_kernel");
    corpus::hold(targets::fuzz_kernel, &folder, 8, MUTATIONS);
}

/// Mutations of what is no kernel would show nothing.
#[test]
fn every_seed_is_a_kernel() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/fuzz_kernel");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        poai_compute::Kernel::parse(&source, "main").unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
