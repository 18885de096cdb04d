//! One plain function for each way in which bytes from elsewhere reach the store.
//!
//! Each takes any bytes and panics only if a law is broken. `cargo test -p poai-store` runs them on the
//! corpus and on mutations of it; `cargo +nightly fuzz run NAME` searches for more.

use poai_store::car::{self, CarLimits};
use poai_store::unixfs::{FileReader, LayoutLimits, Node, open};
use poai_store::{Blocks, DAG_CBOR, DAG_PB, MemoryBlocks, StoreError, Verified, Walk, links};

/// Characters that no error is longer than.
const MAX_ERROR_CHARS: usize = 1_024;
/// Small, so that a hostile DAG ends soon.
const LIMITS: LayoutLimits = LayoutLimits { chunks: 4_096, depth: 8, entries: 4_096 };
/// Bytes of a file that are read.
const READ_BYTES: usize = 4_096;

/// The links of a block: the first byte chooses dag-pb (even) or dag-cbor.
pub fn fuzz_links(data: &[u8]) {
    let Some((codec, bytes)) = data.split_first() else { return };
    let codec = if codec % 2 == 0 { DAG_PB } else { DAG_CBOR };
    let Ok(block) = Verified::of(codec, bytes.to_vec()) else { return };
    let Some(found) = check(links(block.cid(), block.bytes())) else { return };
    assert!(found.len() <= block.bytes().len(), "a link takes at least a byte");
}

/// Files, folders and shards: blocks of dag-pb, each behind its length in two bytes; each is a root.
pub fn fuzz_unixfs(mut data: &[u8]) {
    let blocks = MemoryBlocks::new();
    let mut roots = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let (block, rest) = rest.split_at(rest.len().min(u16::from_le_bytes(*length).into()));
        data = rest;
        let block = Verified::of(DAG_PB, block.to_vec()).expect("64 KiB are a block");
        blocks.put(&block).expect("memory takes it");
        roots.push(*block.cid());
    }
    for root in &roots {
        match check(open(&blocks, root, &LIMITS)) {
            Some(Node::File(layout)) => {
                assert_eq!(layout.size_bytes, layout.chunks.iter().map(|chunk| chunk.bytes).sum::<u64>());
                let mut reader = FileReader::open(&blocks, root, &LIMITS).expect("it was laid out before");
                let mut buffer = [0; READ_BYTES];
                if let Some(read) = check(reader.read_at(0, &mut buffer)) {
                    assert_eq!(read as u64, layout.size_bytes.min(READ_BYTES as u64));
                }
            }
            Some(Node::Folder(entries)) => {
                assert!(entries.is_sorted_by(|a, b| a.name.as_bytes() < b.name.as_bytes()));
                assert!(
                    entries
                        .iter()
                        .all(|entry| !entry.name.contains(['/', '\0'])
                            && !matches!(entry.name.as_str(), "" | "." | ".."))
                );
            }
            Some(Node::Symlink) | None => {}
        }
        assert!(Walk::new(&blocks, [*root]).count() <= 1 + data.len() + roots.len() * 4_096);
    }
}

/// An archive; what is taken comes out again.
pub fn fuzz_car(data: &[u8]) {
    let blocks = MemoryBlocks::new();
    let limits = CarLimits { blocks: 1_024, bytes: 1 << 20 };
    let Some(summary) = check(car::import(&blocks, data, &limits, &blocks.in_use())) else { return };
    assert_eq!(summary.bytes, data.len() as u64);
    let mut again = Vec::new();
    if check(car::export(&blocks, &summary.roots, &mut again)).is_some() {
        let second = car::import(&blocks, &again[..], &limits, &blocks.in_use()).expect("our own archive");
        assert_eq!(second.roots, summary.roots);
    }
}

/// An error is short, and does nothing to a terminal.
fn check<T>(result: Result<T, StoreError>) -> Option<T> {
    result
        .map_err(|error| {
            let text = error.to_string();
            assert!(text.chars().count() <= MAX_ERROR_CHARS && !text.contains(char::is_control), "{text:?}");
        })
        .ok()
}
