//! The output `weights`: the network, and the optimiser's state so that a later run goes on exactly.
//!
//! All numbers are little-endian. With H hidden units:
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `digits-w` |
//! | 4 | version, 1 |
//! | 4 | H: a multiple of 4, at most 1,024 |
//! | 8 | epochs trained so far |
//! | 4 × (65 H + 10 (H + 1)) | f32: hidden layer (64 rows of weights, one of biases), output layer (H rows, one of biases) |
//! | as many | f32: the velocity of each of these numbers |

use crate::idx::{CLASSES, PIXELS};
use crate::lanes::WIDTH;
use crate::layer::Layer;
use crate::network::{MOST_HIDDEN, Network};

const MAGIC: &[u8; 8] = b"digits-w";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;

/// A network in training.
pub(crate) struct Weights {
    /// How often all images were gone through so far.
    pub(crate) epochs: u64,
    pub(crate) network: Network,
    pub(crate) velocity: Network,
}

/// What is wrong with a file of weights.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum WeightsError {
    #[error("the file ends inside its header of {HEADER_BYTES} bytes")]
    NoHeader,
    #[error("the file does not begin with `digits-w`: it holds no weights of this task")]
    Magic,
    #[error("the weights have version {found}; this task knows version {VERSION}")]
    Version { found: u32 },
    #[error("the network has {found} hidden units, which is not a multiple of {WIDTH} from {WIDTH} to {MOST_HIDDEN}")]
    Hidden { found: u32 },
    #[error("a network of {hidden} hidden units takes {expected} bytes, but the file has {found}")]
    Length { hidden: usize, expected: usize, found: usize },
    #[error("number {index} of the file is {value}: the weights are unusable")]
    NotFinite { index: usize, value: f32 },
}

impl Weights {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let hidden = self.network.units();
        let mut file = Vec::with_capacity(file_bytes(hidden));
        file.extend(MAGIC);
        file.extend(VERSION.to_le_bytes());
        file.extend(u32::try_from(hidden).expect("at most MOST_HIDDEN").to_le_bytes());
        file.extend(self.epochs.to_le_bytes());
        file.extend(self.network.values().chain(self.velocity.values()).flat_map(f32::to_le_bytes));
        file
    }

    pub(crate) fn decode(file: &[u8]) -> Result<Self, WeightsError> {
        let (magic, rest) = field::<8>(file)?;
        let (version, rest) = field(rest)?;
        let (hidden, rest) = field(rest)?;
        let (epochs, content) = field(rest)?;
        if &magic != MAGIC {
            return Err(WeightsError::Magic);
        }
        match u32::from_le_bytes(version) {
            VERSION => {}
            found => return Err(WeightsError::Version { found }),
        }
        let found = u32::from_le_bytes(hidden);
        let hidden = found as usize;
        if !is_hidden(hidden) {
            return Err(WeightsError::Hidden { found });
        }
        let expected = file_bytes(hidden);
        if file.len() != expected {
            return Err(WeightsError::Length { hidden, expected, found: file.len() });
        }
        let (numbers, _) = content.as_chunks();
        let mut numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes));
        if let Some((index, value)) = numbers.clone().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(WeightsError::NotFinite { index, value });
        }
        let mut network = || network_of(hidden, &mut numbers);
        Ok(Self { epochs: u64::from_le_bytes(epochs), network: network(), velocity: network() })
    }
}

/// Whether a network can have so many hidden units.
pub(crate) fn is_hidden(units: usize) -> bool {
    (WIDTH..=MOST_HIDDEN).contains(&units) && units.is_multiple_of(WIDTH)
}

fn file_bytes(hidden: usize) -> usize {
    let numbers = (PIXELS + 1) * hidden + (hidden + 1) * CLASSES;
    HEADER_BYTES + 2 * numbers * size_of::<f32>()
}

fn network_of(hidden: usize, numbers: &mut impl Iterator<Item = f32>) -> Network {
    let mut next = || numbers.next().expect("the length was checked");
    Network {
        hidden: Layer::from_values(PIXELS, hidden, &mut next),
        output: Layer::from_values(hidden, CLASSES, &mut next),
    }
}

fn field<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), WeightsError> {
    let (field, rest) = bytes.split_first_chunk().ok_or(WeightsError::NoHeader)?;
    Ok((*field, rest))
}

#[cfg(test)]
mod tests {
    use poai_task::Rng;
    use proptest::prelude::*;

    use super::*;

    fn weights(hidden: usize) -> Weights {
        let mut rng = Rng::new(hidden as u64);
        let network = Network::random(hidden, &mut rng);
        Weights { epochs: 7, network, velocity: Network::random(hidden, &mut rng) }
    }

    #[test]
    fn files_that_hold_no_weights_are_refused() {
        let good = weights(4).encode();
        let with = |at: usize, bytes: &[u8]| {
            let mut file = good.clone();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            file
        };
        for (file, expected) in [
            (good[..23].to_vec(), WeightsError::NoHeader),
            (with(0, b"D"), WeightsError::Magic),
            (with(8, &[2]), WeightsError::Version { found: 2 }),
            (with(12, &[6]), WeightsError::Hidden { found: 6 }),
            (with(12, &[0xfc, 0xff, 0xff, 0xff]), WeightsError::Hidden { found: 0xffff_fffc }),
            (with(12, &[8]), WeightsError::Length { hidden: 8, expected: 4904, found: 2504 }),
            (good[..2503].to_vec(), WeightsError::Length { hidden: 4, expected: 2504, found: 2503 }),
            (
                with(32, &f32::NEG_INFINITY.to_le_bytes()),
                WeightsError::NotFinite { index: 2, value: f32::NEG_INFINITY },
            ),
        ] {
            assert_eq!(Weights::decode(&file).err(), Some(expected));
        }
    }

    proptest! {
        /// Decoding then encoding is the identity on every file that is not refused.
        #[test]
        fn files_come_back(units in 1..9usize, epochs in any::<u64>(), numbers in prop::collection::vec(any::<u32>(), 1..64)) {
            let mut weights = weights(units * WIDTH);
            weights.epochs = epochs;
            let mut file = weights.encode();
            prop_assert_eq!(&Weights::decode(&file).unwrap().encode(), &file);
            for (at, bits) in numbers.iter().enumerate() {
                file[HEADER_BYTES + at * 4..][..4].copy_from_slice(&bits.to_le_bytes());
            }
            let all_finite = numbers.iter().all(|bits| f32::from_bits(*bits).is_finite());
            match Weights::decode(&file) {
                Ok(decoded) => prop_assert!(all_finite && decoded.encode() == file),
                Err(error) => {
                    let not_finite = matches!(error, WeightsError::NotFinite { .. });
                    prop_assert!(!all_finite && not_finite, "{}", error);
                }
            }
        }

        /// Bytes that are no weights are refused, never a panic.
        #[test]
        fn other_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut file = MAGIC.to_vec();
            file.extend(bytes);
            prop_assert!(Weights::decode(&file).is_err());
        }
    }
}
