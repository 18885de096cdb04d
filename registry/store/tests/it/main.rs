//! The store as its users see it.
#![expect(clippy::unwrap_used, reason = "in tests")]

mod archives;
mod blocks;
mod collect;
mod corpus;
mod crash;
mod files;
mod full_disk;
mod kubo;
mod kubo_server;

#[path = "../../fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "the fuzzers' binaries use it too")]
mod targets;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use poai_store::{Pin, PinMode, RAW, Store, StoreLimits, Verified};

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path(), StoreLimits::default()).unwrap()
}

fn fresh() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    (dir, store)
}

fn block(text: &str) -> Verified {
    Verified::of(RAW, text.as_bytes().to_vec()).unwrap()
}

fn pin(cid: &cid::Cid, mode: PinMode, name: &str) -> Pin {
    Pin { cid: *cid, mode, name: name.to_owned(), until: None }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Bytes that differ from place to place, the same in every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}
