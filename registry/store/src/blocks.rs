use cid::Cid;

use crate::{InUse, Store, StoreError, Verified};

/// A home of blocks: the embedded [`Store`], or a Kubo node.
///
/// UnixFS, archives and walks work over any. Calls may wait for a disk or a socket.
pub trait Blocks: Send + Sync {
    /// The block's length in bytes, without reading it; none if it is not here.
    ///
    /// # Errors
    /// An unsupported hash, a fault of disk or socket.
    fn size(&self, cid: &Cid) -> Result<Option<u64>, StoreError>;

    /// The block; none if it is not here.
    ///
    /// # Errors
    /// As [`Self::size`], and [`StoreError::Corrupt`].
    fn get(&self, cid: &Cid) -> Result<Option<Verified>, StoreError>;

    /// Keeps a block. Visible at once; durable after the next [`Self::sync`].
    ///
    /// # Errors
    /// Quota, full disk, a fault of disk or socket.
    fn put(&self, block: &Verified) -> Result<(), StoreError>;

    /// Makes durable whatever was put before.
    ///
    /// # Errors
    /// A full disk or another fault; the blocks that could not be made durable are gone.
    fn sync(&self) -> Result<(), StoreError>;

    /// Begins to hold content against this home's collection, if it has one.
    fn in_use(&self) -> InUse;

    /// The block, which must be here.
    ///
    /// # Errors
    /// As [`Self::get`], and [`StoreError::NotFound`].
    fn need(&self, cid: &Cid) -> Result<Verified, StoreError> {
        self.get(cid)?.ok_or(StoreError::NotFound { cid: *cid })
    }
}

impl Blocks for Store {
    fn size(&self, cid: &Cid) -> Result<Option<u64>, StoreError> {
        Self::size(self, cid)
    }

    fn get(&self, cid: &Cid) -> Result<Option<Verified>, StoreError> {
        Self::get(self, cid)
    }

    fn put(&self, block: &Verified) -> Result<(), StoreError> {
        self.put_lazily(block)
    }

    fn sync(&self) -> Result<(), StoreError> {
        Self::sync(self)
    }

    fn in_use(&self) -> InUse {
        Self::in_use(self)
    }
}

impl<B: Blocks + ?Sized> Blocks for &B {
    fn size(&self, cid: &Cid) -> Result<Option<u64>, StoreError> {
        (**self).size(cid)
    }

    fn get(&self, cid: &Cid) -> Result<Option<Verified>, StoreError> {
        (**self).get(cid)
    }

    fn put(&self, block: &Verified) -> Result<(), StoreError> {
        (**self).put(block)
    }

    fn sync(&self) -> Result<(), StoreError> {
        (**self).sync()
    }

    fn in_use(&self) -> InUse {
        (**self).in_use()
    }
}
