//! Mapping a file: what several workers map, this machine's memory holds once.
#![expect(unsafe_code, reason = "a mapping is memory that no allocator knows")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::fstat;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

/// Parts that are let go of alone have at least so many bytes, and begin where a page may begin: no page is larger.
const PART_BYTES: usize = 1 << 16;

/// A file's bytes, mapped read-only.
#[derive(Clone)]
pub(crate) struct Mapped(Arc<Mapping>);

impl Mapped {
    /// Maps a file's first bytes. The mapping is private, so that a sealed file can be mapped on every kernel; what nobody
    /// writes to, all who map it share even so.
    ///
    /// To be called with a file whose bytes nobody can change or cut off any more: a sealed one, or one without a name
    /// that nobody has open for writing. Those that [`Content::whole`](crate::Content::whole) hands out are such files.
    ///
    /// # Errors
    /// If the file is shorter, or cannot be mapped.
    pub(crate) fn of(file: &File, bytes: u64) -> io::Result<Self> {
        // Not by `File::metadata`, which asks by a call that no worker may make.
        if u64::try_from(fstat(file)?.st_size).map_err(io::Error::other)? < bytes {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it is said to be"));
        }
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        if length == 0 {
            return Ok(Self(Arc::new(Mapping { begin: NonNull::dangling(), length })));
        }
        // SAFETY: the kernel chooses where, so no other memory is touched; it is mapped until `Mapping` is dropped.
        let begin = unsafe { mmap(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0) }?;
        let begin = NonNull::new(begin.cast()).ok_or_else(|| io::Error::other("nothing is mapped at null"))?;
        Ok(Self(Arc::new(Mapping { begin, length })))
    }

    /// All of it.
    pub(crate) fn whole(&self) -> Bytes {
        Bytes::from_owner(self.clone())
    }

    /// A part of it. When nobody has that any more, it is not this process's memory until it is read again.
    ///
    /// # Panics
    /// If it does not lie within.
    pub(crate) fn part(&self, range: Range<usize>) -> Bytes {
        if range.len() < PART_BYTES {
            return self.whole().slice(range);
        }
        Bytes::from_owner(Part { mapped: self.clone(), range })
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `length` bytes are mapped there as long as the mapping lives, the file is as long, and its bytes do not
        // change.
        unsafe { std::slice::from_raw_parts(self.0.begin.as_ptr(), self.0.length) }
    }
}

/// Mapped memory, until it is dropped; or none at all.
struct Mapping {
    begin: NonNull<u8>,
    length: usize,
}

// SAFETY: nothing writes to the memory, and its owner is the only one who ends it.
unsafe impl Send for Mapping {}

// SAFETY: nothing writes to the memory.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: this very mapping was made by `Mapped::of`, and no slice of it outlives its owner. It cannot fail.
            let _ = unsafe { munmap(self.begin.as_ptr().cast(), self.length) };
        }
    }
}

struct Part {
    mapped: Mapped,
    range: Range<usize>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.mapped.as_ref()[self.range.clone()]
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let begin = self.range.start / PART_BYTES * PART_BYTES;
        let memory = self.mapped.as_ref()[begin..self.range.end].as_ptr().cast_mut().cast();
        // SAFETY: the range lies within the mapping, to which nobody has written: whoever reads there, now or later, gets
        // the file's bytes again. If it fails, the memory stays.
        let _ = unsafe { madvise(memory, self.range.end - begin, Advice::LinuxDontNeed) };
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
        let mapped = Mapped::of(&file, 100_000).unwrap();
        let (whole, part) = (mapped.whole(), mapped.part(99_000..100_000));
        drop((file, sealed, mapped));
        assert_eq!(whole, content);
        drop(whole);
        assert_eq!(part, content[99_000..]);
    }

    /// Kilobytes of this process that lie in pages of the file that a slice is mapped from.
    fn resident(bytes: &[u8]) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let begin = format!("{:x}-", bytes.as_ptr() as usize);
        let of_file = maps.lines().skip_while(|line| !line.starts_with(&begin));
        let line = of_file.into_iter().find_map(|line| line.strip_prefix("Rss:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn a_part_that_nobody_has_any_more_is_no_memory_of_this_process() {
        let content: Vec<u8> = (0..1_000_000_u32).map(|index| (index % 251) as u8).collect();
        let sealed = SealedFile::from_bytes("test", &content).unwrap();
        let file = File::from(sealed.as_fd().try_clone_to_owned().unwrap());
        let mapped = Mapped::of(&file, 1_000_000).unwrap();
        let (whole, part) = (mapped.whole(), mapped.part(0..1_000_000));
        assert_eq!(part, content);
        assert!(resident(&whole) >= 976, "{}", resident(&whole));
        drop(part);
        assert_eq!(resident(&whole), 0);
        assert_eq!(whole, content, "it is there again for whoever reads it");
    }

    #[test]
    fn a_file_that_is_shorter_is_not_mapped() {
        let sealed = SealedFile::from_bytes("test", b"abc").unwrap();
        let file = File::from(sealed.as_fd().try_clone_to_owned().unwrap());
        assert_eq!(Mapped::of(&file, 3).unwrap().whole(), b"abc".as_slice());
        assert!(Mapped::of(&file, 0).unwrap().whole().is_empty());
        assert!(Mapped::of(&file, 4).is_err());
    }
}
