use std::env;
use std::process::{Command, Output};

use poai_store::{PinMode, RAW, Store, StoreError, StoreLimits, Verified};
use poai_testing::skipped;

use crate::{at, noise, pin};

const DIR: &str = "POAI_STORE_TEST_DIR";

/// What runs on the full disk: it fills it, and finds everything again.
#[test]
#[ignore = "a child of the tests below, which prepare its disk"]
fn fills_its_disk() {
    let store = Store::open(env::var(DIR).unwrap(), StoreLimits::default()).unwrap();
    let kept = Verified::of(RAW, noise(0, 100_000)).unwrap();
    store.put(&kept).unwrap();
    store.pin(&pin(kept.cid(), PinMode::Direct, "kept")).unwrap();
    let mut taken = Vec::new();
    let error = loop {
        let block = Verified::of(RAW, noise(1 + taken.len() as u64, 200_000 + 60_000 * taken.len())).unwrap();
        match store.put(&block) {
            Ok(()) => taken.push(block),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert!(!taken.is_empty());
    for block in taken.iter().chain([&kept]) {
        assert_eq!(&store.need(block.cid()).unwrap(), block);
    }
    assert_eq!(store.usage().bytes, taken.iter().map(|block| block.bytes().len() as u64).sum::<u64>() + 100_000);
    assert_eq!(store.collect(at(0)).unwrap().blocks, taken.len() as u64);
    store.put(&taken[0]).unwrap();
    assert!(store.has(kept.cid()).unwrap());
}

fn run(prepare: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &format!("{prepare} && exec \"$0\" \"$@\"")])
        .arg(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "full_disk::fills_its_disk"])
        .env(DIR, dir.path())
        .output()
        .expect("unshare, of util-linux, is there")
}

fn assert_passed(output: &Output) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// A file system of its own, of 4 MiB. Where no process may have one, the other test stands alone: that is said,
/// and fails in continuous integration.
#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let output = run(&format!("mount -t tmpfs -o size=4m tmpfs \"${DIR}\""));
    let refused = String::from_utf8_lossy(&output.stderr).to_lowercase();
    let not_allowed = ["not permitted", "permission denied", "no space left"].iter().any(|word| refused.contains(word));
    if !output.status.success() && not_allowed && output.stdout.is_empty() {
        return skipped(&format!("no process may mount a file system here: {}", refused.trim()));
    }
    assert_passed(&output);
}

/// The limit on a file's size stands for a full disk wherever the tests run.
#[test]
fn a_file_that_may_not_grow_is_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        // Ignored, the signal becomes an error; 1 MiB in blocks of 512 bytes.
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "full_disk::fills_its_disk"])
        .env(DIR, dir.path())
        .output()
        .unwrap();
    assert_passed(&output);
}
