//! Compiled code on disk, so that a program is compiled once a machine.
//!
//! Loading compiled code is trusting it completely, so an entry is used only if this home's key
//! authenticates it for exactly the program and engine that ask. What was authenticated is copied
//! into sealed memory on the way: nobody can change it between the check and its use.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use poai_objects::ProgramId;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::sealed::{SealedFile, SealedWriter};

/// The first bytes of every entry.
const MAGIC: &[u8; 12] = b"poai-code/1\n";
const MAC_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + MAC_BYTES;
/// How an entry's name ends; files of other names are left alone.
const EXTENSION: &str = "code";
/// How the name of an entry that is being written ends.
const PARTIAL: &str = "partial";
/// Bytes read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What authenticates this home's compiled code. Kept by the host beside its other keys.
#[derive(Clone)]
pub struct LocalKey([u8; 32]);

impl LocalKey {
    /// A key of 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKey(hidden)")
    }
}

/// How much compiled code is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeCacheLimits {
    /// Bytes of all entries together; the ones longest unused make room.
    pub quota_bytes: u64,
    /// Bytes of one entry.
    pub entry_bytes: u64,
}

impl Default for CodeCacheLimits {
    fn default() -> Self {
        Self { quota_bytes: 4 << 30, entry_bytes: 1 << 30 }
    }
}

/// All that compiled code depends on besides the program: engine, meter, compiler settings, CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CodeIdentity(pub(crate) [u8; 32]);

/// Names one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodeKey {
    pub(crate) program: ProgramId,
    pub(crate) identity: CodeIdentity,
}

/// What a look-up found.
#[derive(Debug)]
pub(crate) enum Found {
    /// Authentic code.
    Code(SealedFile),
    /// Nothing.
    Nothing,
    /// An entry that is not what this home wrote; it is gone now.
    Rejected { reason: &'static str },
}

/// The directory of compiled code. One process writes it.
#[derive(Debug)]
pub(crate) struct CodeCache {
    directory: PathBuf,
    key: LocalKey,
    limits: CodeCacheLimits,
    partials: AtomicU64,
}

impl CodeCache {
    /// Opens the directory, creates it if it is missing, and removes what an earlier process left half written.
    pub(crate) fn open(directory: &Path, key: LocalKey, limits: CodeCacheLimits) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == PARTIAL) {
                fs::remove_file(path)?;
            }
        }
        Ok(Self { directory: directory.to_owned(), key, limits, partials: AtomicU64::new(0) })
    }

    /// Authentic code for a key, if there is any.
    pub(crate) fn get(&self, key: &CodeKey) -> io::Result<Found> {
        let path = self.path(key);
        // Neither a symbolic link nor a pipe that somebody laid here is followed or waited for.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let entry = match OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(&path) {
            Ok(entry) => entry,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return self.reject(&path, reason_of(&error)),
        };
        match self.verify(key, &entry)? {
            Ok(code) => {
                // Only eviction looks at the time, so a file system that keeps none does no harm.
                entry.set_modified(SystemTime::now()).ok();
                Ok(Found::Code(code))
            }
            Err(reason) => self.reject(&path, reason),
        }
    }

    /// Keeps code, and makes room for it. What is in the way of one entry leaves the others whole.
    pub(crate) fn put(&self, key: &CodeKey, code: &[u8]) -> io::Result<()> {
        if code.len() as u64 > self.limits.entry_bytes {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("one entry may have {} bytes", self.limits.entry_bytes),
            ));
        }
        self.make_room((HEADER_BYTES + code.len()) as u64)?;
        let number = self.partials.fetch_add(1, Ordering::Relaxed);
        let partial = self.directory.join(format!("{number}.{PARTIAL}"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        // Not synced: an entry torn by a power cut is rejected like any other that is not authentic.
        let written = self.write(key, code, file).and_then(|()| fs::rename(&partial, self.path(key)));
        if written.is_err() {
            // The first error is the one to report.
            fs::remove_file(&partial).ok();
        }
        written
    }

    fn write(&self, key: &CodeKey, code: &[u8], mut out: impl Write) -> io::Result<()> {
        let mut mac = self.mac(key, code.len() as u64);
        mac.update(code);
        out.write_all(MAGIC)?;
        out.write_all(&mac.finalize().into_bytes())?;
        out.write_all(code)
    }

    fn verify(&self, key: &CodeKey, mut entry: &File) -> io::Result<Result<SealedFile, &'static str>> {
        let metadata = entry.metadata()?;
        if !metadata.is_file() {
            return Ok(Err("it is not a file"));
        }
        let Some(code_bytes) = metadata.len().checked_sub(HEADER_BYTES as u64) else {
            return Ok(Err("it is shorter than its header"));
        };
        if code_bytes > self.limits.entry_bytes {
            return Ok(Err("it is larger than an entry may be"));
        }
        let mut header = [0; HEADER_BYTES];
        entry.read_exact(&mut header)?;
        let (magic, tag) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return Ok(Err("it is of another kind or version"));
        }
        let mut mac = self.mac(key, code_bytes);
        let mut sealed = SealedWriter::new("poai-code")?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut rest = entry.take(code_bytes);
        loop {
            let length = rest.read(&mut piece)?;
            if length == 0 {
                break;
            }
            mac.update(&piece[..length]);
            sealed.write_all(&piece[..length])?;
        }
        if mac.verify_slice(tag).is_err() {
            return Ok(Err("it was not written by this home for this program and engine"));
        }
        sealed.seal().map(Ok)
    }

    fn reject(&self, path: &Path, reason: &'static str) -> io::Result<Found> {
        let removed = fs::symlink_metadata(path)
            .and_then(|metadata| if metadata.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) });
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Found::Rejected { reason }),
        }
    }

    fn make_room(&self, needed_bytes: u64) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_file() && entry.path().extension().is_some_and(|extension| extension == EXTENSION) {
                entries.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        entries.sort();
        let mut used: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in entries {
            if used.saturating_add(needed_bytes) <= self.limits.quota_bytes {
                break;
            }
            fs::remove_file(path)?;
            used -= bytes;
        }
        Ok(())
    }

    fn path(&self, key: &CodeKey) -> PathBuf {
        let mut hash = Sha256::new();
        hash.update(key.program.cid().to_bytes());
        hash.update(key.identity.0);
        let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(name).with_extension(EXTENSION)
    }

    // Everything that gives the code its meaning is under the tag: an entry cannot be passed off as another's.
    fn mac(&self, key: &CodeKey, code_bytes: u64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key.0).expect("HMAC takes keys of any length");
        mac.update(MAGIC);
        mac.update(&key.program.cid().to_bytes());
        mac.update(&key.identity.0);
        mac.update(&code_bytes.to_be_bytes());
        mac
    }
}

fn reason_of(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ELOOP) => "it is a symbolic link",
        Some(libc::EACCES) => "it may not be read",
        _ => "it cannot be opened",
    }
}

#[cfg(test)]
mod tests;
