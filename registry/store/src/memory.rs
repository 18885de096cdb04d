use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cid::Cid;

use crate::block::{Address, Digest, address_of};
use crate::in_use::Registry;
use crate::{Blocks, InUse, StoreError, Verified};

/// Blocks in memory: to find out what a file's CID would be, and for tests.
#[derive(Debug, Default)]
pub struct MemoryBlocks {
    blocks: Mutex<HashMap<Digest, bytes::Bytes>>,
    in_use: Arc<Registry>,
}

impl MemoryBlocks {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, bytes::Bytes>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocks for MemoryBlocks {
    fn size(&self, cid: &Cid) -> Result<Option<u64>, StoreError> {
        Ok(self.get(cid)?.map(|block| block.bytes().len() as u64))
    }

    fn get(&self, cid: &Cid) -> Result<Option<Verified>, StoreError> {
        let bytes = match address_of(cid)? {
            Address::Inline(bytes) => Some(bytes::Bytes::copy_from_slice(bytes)),
            Address::Filed(digest) => self.lock().get(&digest).cloned(),
        };
        bytes.map(|bytes| Verified::check(cid, bytes)).transpose()
    }

    fn put(&self, block: &Verified) -> Result<(), StoreError> {
        if let Address::Filed(digest) = address_of(block.cid())? {
            self.lock().insert(digest, block.bytes().clone());
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn in_use(&self) -> InUse {
        self.in_use.guard()
    }
}
