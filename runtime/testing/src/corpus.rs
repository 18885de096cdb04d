//! Fuzz targets on their committed corpus and near it, wherever the tests run: a fuzzer needs a nightly compiler.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Changes of one mutation, at most.
const MAX_CHANGES: usize = 4;
/// Bytes that are cut out at once, at most.
const MAX_CUT: usize = 16;

/// A fuzz target: takes any bytes, and panics if something does not hold.
pub type Target = fn(&[u8]);

/// Has a target take every seed in a folder, and so many mutations of each, which are the same every time.
///
/// # Panics
/// If the folder has fewer than `least` seeds or cannot be read, and whenever the target does.
pub fn hold(target: Target, folder: &Path, least: usize, mutations: u64) {
    let seeds = seeds(folder);
    assert!(seeds.len() >= least, "{} has only {} seeds", folder.display(), seeds.len());
    for (index, seed) in seeds.iter().enumerate() {
        target(seed);
        for number in 0..mutations {
            target(&mutation(seed, &seeds, &mut Random(index as u64 * mutations + number)));
        }
    }
}

fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let read = || -> io::Result<Vec<Vec<u8>>> {
        let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
        let mut paths = paths.collect::<io::Result<Vec<PathBuf>>>()?;
        paths.sort();
        paths.iter().map(fs::read).collect()
    };
    read().unwrap_or_else(|error| panic!("the corpus {}: {error}", folder.display()))
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
    for _ in 0..=random.below(MAX_CHANGES) {
        let at = random.below(bytes.len());
        match random.below(7) {
            _ if bytes.is_empty() => bytes.push(random.next() as u8),
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => drop(bytes.remove(at)),
            3 => drop(bytes.drain(at..bytes.len().min(at + 1 + random.below(MAX_CUT)))),
            4 => bytes.insert(at, random.next() as u8),
            5 => bytes.truncate(at),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_are_many_and_the_same_every_time() {
        let seeds = [b"one seed, and what follows it".to_vec(), b"another".to_vec()];
        let all = || -> Vec<Vec<u8>> {
            (0..100).map(|number| mutation(&seeds[number as usize % 2], &seeds, &mut Random(number))).collect()
        };
        let mut different = all();
        assert_eq!(different, all());
        different.sort();
        different.dedup();
        assert!(different.len() > 60, "{}", different.len());
    }
}
