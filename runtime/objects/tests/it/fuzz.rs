//! The fuzz targets on their committed corpus, and on mutations of it that are the same every time.

use std::path::{Path, PathBuf};

use poai_objects::{Object, Signed};
use poai_testing::corpus;

use crate::samples;

#[path = "../../fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "public for the fuzz binaries, which include the same file")]
mod targets;

/// Mutations of each seed.
const MUTATIONS: u64 = 1_000;

#[test]
fn targets_hold_on_their_corpus_and_near_it() {
    let targets: [(&str, corpus::Target); 5] = [
        ("fuzz_object", targets::fuzz_object),
        ("fuzz_signed", targets::fuzz_signed),
        ("fuzz_params", targets::fuzz_params),
        ("fuzz_schema", targets::fuzz_schema),
        ("fuzz_text", targets::fuzz_text),
    ];
    for (name, target) in targets {
        corpus::hold(target, &corpus_of(name), 5, MUTATIONS);
    }
}

pub(crate) fn corpus_of(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// Signed objects as the target `fuzz_signed` takes them.
pub(crate) fn signed_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut forged = signed_seed(samples::receipt());
    let last = forged.len() - 1;
    forged[last] ^= 1;
    vec![
        ("package", signed_seed(samples::package())),
        ("receipt", signed_seed(samples::receipt())),
        ("delegation", signed_seed(samples::delegation())),
        ("forged", forged),
        ("unsignable", signed_seed(samples::claim())),
    ]
}

fn signed_seed<T: Object>(object: T) -> Vec<u8> {
    let signed = Signed::sign(object, &samples::secret()).unwrap();
    let envelope = signed.envelope().to_bytes();
    let length = u16::try_from(envelope.len()).unwrap().to_le_bytes();
    [&length[..], &envelope, &signed.object().to_bytes()].concat()
}
