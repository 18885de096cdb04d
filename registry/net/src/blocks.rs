use bytes::Bytes;
use cid::Cid;
use poai_objects::codec::{SHA2_256, cid_of};

use crate::NetError;

/// What went wrong in a [`Blocks`]: a full disk, a corrupt block.
pub type BlockError = Box<dyn std::error::Error + Send + Sync>;

/// Where blocks are kept: the seam to the store.
///
/// Calls may block on a disk; they are made from threads that may wait. Every CID is sha2-256.
pub trait Blocks: Send + Sync + 'static {
    /// The block's bytes, checked against its CID; none if it is not here.
    fn get(&self, cid: &Cid) -> Result<Option<Bytes>, BlockError>;

    /// The block's size in bytes, without reading it; none if it is not here.
    fn size(&self, cid: &Cid) -> Result<Option<u64>, BlockError>;

    /// Keeps a block. The caller has checked that the bytes hash to the CID.
    fn put(&self, cid: &Cid, bytes: &Bytes) -> Result<(), BlockError>;

    /// The CIDs that a block names, in order: what a walk of the whole DAG visits next.
    fn links(&self, cid: &Cid, bytes: &[u8]) -> Result<Vec<Cid>, BlockError>;
}

/// The CID that a block of these bytes has, in the form of `like`: its version, codec and hash.
pub fn cid_of_block(like: &Cid, bytes: &[u8]) -> Result<Cid, NetError> {
    check_hash(like)?;
    let found = cid_of(like.codec(), bytes);
    Ok(match like.version() {
        cid::Version::V0 => Cid::new_v0(*found.hash()).expect("sha2-256 of 32 bytes suits a CIDv0"),
        cid::Version::V1 => found,
    })
}

/// Refuses CIDs whose hash nobody here can check.
pub(crate) fn check_hash(cid: &Cid) -> Result<(), NetError> {
    if cid.hash().code() != SHA2_256 || cid.hash().size() != 32 {
        return Err(NetError::UnsupportedHash { cid: *cid });
    }
    Ok(())
}
