//! A model's files as a worker has them: mapped, not read.
#![expect(unsafe_code, reason = "a mapping is memory that no allocator knows")]

use std::ffi::c_void;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::{io, ptr, slice};

use bytes::Bytes;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Where a page may begin: no page is larger.
const PAGE_BYTES: usize = 1 << 16;

struct Mapping {
    begin: *mut c_void,
    length: usize,
}

/// A file that nobody changes while a benchmark runs.
pub(crate) fn map(path: &Path) -> io::Result<Bytes> {
    let length = usize::try_from(path.metadata()?.len()).map_err(io::Error::other)?;
    part(path, 0..length)
}

/// Some bytes of such a file.
pub(crate) fn part(path: &Path, range: Range<usize>) -> io::Result<Bytes> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    let skipped = range.start % PAGE_BYTES;
    let (offset, length) = ((range.start - skipped) as u64, range.len() + skipped);
    let file = File::open(path)?;
    // SAFETY: the kernel chooses where, so no other memory is touched; the mapping lives until `Mapping` is dropped.
    let begin = unsafe { mmap(ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, offset) }?;
    Ok(Bytes::from_owner(Mapping { begin, length }).slice(skipped..))
}

// SAFETY: nothing writes to the memory, and its owner is the only one who ends it.
unsafe impl Send for Mapping {}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `length` bytes are mapped there as long as `self` lives, and nobody changes the file.
        unsafe { slice::from_raw_parts(self.begin.cast(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this very mapping was made by `map`, and no slice of it outlives its owner. It cannot fail.
        let _ = unsafe { munmap(self.begin, self.length) };
    }
}
