//! Random numbers that follow from the run's seed.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// One stream for each interface, so that what one draws never shifts another.
pub(crate) struct Random {
    pub(crate) secure: Stream,
    pub(crate) insecure: Stream,
    pub(crate) insecure_seed: Stream,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            secure: Stream::new("poai/random/1", seed),
            insecure: Stream::new("poai/random/insecure/1", seed),
            insecure_seed: Stream::new("poai/random/insecure-seed/1", seed),
        }
    }
}

/// ChaCha20's key stream, byte by byte: two reads of 3 bytes are one read of 6.
pub(crate) struct Stream {
    generator: ChaCha20Rng,
    block: [u8; 64],
    used: usize,
}

impl Stream {
    /// The stream of one domain: its key is SHA-256(domain ‖ 0 ‖ seed, 8 bytes, little endian).
    fn new(domain: &str, seed: u64) -> Self {
        let key = Sha256::new().chain_update(domain).chain_update([0]).chain_update(seed.to_le_bytes()).finalize();
        Self { generator: ChaCha20Rng::from_seed(key.into()), block: [0; 64], used: 64 }
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used == self.block.len() {
                self.generator.fill_bytes(&mut self.block);
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(stream: &mut Stream) -> [u8; N] {
        let mut bytes = [0; N];
        stream.fill(&mut bytes);
        bytes
    }

    #[test]
    fn reads_of_any_sizes_are_one_stream() {
        let whole: [u8; 200] = read(&mut Random::new(7).secure);
        let mut stream = Random::new(7).secure;
        let mut pieces = Vec::new();
        for size in [3, 3, 1, 64, 0, 65, 64] {
            let mut piece = vec![0; size];
            stream.fill(&mut piece);
            pieces.extend(piece);
        }
        assert_eq!(pieces, whole);
    }

    #[test]
    fn the_streams_are_the_engine_s() {
        let mut random = Random::new(0);
        let pinned = [random.secure.next_u64(), random.insecure.next_u64(), random.insecure_seed.next_u64()];
        assert_eq!(pinned, PINNED);
        assert_ne!(Random::new(1).secure.next_u64(), PINNED[0]);
    }

    const PINNED: [u64; 3] = [13_012_214_156_785_102_916, 11_300_594_703_352_290_267, 12_355_640_845_194_536_697];
}
