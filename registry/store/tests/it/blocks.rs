use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use cid::Cid;
use poai_store::{DAG_PB, Durability, IDENTITY, PinMode, RAW, Store, StoreError, StoreLimits, Verified};

use crate::{block, fresh, open, pin};

/// The only file below `blocks/`, of a store with one block.
fn only_file(dir: &Path) -> PathBuf {
    let shards = fs::read_dir(dir.join("blocks")).unwrap();
    let mut files = shards.flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap());
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

#[test]
fn the_limits_are_these() {
    let expected = StoreLimits {
        quota_bytes: 274_877_906_944,
        block_bytes: 2_097_152,
        pins: 1_048_576,
        unsynced_blocks: 1_024,
        set_aside_blocks: 64,
        durability: Durability::Synced,
    };
    assert_eq!(StoreLimits::default(), expected);
}

#[test]
fn a_block_is_there_under_every_cid_of_its_digest() {
    let (_dir, store) = fresh();
    let folder = Verified::of(DAG_PB, &b"\x0a\x02\x08\x01"[..]).unwrap();
    assert!(!store.has(folder.cid()).unwrap());
    store.put(&folder).unwrap();
    let version_0: Cid = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap();
    for cid in [*folder.cid(), version_0, Cid::new_v1(RAW, *folder.cid().hash())] {
        assert_eq!(store.size(&cid).unwrap(), Some(4));
        assert_eq!(store.need(&cid).unwrap().cid(), &cid);
    }
    let mut read = Vec::new();
    let mut file = store.block_file(folder.cid()).unwrap();
    file.file.read_to_end(&mut read).unwrap();
    assert_eq!((read.as_slice(), file.offset, file.bytes), (&b"\x0a\x02\x08\x01"[..], 0, 4));
    assert!(std::io::Write::write_all(&mut file.file, b"x").is_err(), "read-only");
}

#[test]
fn identity_cids_are_read_and_take_no_room() {
    let (_dir, store) = fresh();
    let inline = Cid::new_v1(RAW, multihash::Multihash::wrap(IDENTITY, b"hi").unwrap());
    store.put(&Verified::check(&inline, &b"hi"[..]).unwrap()).unwrap();
    assert_eq!(store.usage().blocks, 0);
    assert_eq!(store.need(&inline).unwrap().bytes(), "hi");
    let mut file = store.block_file(&inline).unwrap();
    let mut read = String::new();
    file.file.read_to_string(&mut read).unwrap();
    assert_eq!(read, "hi");
    assert!(std::io::Write::write_all(&mut file.file, b"x").is_err(), "sealed");
}

#[test]
fn a_corrupt_block_is_named_moved_aside_and_can_be_put_again() {
    for damage in [&b"torX"[..], b"", b"much longer than it was"] {
        let (dir, store) = fresh();
        let torn = block("torn");
        store.put(&torn).unwrap();
        let path = only_file(dir.path());
        fs::remove_file(&path).unwrap();
        fs::write(&path, damage).unwrap();
        let found = *Verified::of(RAW, damage).unwrap().cid();
        let error = store.get(torn.cid()).unwrap_err();
        assert!(
            matches!(&error, StoreError::Corrupt { cid, found: other } if cid == torn.cid() && **other == found),
            "{error}"
        );
        assert_eq!(store.get(torn.cid()).unwrap(), None, "not served a second time");
        assert_eq!(fs::read_dir(dir.path().join("corrupt")).unwrap().count(), 1);
        store.put(&torn).unwrap();
        assert_eq!(store.need(torn.cid()).unwrap(), torn);
    }
}

#[test]
fn putting_a_block_again_mends_it() {
    let (dir, store) = fresh();
    let torn = block("torn");
    store.put(&torn).unwrap();
    let path = only_file(dir.path());
    fs::remove_file(&path).unwrap();
    fs::write(&path, "flaw").unwrap();
    store.put(&torn).unwrap();
    assert_eq!(store.need(torn.cid()).unwrap(), torn);
    assert_eq!((store.usage().blocks, store.usage().bytes), (1, 4));
}

#[test]
fn corrupt_blocks_that_are_kept_aside_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreLimits { set_aside_blocks: 1, ..StoreLimits::default() }).unwrap();
    for text in ["one", "two", "six"] {
        let torn = block(text);
        store.put(&torn).unwrap();
        let path = only_file(dir.path());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "bad").unwrap();
        store.get(torn.cid()).unwrap_err();
    }
    assert_eq!(fs::read_dir(dir.path().join("corrupt")).unwrap().count(), 1);
    assert_eq!((store.usage().blocks, store.usage().bytes), (0, 0));
}

#[test]
fn the_quota_holds_and_is_counted_again_on_opening() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StoreLimits { quota_bytes: 10, ..StoreLimits::default() };
    let store = Store::open(dir.path(), limits.clone()).unwrap();
    store.put(&block("12345678")).unwrap();
    store.put(&block("12345678")).unwrap();
    assert!(matches!(store.put(&block("abc")), Err(StoreError::QuotaUsedUp { quota_bytes: 10 })));
    store.put(&block("ab")).unwrap();
    drop(store);
    let store = Store::open(dir.path(), limits).unwrap();
    assert_eq!((store.usage().blocks, store.usage().bytes), (2, 10));
    assert!(matches!(store.put(&block("c")), Err(StoreError::QuotaUsedUp { .. })));
}

#[test]
fn one_process_holds_a_home() {
    let (dir, store) = fresh();
    let error = Store::open(dir.path(), StoreLimits::default()).unwrap_err();
    let expected = format!("the store at {} is in use by process {}", dir.path().display(), std::process::id());
    assert_eq!(error.to_string(), expected);
    let clone = store.clone();
    drop(store);
    assert!(Store::open(dir.path(), StoreLimits::default()).is_err(), "a clone still has it open");
    drop(clone);
    open(&dir);
}

#[test]
fn a_folder_of_another_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("version"), "poai-store 9\n").unwrap();
    let error = Store::open(dir.path(), StoreLimits::default()).unwrap_err();
    assert!(error.to_string().ends_with("its version is \"poai-store 9\""), "{error}");
}

#[test]
fn pins_survive_and_only_a_torn_last_line_is_forgiven() {
    let (dir, store) = fresh();
    let (one, two) = (block("one"), block("two"));
    store.put_many([&one, &two]).unwrap();
    store.pin(&pin(one.cid(), PinMode::Direct, "a name with spaces")).unwrap();
    store.pin(&pin(two.cid(), PinMode::Recursive, "")).unwrap();
    let pins = store.pins();
    drop(store);
    let log = dir.path().join("pins");
    let whole = fs::read(&log).unwrap();
    assert_eq!(open(&dir).pins(), pins);

    fs::write(&log, [&whole[..], b"0123 pin r - baf"].concat()).unwrap();
    assert_eq!(open(&dir).pins(), pins);
    assert_eq!(fs::read(&log).unwrap(), whole, "the torn line is gone");

    let mut damaged = whole;
    damaged[20] ^= 1;
    fs::write(&log, damaged).unwrap();
    let error = Store::open(dir.path(), StoreLimits::default()).unwrap_err();
    assert!(matches!(error, StoreError::PinsDamaged { line: 1, .. }), "{error}");
}

#[test]
fn pins_have_limits_and_names() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreLimits { pins: 1, ..StoreLimits::default() }).unwrap();
    let one = block("one");
    assert!(matches!(store.pin(&pin(one.cid(), PinMode::Direct, "a")), Err(StoreError::NotFound { .. })));
    store.put(&one).unwrap();
    store.pin(&pin(one.cid(), PinMode::Direct, "a")).unwrap();
    store.pin(&pin(one.cid(), PinMode::Recursive, "a")).unwrap();
    assert!(matches!(store.pin(&pin(one.cid(), PinMode::Direct, "b")), Err(StoreError::Limit { name: "pins", .. })));
    assert!(matches!(store.pin(&pin(one.cid(), PinMode::Direct, "a\nb")), Err(StoreError::BadPinName { .. })));
    assert!(matches!(
        store.pin(&pin(one.cid(), PinMode::Direct, &"x".repeat(256))),
        Err(StoreError::BadPinName { .. })
    ));
    assert!(matches!(store.unpin(one.cid(), "c"), Err(StoreError::NoSuchPin { .. })));
    store.unpin(one.cid(), "a").unwrap();
    assert!(store.pins().is_empty());
}

#[test]
fn the_log_of_pins_does_not_grow_with_every_change() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let one = block("one");
    store.put(&one).unwrap();
    for _ in 0..2_100 {
        store.pin(&pin(one.cid(), PinMode::Direct, "again")).unwrap();
        store.unpin(one.cid(), "again").unwrap();
    }
    store.pin(&pin(one.cid(), PinMode::Direct, "last")).unwrap();
    assert!(fs::metadata(dir.path().join("pins")).unwrap().len() < 200 * 4_096);
    drop(store);
    assert_eq!(open(&dir).pins().len(), 1);
}

#[test]
fn writers_that_come_together_all_find_their_blocks() {
    let (dir, store) = fresh();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let store = store.clone();
            scope.spawn(move || {
                for number in 0..32 {
                    // Every second one is written by two writers at once.
                    let text = format!("{} {number}", if number % 2 == 0 { writer } else { writer / 2 });
                    store.put(&block(&text)).unwrap();
                    assert!(store.has(block(&text).cid()).unwrap());
                }
            });
        }
    });
    let usage = store.usage();
    drop(store);
    assert_eq!(open(&dir).usage(), usage, "counted as on disk");
}
