use bytes::Bytes;
use cid::{Cid, Version};
use multihash::Multihash;
use sha2::{Digest as _, Sha256};

use crate::StoreError;
use crate::limits::BLOCK_BYTES;

/// The multicodec of raw blocks, UnixFS's leaves among them.
pub const RAW: u64 = 0x55;
/// The multicodec of UnixFS nodes.
pub const DAG_PB: u64 = 0x70;
/// The multicodec of poai's objects.
pub const DAG_CBOR: u64 = 0x71;
/// The multihash code of sha2-256.
pub const SHA2_256: u64 = 0x12;
/// The multihash code of CIDs that carry their bytes in themselves: at most 64, what a [`Cid`] holds.
pub const IDENTITY: u64 = 0x00;

/// What a block is filed under: CIDs of one digest, whatever their version and codec, are the same bytes.
pub(crate) type Digest = [u8; 32];

/// Bytes that were hashed and found to be what their CID says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    cid: Cid,
    bytes: Bytes,
}

impl Verified {
    /// Checks bytes against their CID: the only way to make one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] names both CIDs; a hash other than sha2-256 is refused by name, a block
    /// above 2 MiB by its size.
    pub fn check(cid: &Cid, bytes: impl Into<Bytes>) -> Result<Self, StoreError> {
        let bytes = bytes.into();
        check_size(bytes.len() as u64)?;
        let same = match address_of(cid)? {
            Address::Inline(inline) => inline == &bytes[..],
            Address::Filed(digest) => digest == sha2_256(&bytes),
        };
        if !same {
            return Err(StoreError::Corrupt { cid: *cid, found: Box::new(cid_like(cid, sha2_256(&bytes))) });
        }
        Ok(Self { cid: *cid, bytes })
    }

    /// Names bytes: a CIDv1 of this codec and sha2-256.
    ///
    /// # Errors
    /// A block above 2 MiB.
    pub fn of(codec: u64, bytes: impl Into<Bytes>) -> Result<Self, StoreError> {
        let bytes = bytes.into();
        check_size(bytes.len() as u64)?;
        Ok(Self { cid: Cid::new_v1(codec, sha2_256_multihash(sha2_256(&bytes))), bytes })
    }

    /// The CID that the bytes were checked against.
    #[must_use]
    pub const fn cid(&self) -> &Cid {
        &self.cid
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Where a CID's bytes are.
pub(crate) enum Address<'a> {
    /// In the CID.
    Inline(&'a [u8]),
    /// In the file of this digest.
    Filed(Digest),
}

/// Sorts a CID by its hash, refusing those that nobody here can check.
pub(crate) fn address_of(cid: &Cid) -> Result<Address<'_>, StoreError> {
    let hash = cid.hash();
    match (hash.code(), <Digest>::try_from(hash.digest())) {
        (SHA2_256, Ok(digest)) => Ok(Address::Filed(digest)),
        (IDENTITY, _) => Ok(Address::Inline(hash.digest())),
        _ => Err(StoreError::UnsupportedHash { cid: *cid, hash: hash_name(hash.code(), hash.size()).into() }),
    }
}

/// The CID of a digest in the form of another: its version and codec.
pub(crate) fn cid_like(form: &Cid, digest: Digest) -> Cid {
    let hash = sha2_256_multihash(digest);
    match form.version() {
        Version::V0 => Cid::new_v0(hash).expect("sha2-256 of 32 bytes suits a CIDv0"),
        Version::V1 => Cid::new_v1(form.codec(), hash),
    }
}

pub(crate) fn sha2_256(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

fn sha2_256_multihash(digest: Digest) -> Multihash<64> {
    Multihash::wrap(SHA2_256, &digest).expect("32 bytes fit a multihash of 64")
}

fn check_size(bytes: u64) -> Result<(), StoreError> {
    if bytes > BLOCK_BYTES {
        return Err(StoreError::BlockTooLarge { bytes, limit: BLOCK_BYTES });
    }
    Ok(())
}

/// Names from the multicodec table, for those that are met in the wild.
fn hash_name(code: u64, size: u8) -> String {
    let name = match code {
        0x11 => "sha1",
        SHA2_256 => return format!("sha2-256 cut to {size} bytes"),
        0x13 => "sha2-512",
        0x14 => "sha3-512",
        0x16 => "sha3-256",
        0x1b => "keccak-256",
        0x1e => "blake3",
        0xb220 => "blake2b-256",
        0xb260 => "blake2s-256",
        _ => return format!("{code:#x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Well-known CIDs: the empty file and the empty folder.
    #[test]
    fn well_known_blocks_have_their_cids() {
        for (codec, bytes, cid) in [
            (RAW, &b""[..], "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
            (DAG_PB, &b"\x0a\x02\x08\x01"[..], "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"),
        ] {
            assert_eq!(Verified::of(codec, bytes).unwrap().cid().to_string(), cid);
            assert!(Verified::check(&cid.parse().unwrap(), bytes).is_ok());
        }
    }

    #[test]
    fn version_0_and_identity_are_read_and_other_hashes_refused_by_name() {
        let empty_folder: Cid = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap();
        assert!(Verified::check(&empty_folder, &b"\x0a\x02\x08\x01"[..]).is_ok());
        assert!(
            matches!(Verified::check(&empty_folder, &b"x"[..]), Err(StoreError::Corrupt { found, .. }) if found.version() == Version::V0)
        );
        let inline = Cid::new_v1(RAW, Multihash::wrap(IDENTITY, b"hi").unwrap());
        assert!(Verified::check(&inline, &b"hi"[..]).is_ok());
        assert!(matches!(Verified::check(&inline, &b"ho"[..]), Err(StoreError::Corrupt { .. })));
        for (code, digest, name) in [
            (0x13, &[1u8; 64][..], "sha2-512"),
            (0x1e, &[1; 32], "blake3"),
            (0x12, &[1; 20], "sha2-256 cut to 20 bytes"),
            (0x9999, &[1; 32], "0x9999"),
        ] {
            let cid = Cid::new_v1(RAW, Multihash::wrap(code, digest).unwrap());
            assert!(
                Verified::check(&cid, &b""[..]).unwrap_err().to_string().contains(&format!("of hash {name};")),
                "{name}"
            );
        }
    }

    #[test]
    fn two_mebibytes_are_a_block_and_one_byte_more_is_not() {
        assert!(Verified::of(RAW, vec![0; 2 << 20]).is_ok());
        assert!(matches!(
            Verified::of(RAW, vec![0; (2 << 20) + 1]),
            Err(StoreError::BlockTooLarge { bytes: 2_097_153, limit: 2_097_152 })
        ));
    }
}
