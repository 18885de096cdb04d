//! Mapping a file: what several workers map, this machine's memory holds once.
#![expect(unsafe_code, reason = "a mapping is memory that no allocator knows")]

use std::fs::File;
use std::io;
use std::ptr::NonNull;

use bytes::Bytes;
use rustix::fs::fstat;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A file's first bytes, mapped read-only. The mapping is private, so that a sealed file can be mapped on every kernel;
/// what nobody writes to, all who map it share even so.
///
/// To be called with a file whose bytes nobody can change or cut off any more: a sealed one, or one without a name that
/// nobody has open for writing. Those that [`Content::whole`](crate::Content::whole) hands out are such files.
///
/// # Errors
/// If the file is shorter, or cannot be mapped.
pub(crate) fn map(file: &File, bytes: u64) -> io::Result<Bytes> {
    if bytes == 0 {
        return Ok(Bytes::new());
    }
    // Not by `File::metadata`, which asks by a call that no worker may make.
    if u64::try_from(fstat(file)?.st_size).map_err(io::Error::other)? < bytes {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it is said to be"));
    }
    let length = usize::try_from(bytes).map_err(io::Error::other)?;
    // SAFETY: the kernel chooses where, so no other memory is touched; the mapping lives until `Mapping` is dropped.
    let begin = unsafe { mmap(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0) }?;
    let begin = NonNull::new(begin.cast()).ok_or_else(|| io::Error::other("nothing is mapped at the null address"))?;
    Ok(Bytes::from_owner(Mapping { begin, length }))
}

/// Mapped memory, until it is dropped.
struct Mapping {
    begin: NonNull<u8>,
    length: usize,
}

// SAFETY: nothing writes to the memory, and its owner is the only one who ends it.
unsafe impl Send for Mapping {}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `length` bytes are mapped there as long as `self` lives, the file is as long, and its bytes do not change.
        unsafe { std::slice::from_raw_parts(self.begin.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this very mapping was made by `map`, and no slice of it outlives its owner. It cannot fail.
        let _ = unsafe { munmap(self.begin.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::sealed::SealedFile;

    #[test]
    fn a_mapping_has_the_files_bytes_as_long_as_somebody_has_them() {
        let content: Vec<u8> = (0..100_000_u32).map(|index| (index % 251) as u8).collect();
        let sealed = SealedFile::from_bytes("test", &content).unwrap();
        let file = File::from(sealed.as_fd().try_clone_to_owned().unwrap());
        let mapped = map(&file, 100_000).unwrap();
        let part = mapped.slice(99_000..);
        drop((file, sealed, mapped));
        assert_eq!(part, content[99_000..]);
    }

    #[test]
    fn a_file_that_is_shorter_is_not_mapped() {
        let sealed = SealedFile::from_bytes("test", b"abc").unwrap();
        let file = File::from(sealed.as_fd().try_clone_to_owned().unwrap());
        assert_eq!(map(&file, 3).unwrap(), b"abc".as_slice());
        assert!(map(&file, 0).unwrap().is_empty());
        assert!(map(&file, 4).is_err());
    }
}
