//! The fuzz targets on their committed corpus, and on mutations of it that are the same every time.

use std::path::Path;

use poai_net::fuzz;
use poai_testing::corpus;

/// Mutations of each seed.
const MUTATIONS: u64 = 1_000;

#[test]
fn targets_hold_on_their_corpus_and_near_it() {
    let targets: [(&str, corpus::Target, usize); 4] = [
        ("fuzz_bitswap", fuzz::fuzz_bitswap, 6),
        ("fuzz_run", fuzz::fuzz_run, 20),
        ("fuzz_offer", fuzz::fuzz_offer, 2),
        ("fuzz_frames", fuzz::fuzz_frames, 5),
    ];
    for (name, target, least) in targets {
        corpus::hold(target, &Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name), least, MUTATIONS);
    }
}
