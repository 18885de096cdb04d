use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use cid::Cid;
use rustix::fs::{Mode, OFlags, RenameFlags, mkdirat, open as open_folder, openat, renameat_with};

use super::folder::check_name;
use super::layout::{LayoutLimits, Node, open};
use super::{EntryKind, FileReader, FolderEntry};
use crate::{Blocks, StoreError};

/// What an export may grow to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportLimits {
    /// Bytes of all files together: a small DAG can name one block a million times.
    pub bytes: u64,
    /// Files and folders.
    pub entries: u64,
    /// Folders inside each other.
    pub depth: usize,
    /// Of each file and folder.
    pub layout: LayoutLimits,
}

impl Default for ExportLimits {
    fn default() -> Self {
        Self { bytes: 1 << 40, entries: 1 << 20, depth: 128, layout: LayoutLimits::default() }
    }
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files.
    pub files: u64,
    /// Folders, the root included.
    pub folders: u64,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// Writes a file or a folder to `path`, where nothing may be yet: it appears there whole, or not at all.
///
/// Names come from strangers, so every one is a single path component, every file and folder is made
/// anew relative to its folder's descriptor, and no symbolic link is followed or made.
///
/// # Errors
/// [`StoreError::RefusedPath`] for a bad name, a symbolic link in the DAG, or a path that exists;
/// [`StoreError::NotFound`] for a missing block; a limit; a fault of the disk.
pub fn export(blocks: &dyn Blocks, cid: &Cid, path: &Path, limits: &ExportLimits) -> Result<Exported, StoreError> {
    let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
        return Err(StoreError::RefusedPath { path: path.to_owned(), reason: "it names no file or folder" });
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let io = |error: rustix::io::Errno| StoreError::io(path, error);
    if fs::symlink_metadata(path).is_ok() {
        return Err(StoreError::RefusedPath { path: path.to_owned(), reason: "it exists" });
    }
    let in_use = blocks.in_use();
    in_use.hold_dag(cid);
    let folder =
        open_folder(parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(io)?;
    let partial = Partial::new(parent);
    let mut exporter = Exporter { blocks, limits, done: Exported::default(), chunk: vec![0; 1 << 18] };
    exporter.any(folder.as_fd(), &partial.name, &partial.path, cid, 0)?;
    match renameat_with(&folder, partial.name.as_str(), &folder, name, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(exporter.done),
        Err(rustix::io::Errno::EXIST) => Err(StoreError::RefusedPath { path: path.to_owned(), reason: "it exists" }),
        Err(error) => Err(io(error)),
    }
}

struct Exporter<'a> {
    blocks: &'a dyn Blocks,
    limits: &'a ExportLimits,
    done: Exported,
    chunk: Vec<u8>,
}

impl Exporter<'_> {
    fn any(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &str,
        path: &Path,
        cid: &Cid,
        depth: usize,
    ) -> Result<(), StoreError> {
        if self.done.files + self.done.folders == self.limits.entries {
            return Err(limit(cid, "entries", self.limits.entries));
        }
        match open(self.blocks, cid, &self.limits.layout)? {
            Node::File(_) => self.file(folder, name, path, cid),
            Node::Folder(entries) => self.folder(folder, name, path, cid, &entries, depth),
            Node::Symlink => Err(StoreError::RefusedPath { path: path.to_owned(), reason: "it is a symbolic link" }),
        }
    }

    fn file(&mut self, folder: BorrowedFd<'_>, name: &str, path: &Path, cid: &Cid) -> Result<(), StoreError> {
        self.done.files += 1;
        let mut reader = FileReader::open(self.blocks, cid, &self.limits.layout)?;
        // Counted before it is written: nothing is unpacked that is known to be too much.
        self.done.bytes = self.done.bytes.saturating_add(reader.size_bytes());
        if self.done.bytes > self.limits.bytes {
            return Err(limit(cid, "bytes", self.limits.bytes));
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            openat(folder, name, flags, Mode::from_raw_mode(0o644)).map_err(|error| StoreError::io(path, error))?;
        let mut file = File::from(fd);
        let mut offset = 0;
        loop {
            let read = reader.read_at(offset, &mut self.chunk)?;
            if read == 0 {
                return Ok(());
            }
            file.write_all(&self.chunk[..read]).map_err(|error| StoreError::io(path, error))?;
            offset += read as u64;
        }
    }

    fn folder(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &str,
        path: &Path,
        cid: &Cid,
        entries: &[FolderEntry],
        depth: usize,
    ) -> Result<(), StoreError> {
        self.done.folders += 1;
        if depth == self.limits.depth {
            return Err(limit(cid, "depth", self.limits.depth as u64));
        }
        let folder = make_and_open(parent, name).map_err(|error| StoreError::io(path, error))?;
        for entry in entries {
            let path = path.join(&entry.name);
            check_name(&entry.name)?;
            if entry.kind == EntryKind::Symlink {
                return Err(StoreError::RefusedPath { path, reason: "it is a symbolic link" });
            }
            self.any(folder.as_fd(), &entry.name, &path, &entry.cid, depth + 1)?;
        }
        Ok(())
    }
}

fn make_and_open(parent: BorrowedFd<'_>, name: &str) -> rustix::io::Result<OwnedFd> {
    mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
    // Whoever swaps it for a symbolic link meanwhile gets an error.
    openat(parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn limit(cid: &Cid, name: &'static str, limit: u64) -> StoreError {
    StoreError::Limit { what: cid.to_string(), name, limit }
}

/// What is unpacked before it is whole; removed unless it got its name.
struct Partial {
    name: String,
    path: PathBuf,
}

impl Partial {
    fn new(parent: &Path) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(".partial-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self { path: parent.join(&name), name }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Neither follows symbolic links; both fail when there is nothing any more.
        if fs::remove_file(&self.path).is_err() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
