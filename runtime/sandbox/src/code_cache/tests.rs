use std::os::unix::fs::{FileExt, symlink};

use poai_objects::codec::{DAG_CBOR, cid_of};

use super::*;

fn key(program: &[u8], identity: u8) -> CodeKey {
    CodeKey { program: cid_of(DAG_CBOR, program).try_into().unwrap(), identity: CodeIdentity([identity; 32]) }
}

fn cache(directory: &Path, local_key: u8) -> CodeCache {
    let limits = CodeCacheLimits { quota_bytes: 10_000, entry_bytes: 4_000 };
    CodeCache::open(directory, LocalKey::from_bytes([local_key; 32]), limits).unwrap()
}

fn code(found: Found) -> Vec<u8> {
    let Found::Code(sealed) = found else { panic!("no code: {found:?}") };
    let mut bytes = vec![0; sealed.bytes() as usize];
    use std::os::fd::AsFd;
    File::from(sealed.as_fd().try_clone_to_owned().unwrap()).read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn what_was_put_is_got_under_its_own_key_only() {
    let home = tempfile::tempdir().unwrap();
    let cache = cache(home.path(), 1);
    assert!(matches!(cache.get(&key(b"a", 1)).unwrap(), Found::Nothing));
    cache.put(&key(b"a", 1), b"machine code").unwrap();
    assert_eq!(code(cache.get(&key(b"a", 1)).unwrap()), b"machine code");
    assert!(matches!(cache.get(&key(b"b", 1)).unwrap(), Found::Nothing));
    assert!(matches!(cache.get(&key(b"a", 2)).unwrap(), Found::Nothing));
}

#[test]
fn entries_that_this_home_did_not_write_are_rejected_once_and_gone() {
    let home = tempfile::tempdir().unwrap();
    let ours = cache(home.path(), 1);
    let name = key(b"a", 1);
    let path = ours.path(&name);
    let good = || {
        ours.put(&name, b"machine code").unwrap();
        fs::read(&path).unwrap()
    };
    let foreign = || {
        cache(home.path(), 2).put(&name, b"machine code").unwrap();
        fs::read(&path).unwrap()
    };
    let of_another_program = || {
        ours.put(&key(b"b", 1), b"machine code").unwrap();
        fs::read(ours.path(&key(b"b", 1))).unwrap()
    };
    let flipped = |bit: usize| {
        let mut bytes = good();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    let mut forgeries = vec![
        foreign(),
        of_another_program(),
        good()[..20].to_vec(),
        Vec::new(),
        [good(), vec![0]].concat(),
        vec![7; 9_000],
    ];
    let whole_bits = good().len() * 8;
    forgeries.extend((0..whole_bits).map(flipped));
    for (number, forgery) in forgeries.iter().enumerate() {
        fs::write(&path, forgery).unwrap();
        assert!(matches!(ours.get(&name).unwrap(), Found::Rejected { .. }), "forgery {number}");
        assert!(matches!(ours.get(&name).unwrap(), Found::Nothing), "forgery {number} stayed");
    }
}

#[test]
fn what_is_no_file_is_rejected() {
    let home = tempfile::tempdir().unwrap();
    let cache = cache(home.path(), 1);
    let name = key(b"a", 1);
    cache.put(&name, b"machine code").unwrap();
    let path = cache.path(&name);
    let elsewhere = home.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();

    symlink(&elsewhere, &path).unwrap();
    assert!(matches!(cache.get(&name).unwrap(), Found::Rejected { reason: "it is a symbolic link" }));
    fs::create_dir(&path).unwrap();
    assert!(matches!(cache.get(&name).unwrap(), Found::Rejected { .. }));
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(cache.get(&name).unwrap(), Found::Rejected { reason: "it is not a file" }));
    assert!(matches!(cache.get(&name).unwrap(), Found::Nothing));
}

#[test]
fn the_quota_evicts_what_was_not_used_longest() {
    let home = tempfile::tempdir().unwrap();
    let cache = cache(home.path(), 1);
    for (program, age_s) in [(b"a", 30), (b"b", 20), (b"c", 10)] {
        cache.put(&key(program, 1), &[program[0]; 3_000]).unwrap();
        let entry = File::open(cache.path(&key(program, 1))).unwrap();
        entry.set_modified(SystemTime::now() - std::time::Duration::from_secs(age_s)).unwrap();
    }
    assert!(matches!(cache.get(&key(b"a", 1)).unwrap(), Found::Code(_)), "used again, so now the youngest");
    cache.put(&key(b"d", 1), &[4; 3_000]).unwrap();
    for (program, stays) in [(b"a", true), (b"b", false), (b"c", true), (b"d", true)] {
        assert_eq!(matches!(cache.get(&key(program, 1)).unwrap(), Found::Code(_)), stays, "{program:?}");
    }
    let error = cache.put(&key(b"e", 1), &[5; 4_001]).unwrap_err();
    assert_eq!(error.to_string(), "one entry may have 4000 bytes");
}

#[test]
fn what_was_half_written_is_gone_after_opening() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("0.partial"), b"half").unwrap();
    cache(home.path(), 1);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

/// `/dev/full` stands for a full disk: every write to it ends in "no space left".
#[test]
fn a_full_disk_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let cache = cache(home.path(), 1);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = cache.write(&key(b"a", 1), b"machine code", full).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn an_entry_that_cannot_be_finished_leaves_no_trace() {
    let home = tempfile::tempdir().unwrap();
    let cache = cache(home.path(), 1);
    // The entry is written whole, and then cannot take its place.
    let occupied = cache.path(&key(b"a", 1));
    fs::create_dir(&occupied).unwrap();
    assert!(cache.put(&key(b"a", 1), b"machine code").is_err());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    assert!(matches!(cache.get(&key(b"a", 1)).unwrap(), Found::Rejected { .. }));
    cache.put(&key(b"a", 1), b"machine code").unwrap();
    assert_eq!(code(cache.get(&key(b"a", 1)).unwrap()), b"machine code");
}
