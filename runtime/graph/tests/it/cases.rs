//! A selection of ONNX's own test cases: near what another implementation gives, and the same bits on all kernels, by any
//! number of threads. What is pinned is all that passes; tests/cases/README.md says where the cases are from.
//!
//! `POAI_RENEW_VECTORS=1 cargo test -p poai-graph --test it cases` pins anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use poai_graph::{Cpu, Tensor};
use poai_numerics::Kernels;
use sha2::{Digest, Sha256};

use super::case::Case;
use super::verdict::{self, Verdict};

const SELECTION: &[u8] = include_bytes!("../cases/selection");
const DIGESTS: &str = include_str!("../cases/digests");
const HEAD: &str = "# The bits of outputs. POAI_RENEW_VECTORS=1 cargo test -p poai-graph --test it cases\n";

/// The cases of the archive: each file follows a line of its path and its length.
fn selection() -> Vec<Case> {
    let mut cases: BTreeMap<String, BTreeMap<String, Bytes>> = BTreeMap::new();
    let mut rest = Bytes::from_static(SELECTION);
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = rest.split_to(end + 1);
        let (path, length) = str::from_utf8(&line).unwrap().trim_end().rsplit_once(' ').unwrap();
        let (case, file) = path.rsplit_once('/').unwrap();
        let content = rest.split_to(length.parse().unwrap());
        cases.entry(case.into()).or_default().insert(file.into(), content);
    }
    assert!(rest.is_empty(), "the archive ends with a file");
    cases.into_iter().map(|(name, files)| Case::new(name, &files).unwrap()).collect()
}

fn digest(outputs: &[Tensor]) -> String {
    let mut hash = Sha256::new();
    for output in outputs {
        hash.update(format!("{output:?}"));
        hash.update(output.bytes());
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The name of each case that passes, with the digest of its outputs.
fn computed(cases: &[Case], cpu: &Cpu) -> BTreeMap<String, String> {
    let passing = cases.iter().filter(|case| match verdict::of(case, cpu) {
        Verdict::Passed => true,
        Verdict::Unsupported { .. } => false,
        wrong => panic!("{} on {:?}: {wrong}", case.name, cpu.processor().kernels()),
    });
    passing.map(|case| (case.name.clone(), digest(&verdict::outputs(case, cpu).unwrap()))).collect()
}

#[test]
fn cases_of_onnx_have_their_pinned_bits_on_all_kernels_and_threads() {
    poai_numerics::prepare();
    let cases = selection();
    if std::env::var_os("POAI_RENEW_VECTORS").is_some() {
        let mut text = HEAD.to_owned();
        for (name, digest) in computed(&cases, &Cpu::new(Kernels::Scalar, 1).unwrap()) {
            let _ = writeln!(text, "{name} {digest}");
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/digests");
        return std::fs::write(path, text).unwrap();
    }
    let pinned = DIGESTS.lines().skip(1).map(|line| line.split_once(' ').unwrap());
    let pinned: BTreeMap<_, _> = pinned.map(|(name, digest)| (name.to_owned(), digest.to_owned())).collect();
    assert!(pinned.len() > cases.len() / 2, "most cases pass");
    for kernels in Kernels::available() {
        for threads in [1, 2] {
            let computed = computed(&cases, &Cpu::new(kernels, threads).unwrap());
            for (name, digest) in &pinned {
                assert_eq!(computed.get(name), Some(digest), "{name} on {kernels} with {threads} threads");
            }
        }
    }
}
