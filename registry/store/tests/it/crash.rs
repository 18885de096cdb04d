use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use cid::Cid;
use poai_store::{PinMode, RAW, Store, StoreLimits, Verified};

use crate::{noise, open, pin};

const DIR: &str = "POAI_STORE_TEST_DIR";
const ROUND: &str = "POAI_STORE_TEST_ROUND";

/// What is killed: puts and pins without an end, telling each when it is done.
#[test]
#[ignore = "a child of `a_killed_process_loses_nothing_that_was_acknowledged`"]
fn writes_until_it_is_killed() {
    let store = Store::open(env::var(DIR).unwrap(), StoreLimits::default()).unwrap();
    let round: u64 = env::var(ROUND).unwrap().parse().unwrap();
    let mut out = std::io::stdout();
    for number in 0.. {
        let length = usize::try_from(number % 7).unwrap() * 50_000;
        let block = Verified::of(RAW, noise(round * 1_000_000 + number, length)).unwrap();
        store.put(&block).unwrap();
        writeln!(out, "put {}", block.cid()).unwrap();
        if number % 3 == 0 {
            store.pin(&pin(block.cid(), PinMode::Direct, "killed")).unwrap();
            writeln!(out, "pin {}", block.cid()).unwrap();
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<Cid> = Vec::new();
    let mut pinned: Vec<Cid> = Vec::new();
    for round in 0..12_u64 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "crash::writes_until_it_is_killed", "--nocapture"])
            .envs([(DIR, dir.path().to_str().unwrap()), (ROUND, &round.to_string())])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // However slow the machine is, it is killed once it has put and pinned its first block, and writes more.
        let mut told = Vec::new();
        while !told.last().is_some_and(|line: &String| line.starts_with("pin ")) {
            told.push(lines.next().expect("it writes"));
        }
        let reader = std::thread::spawn(move || {
            told.extend(lines);
            told
        });
        std::thread::sleep(Duration::from_millis(3 + 13 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reader.join().unwrap() {
            // The harness' own words may come before the first one; the kill may cut the last one.
            let mut words = line.split_whitespace().skip_while(|word| !matches!(*word, "put" | "pin"));
            let (Some(word), Some(Ok(cid))) = (words.next(), words.next().map(str::parse::<Cid>)) else { continue };
            if word == "put" { acknowledged.push(cid) } else { pinned.push(cid) }
        }
        let store = open(&dir);
        assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
        assert_eq!(std::fs::read_dir(dir.path().join("corrupt")).unwrap().count(), 0);
        for cid in &acknowledged {
            assert!(store.get(cid).unwrap().is_some(), "{cid} was acknowledged in a round up to {round}");
        }
        let pins: Vec<Cid> = store.pins().iter().map(|pin| pin.cid).collect();
        assert!(pinned.iter().all(|cid| pins.contains(cid)));
    }
    assert!(acknowledged.len() >= 12 && pinned.len() >= 12, "{} blocks, {} pins", acknowledged.len(), pinned.len());
}
