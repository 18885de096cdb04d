use std::fmt::{self, Debug, Formatter};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use cid::Cid;
use rustix::fs::{FlockOperation, MemfdFlags, SealFlags, flock};

use crate::block::{Address, Digest, address_of};
use crate::block_file::{BlockFiles, Content, make_folder};
use crate::commit::GroupCommit;
use crate::in_use::Registry;
use crate::pins::Pins;
use crate::{Collected, Durability, InUse, Pin, PinMode, StoreError, StoreLimits, Verified, Walk, gc};

/// What the file `version` holds.
const LAYOUT: &str = "poai-store 1\n";

/// The blocks of one home. Clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

pub(crate) struct Inner {
    dir: PathBuf,
    limits: StoreLimits,
    pub(crate) files: BlockFiles,
    commit: GroupCommit,
    pub(crate) in_use: Arc<Registry>,
    pins: Mutex<Pins>,
    collection: Mutex<()>,
    // Locked as long as it is open.
    _lock: File,
}

/// How much the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The most that they may be.
    pub quota_bytes: u64,
}

/// A block that was verified, as an open file: it can be read, mapped, and passed to a worker.
#[derive(Debug)]
pub struct BlockFile {
    /// Opened read-only, at its beginning. It stays readable whatever is collected meanwhile.
    pub file: File,
    /// Where the payload begins, bytes: 0, but for file leaves in a UnixFS wrapping.
    pub offset: u64,
    /// The payload's length, bytes.
    pub bytes: u64,
}

impl Store {
    /// Opens the store in a folder, which is made if need be. Leftovers of a crash are cleared away.
    ///
    /// # Errors
    /// [`StoreError::HeldElsewhere`] while another process has it open, [`StoreError::NotAStore`] for a
    /// folder of another layout, [`StoreError::PinsDamaged`].
    pub fn open(dir: impl Into<PathBuf>, limits: StoreLimits) -> Result<Self, StoreError> {
        let dir = dir.into();
        make_folder(&dir)?;
        let lock = take_lock(&dir)?;
        check_layout(&dir)?;
        let files = BlockFiles::open(&dir, &limits)?;
        let pins = Mutex::new(Pins::open(&dir.join("pins"), limits.pins)?);
        let commit = GroupCommit::default();
        let in_use = Arc::default();
        Ok(Self(Arc::new(Inner { dir, limits, files, commit, in_use, pins, collection: Mutex::new(()), _lock: lock })))
    }

    /// Whether the block is here, without reading it.
    ///
    /// # Errors
    /// An unsupported hash, a fault of the disk.
    pub fn has(&self, cid: &Cid) -> Result<bool, StoreError> {
        Ok(self.size(cid)?.is_some())
    }

    /// The block's length in bytes, without reading it; none if it is not here.
    ///
    /// # Errors
    /// As [`Self::has`].
    pub fn size(&self, cid: &Cid) -> Result<Option<u64>, StoreError> {
        match address_of(cid)? {
            Address::Inline(bytes) => Ok(Some(bytes.len() as u64)),
            Address::Filed(digest) => self.0.files.size(&digest),
        }
    }

    /// The block, checked; none if it is not here.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]: the block is moved aside, and missing from then on.
    pub fn get(&self, cid: &Cid) -> Result<Option<Verified>, StoreError> {
        match address_of(cid)? {
            Address::Inline(bytes) => Verified::check(cid, Bytes::copy_from_slice(bytes)).map(Some),
            Address::Filed(digest) => Ok(self.read(cid, &digest)?.map(|(_, block)| block)),
        }
    }

    /// The block, which must be here.
    ///
    /// # Errors
    /// As [`Self::get`], and [`StoreError::NotFound`].
    pub fn need(&self, cid: &Cid) -> Result<Verified, StoreError> {
        self.get(cid)?.ok_or(StoreError::NotFound { cid: *cid })
    }

    /// The block as a file that was checked through this very descriptor.
    ///
    /// # Errors
    /// As [`Self::need`].
    pub fn block_file(&self, cid: &Cid) -> Result<BlockFile, StoreError> {
        self.block_file_and_bytes(cid).map(|(file, _)| file)
    }

    pub(crate) fn block_file_and_bytes(&self, cid: &Cid) -> Result<(BlockFile, Bytes), StoreError> {
        let (file, bytes) = match address_of(cid)? {
            Address::Inline(bytes) => {
                (inline_file(bytes).map_err(|error| StoreError::io(&self.0.dir, error))?, Bytes::copy_from_slice(bytes))
            }
            Address::Filed(digest) => {
                let (mut file, block) = self.read(cid, &digest)?.ok_or(StoreError::NotFound { cid: *cid })?;
                file.rewind().map_err(|error| StoreError::io(&self.0.dir, error))?;
                (file, block.into_bytes())
            }
        };
        Ok((BlockFile { file, offset: 0, bytes: bytes.len() as u64 }, bytes))
    }

    /// Keeps a block. When it returns is for [`StoreLimits::durability`] to say.
    ///
    /// # Errors
    /// [`StoreError::QuotaUsedUp`], [`StoreError::DiskFull`], another fault of the disk.
    pub fn put(&self, block: &Verified) -> Result<(), StoreError> {
        self.put_lazily(block)?;
        self.settle(block)
    }

    /// Names bytes and keeps them: [`Verified::of`] and [`Self::put`].
    ///
    /// # Errors
    /// As [`Self::put`]; a block above 2 MiB.
    pub fn put_bytes(&self, codec: u64, bytes: impl Into<Bytes>) -> Result<Cid, StoreError> {
        let block = Verified::of(codec, bytes)?;
        self.put(&block)?;
        Ok(*block.cid())
    }

    /// Keeps many blocks, with one sync for all.
    ///
    /// # Errors
    /// As [`Self::put`]; blocks before the failing one may be there.
    pub fn put_many<'a>(&self, blocks: impl IntoIterator<Item = &'a Verified>) -> Result<(), StoreError> {
        let mut last = None;
        for block in blocks {
            self.put_lazily(block)?;
            last = Some(block);
        }
        match (last, self.0.limits.durability) {
            (Some(_), Durability::Synced) => self.sync(),
            _ => Ok(()),
        }
    }

    /// Keeps a block: visible at once, durable after the next [`Self::sync`] of anybody.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_lazily(&self, block: &Verified) -> Result<(), StoreError> {
        let Address::Filed(digest) = address_of(block.cid())? else { return Ok(()) };
        let bytes = block.bytes();
        if bytes.len() as u64 > self.0.limits.block_bytes {
            return Err(StoreError::BlockTooLarge { bytes: bytes.len() as u64, limit: self.0.limits.block_bytes });
        }
        self.0.in_use.will_put(digest);
        let mut unsynced = 0;
        self.0.files.write(&digest, bytes, || unsynced = self.0.commit.wrote(digest))?;
        self.0.in_use.did_put(block.cid());
        if unsynced as u64 >= self.0.limits.unsynced_blocks {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes durable whatever was put before.
    ///
    /// # Errors
    /// [`StoreError::NotDurable`]: the blocks that the disk did not take are dropped.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.0.commit.sync(&self.0.files)
    }

    /// Pins content: no collection drops it until it is unpinned, or its time comes.
    ///
    /// A pin of the same content and name is replaced. For a remote run's outputs, `until` is the end of
    /// their retention, and whoever has fetched them unpins.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] if a recursive pin's DAG lacks a block, [`StoreError::NotFound`] for a
    /// direct one; a name above 255 bytes or with control characters.
    pub fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        // Held first: what is found whole is whole when the pin takes over.
        let held = self.in_use();
        held.hold_dag(&pin.cid);
        match pin.mode {
            PinMode::Recursive => Walk::check_whole(self, &pin.cid)?,
            PinMode::Direct if !self.has(&pin.cid)? => return Err(StoreError::NotFound { cid: pin.cid }),
            PinMode::Direct => {}
        }
        self.sync()?;
        self.0.lock_pins().add(pin)
    }

    /// Ends a pin.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPin`].
    pub fn unpin(&self, cid: &Cid, name: &str) -> Result<(), StoreError> {
        self.0.lock_pins().remove(cid, name)
    }

    /// All pins, ordered by CID and name.
    #[must_use]
    pub fn pins(&self) -> Vec<Pin> {
        self.0.lock_pins().list()
    }

    /// Begins to hold content against collection, without a trace on disk.
    #[must_use]
    pub fn in_use(&self) -> InUse {
        self.0.in_use.guard()
    }

    /// Drops all blocks that no pin and no [`InUse`] keeps; pins whose time has come by `now` end.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] or what makes a block unreadable, if content that is pinned cannot be
    /// followed: then nothing is dropped.
    pub fn collect(&self, now: SystemTime) -> Result<Collected, StoreError> {
        let _one_at_a_time = self.0.collection.lock().unwrap_or_else(PoisonError::into_inner);
        gc::collect(self, &self.0, now)
    }

    /// How much the store holds.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage { blocks: self.0.files.count(), bytes: self.0.files.bytes(), quota_bytes: self.0.limits.quota_bytes }
    }

    /// The store's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    fn settle(&self, block: &Verified) -> Result<(), StoreError> {
        match (self.0.limits.durability, address_of(block.cid())?) {
            (Durability::Synced, Address::Filed(digest)) if self.0.commit.wants_sync(&digest) => self.sync(),
            _ => Ok(()),
        }
    }

    fn read(&self, cid: &Cid, digest: &Digest) -> Result<Option<(File, Verified)>, StoreError> {
        let Some(Content { file, bytes }) = self.0.files.read(digest)? else { return Ok(None) };
        match Verified::check(cid, bytes) {
            Ok(block) => Ok(Some((file, block))),
            Err(error) => {
                tracing::warn!(%error, "moved aside");
                self.0.files.set_aside(digest)?;
                Err(error)
            }
        }
    }
}

impl Debug for Store {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.0.dir).finish_non_exhaustive()
    }
}

impl Inner {
    pub(crate) fn lock_pins(&self) -> MutexGuard<'_, Pins> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the folder for this process, and writes down which one it is.
fn take_lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let io = |error: io::Error| StoreError::io(&path, error);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            (&mut file).take(32).read_to_string(&mut holder).map_err(io)?;
            let holder = if holder.bytes().all(|byte| byte.is_ascii_digit()) && !holder.is_empty() {
                holder
            } else {
                "of unknown number".to_owned()
            };
            return Err(StoreError::HeldElsewhere { path: dir.to_owned(), holder });
        }
        Err(error) => return Err(io(error.into())),
    }
    // For people only: the lock itself is the system's, so a full disk is no reason to refuse.
    let noted = file.set_len(0).and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
    if let Err(error) = noted {
        tracing::debug!(%error, "the lock's holder was not written down");
    }
    Ok(file)
}

fn check_layout(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join("version");
    let mut found = String::new();
    match File::open(&path) {
        Ok(file) => file.take(64).read_to_string(&mut found).map_err(|error| StoreError::io(&path, error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fresh = dir.join("version.new");
            let written = fs::write(&fresh, LAYOUT)
                .and_then(|()| File::open(&fresh)?.sync_all())
                .and_then(|()| fs::rename(&fresh, &path));
            return written.map_err(|error| StoreError::io(&path, error));
        }
        Err(error) => return Err(StoreError::io(&path, error)),
    };
    if found != LAYOUT {
        return Err(StoreError::NotAStore {
            path: dir.to_owned(),
            reason: format!("its version is {:?}", found.trim_end()),
        });
    }
    Ok(())
}

/// A file in memory that nobody can change any more, for the bytes of an identity CID.
fn inline_file(bytes: &[u8]) -> io::Result<File> {
    let mut file =
        File::from(rustix::fs::memfd_create("identity-block", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(bytes)?;
    file.rewind()?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}
