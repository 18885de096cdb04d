use std::fs;
use std::path::PathBuf;

use poai_store::car;
use poai_store::unixfs::{FileWriter, FolderWriter};
use poai_store::{Blocks, DAG_CBOR, DAG_PB, MemoryBlocks, RAW, Verified, Walk};
use poai_testing::corpus::{Target, hold};

use crate::targets;

/// Mutations of each entry.
const MUTATIONS: u64 = 400;

const TARGETS: [(&str, Target); 3] =
    [("fuzz_car", targets::fuzz_car), ("fuzz_links", targets::fuzz_links), ("fuzz_unixfs", targets::fuzz_unixfs)];

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

#[test]
fn every_target_takes_its_corpus_and_mutations_of_it() {
    for (name, target) in TARGETS {
        hold(target, &corpus(name), 3, MUTATIONS);
    }
}

/// Writes the corpus anew: `cargo test -p poai-store -- --ignored renew_the_corpus`.
#[test]
#[ignore = "renews the corpus"]
fn renew_the_corpus() {
    let blocks = MemoryBlocks::new();
    let held = blocks.in_use();
    let mut file = FileWriter::new(&blocks, &held);
    file.append(b"a small file").unwrap();
    let file = file.finish().unwrap();
    let leaf = pb(&[&[0x0a, 8, 0x08, 2, 0x12, 2, b'h', b'i', 0x18, 2]]);
    let folder = |names: usize| {
        let mut folder = FolderWriter::new();
        (0..names)
            .for_each(|number| folder.add(&format!("entry {number} {}", "x".repeat(names.min(40))), file).unwrap());
        folder.finish(&blocks, &held).unwrap().cid
    };
    let (small, sharded) = (folder(3), folder(3_000));
    let parent = pb(&[&link(leaf.cid()), &link(leaf.cid()), &[0x0a, 8, 0x08, 2, 0x18, 4, 0x20, 2, 0x20, 2]]);
    let packed = pb(&[&link(leaf.cid()), &[0x0a, 7, 0x08, 2, 0x18, 2, 0x22, 1, 2]]);
    let symlink = pb(&[&[0x0a, 6, 0x08, 4, 0x12, 2, b'.', b'.']]);
    let shards: Vec<Verified> =
        Walk::new(&blocks, [sharded]).take(3).map(|visit| blocks.need(&visit.cid).unwrap()).collect();
    let small = blocks.need(&small).unwrap();
    write(
        "fuzz_unixfs",
        &[
            dag(&[&leaf]),
            dag(&[&parent, &leaf]),
            dag(&[&packed, &leaf]),
            dag(&[&symlink]),
            dag(&[&small]),
            dag(&shards.iter().collect::<Vec<_>>()),
        ],
    );
    let cbor = Verified::of(DAG_CBOR, serde_ipld_dagcbor::to_vec(&vec![*leaf.cid(), file.cid]).unwrap()).unwrap();
    let coded = |block: &Verified| [&[u8::from(block.cid().codec() == DAG_CBOR)], &block.bytes()[..]].concat();
    write("fuzz_links", &[coded(&leaf), coded(&parent), coded(&small), coded(&shards[0]), coded(&cbor)]);
    let archive = |root: cid::Cid| {
        let mut bytes = Vec::new();
        car::export(&blocks, &[root], &mut bytes).unwrap();
        bytes
    };
    let lone = Verified::of(RAW, &b"alone"[..]).unwrap();
    blocks.put(&lone).unwrap();
    write("fuzz_car", &[archive(*lone.cid()), archive(*small.cid()), archive(file.cid)]);
}

fn pb(parts: &[&[u8]]) -> Verified {
    Verified::of(DAG_PB, parts.concat()).unwrap()
}

fn link(cid: &cid::Cid) -> Vec<u8> {
    let cid = cid.to_bytes();
    [&[0x12, 44, 0x0a, 36], &cid[..], &[0x12, 0, 0x18, 10]].concat()
}

fn dag(blocks: &[&Verified]) -> Vec<u8> {
    blocks
        .iter()
        .flat_map(|block| [&u16::try_from(block.bytes().len()).unwrap().to_le_bytes()[..], block.bytes()].concat())
        .collect()
}

fn write(target: &str, entries: &[Vec<u8>]) {
    fs::create_dir_all(corpus(target)).unwrap();
    for (number, entry) in entries.iter().enumerate() {
        fs::write(corpus(target).join(format!("{number:02}")), entry).unwrap();
    }
}
