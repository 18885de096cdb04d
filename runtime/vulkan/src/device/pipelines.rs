//! Compiled kernels, kept from one process to the next.
//!
//! Drivers believe what they are given here: so it is only given to one whose header says that it made it, and only if a
//! digest shows that it is what this program was given, by the same driver of the same device, for the same shaders.
//! What is anything else costs no more than the time to compile anew.

use std::path::{Path, PathBuf};
use std::{fs, io};

use sha2::{Digest, Sha256};

use super::Description;
use crate::whole_file;

/// Bytes that are kept, or read: a driver's whole are some hundreds of thousands.
const BYTES_LIMIT: u64 = 64 << 20;
/// What the digest is of, and the layout of the file.
const DOMAIN: &[u8] = b"poai pipelines 1\0";
/// Bytes of a digest.
const DIGEST: usize = 32;
/// Bytes of `VkPipelineCacheHeaderVersionOne`: length, version, vendor, device, and the UUID of 16 bytes.
const HEADER: usize = 32;
/// Its version.
const HEADER_VERSION: u32 = 1;

/// What a driver has made of shaders, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipelines(Vec<u8>);

impl Pipelines {
    /// What a driver has said; none if that is too much to be kept.
    pub(super) fn new(words: Vec<u8>) -> Option<Self> {
        (words.len() as u64 <= BYTES_LIMIT).then_some(Self(words))
    }

    /// What was kept in a folder for the shaders of this digest, if it is whole and this driver's of this device.
    #[must_use]
    pub fn read(folder: &Path, device: &Description, shaders: [u8; DIGEST]) -> Option<Self> {
        let path = path(folder, device);
        if fs::metadata(&path).ok()?.len() > BYTES_LIMIT + DIGEST as u64 {
            return None;
        }
        let file = fs::read(&path).ok()?;
        let (found, words) = file.split_first_chunk()?;
        (*found == digest(device, shaders, words)).then(|| Self(words.to_vec()))
    }

    /// Keeps them in a folder, in place of what was there.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn keep(&self, folder: &Path, device: &Description, shaders: [u8; DIGEST]) -> io::Result<()> {
        whole_file::write(&path(folder, device), &[&digest(device, shaders, &self.0)[..], &self.0].concat())
    }

    /// The words for the driver of a device with these numbers; none for one that did not make them.
    pub(super) fn of(self, vendor: u32, device: u32, driver: &[u8; 16]) -> Option<Vec<u8>> {
        let words = [HEADER as u32, HEADER_VERSION, vendor, device].map(u32::to_le_bytes);
        let is_its =
            self.0.len() >= HEADER && self.0.starts_with(words.as_flattened()) && self.0[16..].starts_with(driver);
        is_its.then_some(self.0)
    }
}

fn path(folder: &Path, device: &Description) -> PathBuf {
    folder.join(format!("{}-{:08x}.pipelines", device.uuid, device.driver.version))
}

fn digest(device: &Description, shaders: [u8; DIGEST], words: &[u8]) -> [u8; DIGEST] {
    let device = serde_json::to_vec(device).expect("a description is plain data");
    let hash = Sha256::new().chain_update(DOMAIN).chain_update(shaders);
    let hash = hash.chain_update((device.len() as u64).to_le_bytes()).chain_update(device);
    hash.chain_update(words).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_given_what_has_its_own_header() {
        // As the specification of Vulkan has it: all numbers with their least byte first.
        let mut words = vec![32, 0, 0, 0, 1, 0, 0, 0, 0xde, 0x10, 0, 0, 0x30, 0x23, 0, 0];
        words.extend(1..=16);
        words.extend(b"what it made");
        let driver: [u8; 16] = std::array::from_fn(|i| i as u8 + 1);
        let given = |words: &[u8], vendor, device, driver| Pipelines(words.to_vec()).of(vendor, device, driver);
        assert_eq!(given(&words, 0x10de, 0x2330, &driver), Some(words.clone()));
        assert_eq!(given(&words[..32], 0x10de, 0x2330, &driver), Some(words[..32].to_vec()));
        assert_eq!(given(&words[..31], 0x10de, 0x2330, &driver), None);
        assert_eq!(given(&words, 0x10df, 0x2330, &driver), None);
        assert_eq!(given(&words, 0x10de, 0x2331, &driver), None);
        assert_eq!(given(&words, 0x10de, 0x2330, &[0; 16]), None);
        for (place, value) in [(0, 33), (4, 2), (31, 0)] {
            let mut other = words.clone();
            other[place] = value;
            assert_eq!(given(&other, 0x10de, 0x2330, &driver), None);
        }
        assert_eq!(given(b"", 0x10de, 0x2330, &driver), None);
    }
}
