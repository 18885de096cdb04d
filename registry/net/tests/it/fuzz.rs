//! The fuzz targets on their committed corpus, and on mutations of it that are the same every time.

use std::fs;
use std::path::{Path, PathBuf};

use poai_net::fuzz;

/// Mutations of each seed.
const MUTATIONS: u64 = 1_000;
/// Changes of one mutation.
const MAX_CHANGES: u64 = 4;

type Target = fn(&[u8]);

#[test]
fn targets_hold_on_their_corpus_and_near_it() {
    let targets: [(&str, Target, usize); 4] = [
        ("fuzz_bitswap", fuzz::fuzz_bitswap, 6),
        ("fuzz_run", fuzz::fuzz_run, 19),
        ("fuzz_offer", fuzz::fuzz_offer, 2),
        ("fuzz_frames", fuzz::fuzz_frames, 5),
    ];
    for (name, target, least) in targets {
        let seeds = corpus(name);
        assert!(seeds.len() >= least, "{name} has only {} seeds", seeds.len());
        for (index, seed) in seeds.iter().enumerate() {
            target(seed);
            for number in 0..MUTATIONS {
                target(&mutation(seed, &mut Random(index as u64 * MUTATIONS + number)));
            }
        }
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// SplitMix64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

fn mutation(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(MAX_CHANGES as usize) {
        let at = random.below(bytes.len());
        match random.below(5) {
            _ if bytes.is_empty() => bytes.push(random.next() as u8),
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, random.next() as u8),
            _ => bytes.truncate(at),
        }
    }
    bytes
}
