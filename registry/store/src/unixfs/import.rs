use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, open, openat, statat};

use super::file_writer::CHUNK_BYTES;
use super::{FileWriter, FolderWriter, Written};
use crate::error::printable;
use crate::{Blocks, InUse, StoreError};

/// What an import may grow to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportLimits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Files and folders.
    pub entries: u64,
    /// Folders inside each other; each is an open file while it is read.
    pub depth: usize,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self { bytes: 1 << 40, entries: 1 << 20, depth: 128 }
    }
}

/// What was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its root and length.
    pub written: Written,
    /// Files.
    pub files: u64,
    /// Folders, the root included.
    pub folders: u64,
}

/// Imports a file or a folder with all that is in it. `in_use` holds its root afterwards; the blocks are
/// visible, and [`Blocks::sync`] makes them durable.
///
/// # Errors
/// [`StoreError::RefusedPath`] for a symbolic link below the root, a device, socket or pipe, and a name
/// that is not UTF-8 or has control characters; a limit; whatever keeps a file from being read or kept.
pub fn import(blocks: &dyn Blocks, path: &Path, limits: &ImportLimits, in_use: &InUse) -> Result<Imported, StoreError> {
    // The root alone may be a symbolic link: whoever names it means its target.
    let opened = open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty());
    let root = opened.map_err(|error| StoreError::io(path, error))?;
    let mut importer = Importer { blocks, in_use, limits, bytes: 0, files: 0, folders: 0 };
    let written = importer.any(root, path, 0)?;
    Ok(Imported { written, files: importer.files, folders: importer.folders })
}

/// Imports a stream, for instance standard input. As [`import`].
///
/// # Errors
/// As [`import`]; `name` is what errors call the stream.
pub fn import_reader(
    blocks: &dyn Blocks,
    reader: &mut dyn Read,
    name: &Path,
    limit_bytes: u64,
    in_use: &InUse,
) -> Result<Written, StoreError> {
    let mut writer = FileWriter::new(blocks, in_use);
    let mut buffer = vec![0; CHUNK_BYTES / 4];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return writer.finish(),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(StoreError::io(name, error)),
        };
        if writer.size_bytes() + read as u64 > limit_bytes {
            return Err(StoreError::Limit { what: name.display().to_string(), name: "bytes", limit: limit_bytes });
        }
        writer.append(&buffer[..read])?;
    }
}

struct Importer<'a> {
    blocks: &'a dyn Blocks,
    in_use: &'a InUse,
    limits: &'a ImportLimits,
    bytes: u64,
    files: u64,
    folders: u64,
}

impl Importer<'_> {
    fn any(&mut self, fd: OwnedFd, path: &Path, depth: usize) -> Result<Written, StoreError> {
        if self.files + self.folders == self.limits.entries {
            return Err(self.limit(path, "entries", self.limits.entries));
        }
        let stat = fstat(&fd).map_err(|error| StoreError::io(path, error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.file(fd, path),
            FileType::Directory => self.folder(fd, path, depth),
            _ => Err(refused(path, "it is neither a file nor a folder")),
        }
    }

    fn file(&mut self, fd: OwnedFd, path: &Path) -> Result<Written, StoreError> {
        self.files += 1;
        let left = self.limits.bytes - self.bytes;
        let written = import_reader(self.blocks, &mut File::from(fd), path, left, self.in_use)?;
        self.bytes += written.size_bytes;
        Ok(written)
    }

    fn folder(&mut self, fd: OwnedFd, path: &Path, depth: usize) -> Result<Written, StoreError> {
        self.folders += 1;
        if depth == self.limits.depth {
            return Err(self.limit(path, "depth", self.limits.depth as u64));
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd).map_err(|error| StoreError::io(path, error))? {
            let entry = entry.map_err(|error| StoreError::io(path, error))?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
            if names.len() as u64 > self.limits.entries {
                return Err(self.limit(path, "entries", self.limits.entries));
            }
        }
        let mut folder = FolderWriter::new();
        for name in names {
            let (child, path) = (self.open_entry(&fd, &name, path)?, path.join(shown(&name)));
            let written = self.any(child, &path, depth + 1)?;
            folder.add(name.to_str().expect("checked when it was opened"), written)?;
        }
        folder.finish(self.blocks, self.in_use)
    }

    /// Opens what a name stands for in a folder, following nothing.
    fn open_entry(&self, folder: &OwnedFd, name: &CStr, path: &Path) -> Result<OwnedFd, StoreError> {
        let path = path.join(shown(name));
        let Ok(text) = name.to_str() else { return Err(refused(&path, "its name is not UTF-8")) };
        super::folder::check_name(text)?;
        let stat =
            statat(folder.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| StoreError::io(&path, error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::Directory => {}
            FileType::Symlink => return Err(refused(&path, "it is a symbolic link; give a copy of what it points to")),
            // Opening a device can do things.
            _ => return Err(refused(&path, "it is neither a file nor a folder")),
        }
        // It may have been replaced since; NOFOLLOW and NONBLOCK make that an error, not a way out or a hang.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        openat(folder.as_fd(), name, flags, Mode::empty()).map_err(|error| StoreError::io(&path, error))
    }

    fn limit(&self, path: &Path, name: &'static str, limit: u64) -> StoreError {
        StoreError::Limit { what: path.display().to_string(), name, limit }
    }
}

fn refused(path: &Path, reason: &'static str) -> StoreError {
    StoreError::RefusedPath { path: path.to_owned(), reason }
}

fn shown(name: &CStr) -> PathBuf {
    printable(&name.to_string_lossy()).into()
}
