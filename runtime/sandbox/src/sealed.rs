use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// Bytes in memory behind a descriptor that nobody can change any more, so that what was verified
/// is what a worker maps.
#[derive(Debug)]
pub(crate) struct SealedFile {
    file: File,
    bytes: u64,
}

impl SealedFile {
    /// Seals some bytes. `name` shows up in a process's list of mappings, nowhere else.
    pub(crate) fn from_bytes(name: &str, bytes: &[u8]) -> io::Result<Self> {
        let mut writer = SealedWriter::new(name)?;
        writer.write_all(bytes)?;
        writer.seal()
    }

    /// How many bytes it holds.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl From<SealedFile> for File {
    fn from(sealed: SealedFile) -> Self {
        sealed.file
    }
}

impl AsFd for SealedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A [`SealedFile`] that is being written.
#[derive(Debug)]
pub(crate) struct SealedWriter {
    file: File,
    bytes: u64,
}

impl SealedWriter {
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let file = File::from(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        Ok(Self { file, bytes: 0 })
    }

    pub(crate) fn seal(self) -> io::Result<SealedFile> {
        fcntl_add_seals(&self.file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(SealedFile { file: self.file, bytes: self.bytes })
    }
}

impl Write for SealedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn sealed_bytes_can_be_read_and_not_changed() {
        let sealed = SealedFile::from_bytes("test", b"abc").unwrap();
        let copy = File::from(sealed.as_fd().try_clone_to_owned().unwrap());
        let mut bytes = [0; 3];
        copy.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"abc");
        assert_eq!(sealed.bytes(), 3);
        assert!(copy.write_all_at(b"x", 0).is_err());
        assert!(copy.set_len(0).is_err());
        assert!(copy.set_len(9).is_err());
    }
}
