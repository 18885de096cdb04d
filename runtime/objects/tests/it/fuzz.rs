//! The fuzz targets on their committed corpus, and on mutations of it that are the same every time.

use std::fs;
use std::path::{Path, PathBuf};

use poai_objects::{Object, Signed};

use crate::samples;

#[path = "../../fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "public for the fuzz binaries, which include the same file")]
mod targets;

/// Mutations of each seed.
const MUTATIONS: u64 = 1_000;
/// Changes of one mutation.
const MAX_CHANGES: u64 = 4;

type Target = fn(&[u8]);

#[test]
fn targets_hold_on_their_corpus_and_near_it() {
    let targets: [(&str, Target); 5] = [
        ("fuzz_object", targets::fuzz_object),
        ("fuzz_signed", targets::fuzz_signed),
        ("fuzz_params", targets::fuzz_params),
        ("fuzz_schema", targets::fuzz_schema),
        ("fuzz_text", targets::fuzz_text),
    ];
    for (name, target) in targets {
        let seeds = corpus(name);
        assert!(seeds.len() >= 5, "{name} has only {} seeds", seeds.len());
        for (index, seed) in seeds.iter().enumerate() {
            target(seed);
            for number in 0..MUTATIONS {
                let mut random = Random(index as u64 * MUTATIONS + number);
                target(&mutation(seed, &seeds, &mut random));
            }
        }
    }
}

pub(crate) fn corpus_of(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// Signed objects as the target `fuzz_signed` takes them.
pub(crate) fn signed_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut forged = signed_seed(samples::receipt());
    let last = forged.len() - 1;
    forged[last] ^= 1;
    vec![
        ("package", signed_seed(samples::package())),
        ("receipt", signed_seed(samples::receipt())),
        ("delegation", signed_seed(samples::delegation())),
        ("forged", forged),
        ("unsignable", signed_seed(samples::claim())),
    ]
}

fn signed_seed<T: Object>(object: T) -> Vec<u8> {
    let signed = Signed::sign(object, &samples::secret()).unwrap();
    let envelope = signed.envelope().to_bytes();
    let length = u16::try_from(envelope.len()).unwrap().to_le_bytes();
    [&length[..], &envelope, &signed.object().to_bytes()].concat()
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(corpus_of(target)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
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

fn mutation(seed: &[u8], seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(MAX_CHANGES as usize) {
        let at = random.below(bytes.len());
        match random.below(6) {
            _ if bytes.is_empty() => bytes.push(random.next() as u8),
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, random.next() as u8),
            4 => bytes.truncate(at),
            // The start of this one and the end of another.
            _ => {
                let other = &seeds[random.below(seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.below(other.len())..]);
            }
        }
    }
    bytes
}
