use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use poai_store::unixfs::{FileReader, FileWriter, FolderWriter, LayoutLimits};
use poai_store::{Collected, Pin, PinMode, Store, StoreError, Verified, Walk};

use crate::{at, block, fresh, noise, open, pin};

/// A folder of two small files: its root, and all its blocks.
fn folder(store: &Store) -> (cid::Cid, Vec<cid::Cid>) {
    let held = store.in_use();
    let mut folder = FolderWriter::new();
    for name in ["a", "b"] {
        let mut file = FileWriter::new(store, &held);
        file.append(name.as_bytes()).unwrap();
        folder.add(name, file.finish().unwrap()).unwrap();
    }
    let root = folder.finish(store, &held).unwrap().cid;
    let all = Walk::new(store, [root]).map(|visit| visit.cid).collect();
    (root, all)
}

#[test]
fn what_nobody_keeps_goes_and_what_is_pinned_stays() {
    let (dir, store) = fresh();
    let (root, all) = folder(&store);
    store.put(&block("loose")).unwrap();
    store.pin(&pin(&root, PinMode::Recursive, "mine")).unwrap();
    assert_eq!(store.collect(at(0)).unwrap(), Collected { blocks: 1, bytes: 5 });
    assert!(all.iter().all(|cid| store.has(cid).unwrap()));
    drop(store);
    let store = open(&dir);
    store.pin(&pin(&root, PinMode::Direct, "root only")).unwrap();
    store.unpin(&root, "mine").unwrap();
    assert_eq!(store.collect(at(0)).unwrap(), Collected { blocks: 2, bytes: 2 });
    assert!(store.has(&root).unwrap());
    store.unpin(&root, "root only").unwrap();
    store.collect(at(0)).unwrap();
    assert_eq!((store.usage().blocks, store.usage().bytes), (0, 0));
}

#[test]
fn what_is_in_use_stays_until_the_last_guard_goes() {
    let (_dir, store) = fresh();
    let (root, all) = folder(&store);
    let held = store.in_use();
    held.hold_dag(&root);
    let clone = held.clone();
    drop(held);
    let reader = FileReader::open(store.clone(), &all[1], &LayoutLimits::default()).unwrap();
    assert_eq!(store.collect(at(0)).unwrap().blocks, 0);
    drop(clone);
    assert_eq!(store.collect(at(0)).unwrap().blocks, 2, "the reader still has its file");
    drop(reader);
    assert_eq!(store.collect(at(0)).unwrap().blocks, 1);
}

#[test]
fn retention_ends_at_its_time() {
    let (dir, store) = fresh();
    let output = block("a run's output");
    store.put(&output).unwrap();
    store.pin(&Pin { until: Some(at(86_400)), ..pin(output.cid(), PinMode::Recursive, "run 1") }).unwrap();
    store.collect(at(86_399)).unwrap();
    assert!(store.has(output.cid()).unwrap());
    drop(store);
    let store = open(&dir);
    assert_eq!(store.pins()[0].until, Some(at(86_400)));
    store.collect(at(86_400)).unwrap();
    assert!(!store.has(output.cid()).unwrap());
    assert!(store.pins().is_empty());
}

#[test]
fn a_pin_wants_the_whole_dag_and_collection_drops_nothing_below_a_gap() {
    let (dir, store) = fresh();
    let (root, all) = folder(&store);
    store.put(&block("loose")).unwrap();
    store.pin(&pin(&root, PinMode::Recursive, "mine")).unwrap();
    let digest: String = all[2].hash().digest().iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::remove_file(dir.path().join("blocks").join(&digest[..2]).join(&digest[2..])).unwrap();
    let error = store.collect(at(0)).unwrap_err();
    assert_eq!(error.to_string(), format!("{root} is incomplete: block {} is not in the store", all[2]));
    assert!(store.has(block("loose").cid()).unwrap());
    let again = store.pin(&pin(&root, PinMode::Recursive, "again")).unwrap_err();
    assert!(matches!(again, StoreError::Incomplete { missing, .. } if *missing == all[2]));
}

/// Writers, pins and readers go on while collections run back to back: nothing that is held, pinned or
/// just written under a guard is ever missed.
#[test]
fn collection_runs_beside_writers() {
    let (_dir, store) = fresh();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut dropped = 0;
            while !done.load(Ordering::Relaxed) {
                dropped += store.collect(at(0)).unwrap().blocks;
            }
            dropped
        });
        let writers: Vec<_> = (0..3)
            .map(|seed| {
                let store = store.clone();
                scope.spawn(move || {
                    for round in 0..40 {
                        let held = store.in_use();
                        let mut file = FileWriter::new(&store, &held);
                        let bytes = noise(seed * 1_000 + round, (3 << 20) + 17);
                        file.append(&bytes).unwrap();
                        let root = file.finish().unwrap().cid;
                        if round % 2 == 0 {
                            store.pin(&pin(&root, PinMode::Recursive, "kept")).unwrap();
                            drop(held);
                        }
                        std::thread::sleep(Duration::from_millis(1));
                        let mut reader = FileReader::open(&store, &root, &LayoutLimits::default()).unwrap();
                        let mut found = vec![0; bytes.len()];
                        assert_eq!(reader.read_at(0, &mut found).unwrap(), bytes.len());
                        assert!(found == bytes);
                        if round % 2 == 0 {
                            store.unpin(&root, "kept").unwrap();
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(collector.join().unwrap() > 0, "it did drop what had been let go");
    });
    store.collect(at(0)).unwrap();
    assert_eq!(store.usage().blocks, 0);
}

/// A fetch brings parents first; a child that came late has children that were there before.
#[test]
fn a_gap_that_fills_during_collection_is_followed() {
    let (_dir, store) = fresh();
    let (root, all) = folder(&store);
    let parent = store.need(&root).unwrap();
    let held = store.in_use();
    held.hold_dag(&root);
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| (0..50).map(|_| store.collect(at(0)).unwrap().blocks).sum::<u64>());
        for _ in 0..50 {
            store.put(&parent).unwrap();
        }
        assert_eq!(collector.join().unwrap(), 0);
    });
    let present: Vec<bool> = all.iter().map(|cid| store.has(cid).unwrap()).collect();
    assert_eq!(present, [true; 3]);
    let unknown = Verified::of(0x99, &b"x"[..]).unwrap();
    store.put(&unknown).unwrap();
    assert!(matches!(
        store.pin(&pin(unknown.cid(), PinMode::Recursive, "")),
        Err(StoreError::UnsupportedCodec { codec: 0x99, .. })
    ));
}
