use poai_store::car::{CarLimits, CarReader, CarWriter, export, import};
use poai_store::unixfs::FileWriter;
use poai_store::{Blocks, MemoryBlocks, RAW, StoreError, Verified};

use crate::noise;

/// An archive of a file of three leaves.
fn archive() -> (cid::Cid, Vec<u8>) {
    let blocks = MemoryBlocks::new();
    let mut file = FileWriter::new(&blocks, &blocks.in_use());
    file.append(&noise(3, (2 << 20) + 100)).unwrap();
    let root = file.finish().unwrap().cid;
    let mut bytes = Vec::new();
    let summary = export(&blocks, &[root], &mut bytes).unwrap();
    assert_eq!((summary.blocks, summary.bytes), (4, bytes.len() as u64));
    (root, bytes)
}

#[test]
fn an_archive_comes_back_and_is_the_same_again() {
    let (root, bytes) = archive();
    let (_dir, store) = crate::fresh();
    let held = store.in_use();
    let summary = import(&store, &bytes[..], &CarLimits::default(), &held).unwrap();
    assert_eq!((summary.roots.as_slice(), summary.blocks, summary.bytes), (&[root][..], 4, bytes.len() as u64));
    let mut again = Vec::new();
    export(&store, &[root], &mut again).unwrap();
    assert!(again == bytes);
    assert_eq!(store.collect(crate::at(0)).unwrap().blocks, 0, "the root is held");
    drop(held);
    assert_eq!(store.collect(crate::at(0)).unwrap().blocks, 4);
}

/// The bytes of the specification's example: a header `{roots: [CID], version: 1}`.
#[test]
fn the_header_is_canonical() {
    let block = Verified::of(RAW, &b"hi"[..]).unwrap();
    let mut bytes = Vec::new();
    CarWriter::new(&mut bytes, &[*block.cid()]).unwrap().append(&block).unwrap();
    let expected = [
        b"\x3a\xa2eroots\x81\xd8\x2a\x58\x25\x00".as_slice(),
        &block.cid().to_bytes(),
        b"gversion\x01",
        b"\x26",
        &block.cid().to_bytes(),
        b"hi",
    ]
    .concat();
    assert_eq!(bytes, expected);
}

#[test]
fn malformed_archives_say_where_and_why() {
    let (_, bytes) = archive();
    let header = 59;
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut huge = bytes[..header].to_vec();
    huge.extend([0xff, 0xff, 0xff, 0x7f]);
    let version_2 = [0x0a, 0xa1, 0x67, b'v', b'e', b'r', b's', b'i', b'o', b'n', 0x02];
    for (bytes, offset, reason) in [
        (&b""[..], 0, "it is empty"),
        (&[0x80], 0, "it ends inside a length"),
        (&[0xff; 12], 0, "a length is longer than 10 bytes"),
        (&[0], 1, "a header of 0 bytes"),
        (&[5, 1], 1, "it ends after 1 of 5 bytes"),
        (&[1, 0xff], 1, "the header cannot be read"),
        (&version_2, 1, "it is of version 2"),
        (&bytes[..bytes.len() - 1], 0, "it ends after"),
        (&huge, header as u64, "the limit block_bytes is 2097152"),
        (&flipped, 0, "is corrupt: its bytes hash to"),
    ] {
        let blocks = MemoryBlocks::new();
        let error = import(&blocks, bytes, &CarLimits::default(), &blocks.in_use()).unwrap_err();
        let StoreError::Car { offset: found, reason: why } = &error else { panic!("{error}") };
        assert!(why.contains(reason), "{why}: {reason}");
        assert!(offset == 0 || *found == offset, "{error}");
    }
}

#[test]
fn a_root_must_be_there_and_archives_are_bounded() {
    let (root, bytes) = archive();
    let blocks = MemoryBlocks::new();
    let mut headless = Vec::new();
    CarWriter::new(&mut headless, &[root]).unwrap();
    assert!(
        matches!(import(&blocks, &headless[..], &CarLimits::default(), &blocks.in_use()), Err(StoreError::NotFound { cid }) if cid == root)
    );
    for (limits, name) in [
        (CarLimits { blocks: 3, ..CarLimits::default() }, "blocks"),
        (CarLimits { bytes: 1 << 20, ..CarLimits::default() }, "bytes"),
    ] {
        let error = import(&blocks, &bytes[..], &limits, &blocks.in_use()).unwrap_err();
        assert!(matches!(error, StoreError::Limit { name: other, .. } if other == name));
    }
    assert_eq!(CarLimits::default(), CarLimits { blocks: 4_194_304, bytes: 1 << 40 });
    let mut reader = CarReader::new(&bytes[..]).unwrap();
    assert_eq!(reader.roots(), [root]);
    assert_eq!(reader.next_block().unwrap().unwrap().cid(), &root, "parents come first");
    let empty = MemoryBlocks::new();
    assert!(matches!(export(&empty, &[root], &mut Vec::new()), Err(StoreError::NotFound { .. })));
}
