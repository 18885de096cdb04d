//! One block, one file: `blocks/ab/cd…`, the hex of its digest. A file is complete from the moment
//! that it has its name, because it gets it by a rename; what power loss tears nevertheless is found
//! by its hash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::fs::Mode;

use crate::block::{Digest, sha2_256};
use crate::limits::BLOCK_BYTES;
use crate::{StoreError, StoreLimits};

/// Folders that blocks are spread over: by the first byte of the digest.
const SHARDS: usize = 256;

/// The files of all blocks.
pub(crate) struct BlockFiles {
    dir: PathBuf,
    // One writer a shard: looking, writing and counting are one step.
    shards: [Mutex<()>; SHARDS],
    bytes: AtomicU64,
    count: AtomicU64,
    temporary: AtomicU64,
    quota_bytes: u64,
    set_aside_blocks: u64,
}

/// A block's file, and what is in it.
pub(crate) struct Content {
    pub(crate) file: File,
    pub(crate) bytes: Bytes,
}

impl BlockFiles {
    /// Opens the folders, makes them if need be, drops half-written files and counts the blocks.
    pub(crate) fn open(dir: &Path, limits: &StoreLimits) -> Result<Self, StoreError> {
        let files = Self {
            dir: dir.to_owned(),
            shards: [const { Mutex::new(()) }; SHARDS],
            bytes: AtomicU64::new(0),
            count: AtomicU64::new(0),
            temporary: AtomicU64::new(0),
            quota_bytes: limits.quota_bytes,
            set_aside_blocks: limits.set_aside_blocks,
        };
        for folder in ["blocks", "corrupt", "tmp"] {
            make_folder(&dir.join(folder))?;
        }
        for entry in read_folder(&dir.join("tmp"))? {
            fs::remove_file(&entry).map_err(|error| StoreError::io(&entry, error))?;
        }
        for shard in 0..SHARDS {
            let folder = files.shard_folder(u8::try_from(shard).expect("256 shards, one for each byte"));
            make_folder(&folder)?;
            for entry in read_folder(&folder)? {
                let bytes = fs::metadata(&entry).map_err(|error| StoreError::io(&entry, error))?.len();
                files.count_in(bytes);
            }
        }
        Ok(files)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The block's length in bytes, by its file alone.
    pub(crate) fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let path = self.path(digest);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(&path, error)),
        }
    }

    /// The file and its bytes, not yet checked. Nothing above a block's limit is read.
    pub(crate) fn read(&self, digest: &Digest) -> Result<Option<Content>, StoreError> {
        let path = self.path(digest);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(&path, error)),
        };
        let read = || -> io::Result<Vec<u8>> {
            let length = file.metadata()?.len().min(BLOCK_BYTES + 1);
            let mut bytes = Vec::with_capacity(usize::try_from(length).expect("2 MiB fit"));
            (&mut file).take(BLOCK_BYTES + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = { read }().map_err(|error| StoreError::io(&path, error))?.into();
        Ok(Some(Content { file, bytes }))
    }

    /// Writes a block, unless the same bytes are there. `written` is called before anybody can see it as old.
    pub(crate) fn write(&self, digest: &Digest, bytes: &[u8], written: impl FnOnce()) -> Result<(), StoreError> {
        let _alone = self.lock(digest);
        let old = self.size(digest)?;
        if old == Some(bytes.len() as u64) && self.read(digest)?.is_some_and(|content| content.bytes == bytes) {
            return Ok(());
        }
        let length = bytes.len() as u64;
        // Reserved before it is written, so that writers who come together cannot pass the quota.
        if self.bytes.fetch_add(length, Ordering::Relaxed) + length > self.quota_bytes {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
            return Err(StoreError::QuotaUsedUp { quota_bytes: self.quota_bytes });
        }
        if let Err(error) = self.write_and_name(digest, bytes) {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
            return Err(error);
        }
        match old {
            Some(old) => self.uncount_bytes(old),
            None => drop(self.count.fetch_add(1, Ordering::Relaxed)),
        }
        written();
        Ok(())
    }

    /// Removes a block. Its length, if it was there.
    pub(crate) fn remove(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let _alone = self.lock(digest);
        let path = self.path(digest);
        let Some(length) = self.size(digest)? else { return Ok(None) };
        fs::remove_file(&path).map_err(|error| StoreError::io(&path, error))?;
        self.count_out(length);
        Ok(Some(length))
    }

    /// Moves a corrupt block out of the way, unless it has been written anew meanwhile.
    pub(crate) fn set_aside(&self, digest: &Digest) -> Result<(), StoreError> {
        let _alone = self.lock(digest);
        let Some(content) = self.read(digest)? else { return Ok(()) };
        if sha2_256(&content.bytes) == *digest {
            return Ok(());
        }
        let path = self.path(digest);
        let length = self.size(digest)?.unwrap_or(0);
        let aside = self.dir.join("corrupt");
        let kept = read_folder(&aside)?.len() as u64;
        let moved = if kept < self.set_aside_blocks {
            fs::rename(&path, aside.join(hex(digest)))
        } else {
            fs::remove_file(&path)
        };
        moved.map_err(|error| StoreError::io(&path, error))?;
        self.count_out(length);
        Ok(())
    }

    /// The digests of one shard.
    pub(crate) fn list_shard(&self, shard: u8) -> Result<Vec<Digest>, StoreError> {
        let entries = read_folder(&self.shard_folder(shard))?;
        Ok(entries.iter().filter_map(|path| parse_name(shard, path.file_name()?.to_str()?)).collect())
    }

    /// Makes files and their names durable.
    pub(crate) fn sync(&self, digests: &[Digest]) -> Result<(), StoreError> {
        // Beyond a few files, one sync of the file system is cheaper than theirs and their folders'.
        const ONE_BY_ONE: usize = 4;
        if digests.len() > ONE_BY_ONE {
            let root = File::open(&self.dir).map_err(|error| StoreError::io(&self.dir, error))?;
            return rustix::fs::syncfs(&root).map_err(|error| StoreError::io(&self.dir, error));
        }
        for digest in digests {
            for path in [self.path(digest), self.shard_folder(digest[0])] {
                let synced = File::open(&path).and_then(|file| file.sync_all());
                match synced {
                    // Collected or set aside meanwhile: nothing is left to sync.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other.map_err(|error| StoreError::io(&path, error))?,
                }
            }
        }
        Ok(())
    }

    fn write_and_name(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let temporary = self.dir.join("tmp").join(self.temporary.fetch_add(1, Ordering::Relaxed).to_string());
        let path = self.path(digest);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(Mode::from_raw_mode(0o400).as_raw_mode())
            .open(&temporary)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&temporary, &path));
        written.map_err(|error| {
            // If even this fails, opening the store clears the folder.
            let _ = fs::remove_file(&temporary);
            StoreError::io(&path, error)
        })
    }

    fn shard_folder(&self, shard: u8) -> PathBuf {
        self.dir.join("blocks").join(hex(&[shard]))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.shard_folder(digest[0]).join(hex(&digest[1..]))
    }

    fn lock(&self, digest: &Digest) -> MutexGuard<'_, ()> {
        self.shards[usize::from(digest[0])].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_in(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn count_out(&self, bytes: u64) {
        self.uncount_bytes(bytes);
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Never below nothing, though a damaged file may be longer than what was counted for it.
    fn uncount_bytes(&self, bytes: u64) {
        let less = |counted: u64| Some(counted.saturating_sub(bytes));
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).expect("it always has a next value");
    }
}

/// Makes a folder for this user alone, if it is not there.
pub(crate) fn make_folder(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| StoreError::io(path, error))
}

fn read_folder(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|error| StoreError::io(path, error))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_name(shard: u8, name: &str) -> Option<Digest> {
    let mut digest = [shard; 32];
    if name.len() != 62 || !name.is_ascii() {
        return None;
    }
    for (byte, pair) in digest[1..].iter_mut().zip(name.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}
