//! The pinned bytes. After a deliberate change of a format, and of the type's version:
//! `POAI_RENEW_VECTORS=1 cargo test -p poai-objects vectors` writes them and the fuzz corpus anew.

use std::fs;
use std::path::{Path, PathBuf};

use poai_objects::codec::{DAG_CBOR, cid_of};

use crate::fuzz;
use crate::samples::{Sample, all};

const HEADER: &str = "\
# Every kind of object in its canonical bytes: name, kind, CID, bytes in hexadecimal.
# POAI_RENEW_VECTORS=1 cargo test -p poai-objects vectors
";

#[test]
fn vectors_are_as_pinned() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors.txt");
    let found = HEADER.to_owned() + &all().iter().map(line).collect::<String>();
    if std::env::var_os("POAI_RENEW_VECTORS").is_some() {
        fs::write(&path, &found).unwrap();
        write_corpus();
    }
    let pinned = fs::read_to_string(&path).unwrap();
    for (pinned, found) in pinned.lines().zip(found.lines()) {
        assert_eq!(pinned, found);
    }
    assert_eq!(pinned.lines().count(), found.lines().count());
}

fn line(Sample { name, kind, bytes }: &Sample) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} {kind} {} {digits}\n", cid_of(DAG_CBOR, bytes))
}

/// The seeds that come from the samples; those of texts are written by hand.
fn write_corpus() {
    for (number, sample) in all().into_iter().enumerate() {
        seed("fuzz_object", &format!("{number:02}-{}", sample.name), &sample.bytes);
    }
    for (name, bytes) in fuzz::signed_seeds() {
        seed("fuzz_signed", name, &bytes);
    }
}

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let folder: PathBuf = fuzz::corpus_of(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}
