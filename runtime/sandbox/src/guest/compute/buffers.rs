use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;
use poai_compute::{Limits, Resident};
use poai_objects::codec::{RAW, cid_of};
use wasmtime::component::Resource;

use super::super::Guest;
use super::super::memory::{Memory, Reserved};
use super::super::meter::cost;
use super::errors::Failure;
use super::wit::{self, Error};

/// Bytes of the run's memory limit that a buffer counts for besides its own.
const BUFFER_BYTES: u64 = 256;
/// Bytes of a word.
const WORD_BYTES: u64 = 4;

/// Words that a guest's kernels read and write. They lie in this host's memory, and count against the run's limit.
pub struct ComputeBuffer {
    words: Arc<Vec<u32>>,
    /// The CID (raw, sha2-256) of its bytes, once the trace has needed it.
    digest: Option<Cid>,
    /// What a device keeps of it.
    resident: Resident,
    _reserved: Reserved,
}

/// Words as the owner of their bytes.
struct WordBytes(Arc<Vec<u32>>);

impl AsRef<[u8]> for WordBytes {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

impl ComputeBuffer {
    fn zeros(memory: &Arc<Memory>, bytes: u64) -> Option<Self> {
        let reserved = Reserved::of(memory, bytes.saturating_add(BUFFER_BYTES))?;
        let words = vec![0; usize::try_from(bytes / WORD_BYTES).ok()?];
        Some(Self { words: Arc::new(words), digest: None, resident: Resident::default(), _reserved: reserved })
    }

    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
    }

    /// What hashing it for the trace costs, unless that is done.
    pub(super) fn digest_fuel(&self) -> u64 {
        if self.digest.is_some() { 0 } else { self.bytes().len() as u64 / cost::HASHED_BYTES }
    }

    /// Hashes it for the trace, unless that is done.
    pub(super) fn digest(&mut self) -> Cid {
        if let Some(digest) = self.digest {
            return digest;
        }
        let digest = cid_of(RAW, self.bytes());
        *self.digest.insert(digest)
    }

    /// Its words, to be read while it stays what it is.
    pub(super) fn shared(&self) -> Arc<Vec<u32>> {
        Arc::clone(&self.words)
    }

    /// Its bytes, not copied.
    pub(super) fn shared_bytes(&self) -> Bytes {
        Bytes::from_owner(WordBytes(self.shared()))
    }

    /// What a device keeps of it.
    pub(super) fn resident(&self) -> Resident {
        self.resident.clone()
    }

    /// Takes its words out, to be written; they come back by [`Self::put_back`]. Whoever writes them forgets what devices
    /// keep of the buffer.
    pub(super) fn take(&mut self) -> Vec<u32> {
        self.digest = None;
        Arc::unwrap_or_clone(std::mem::take(&mut self.words))
    }

    pub(super) fn put_back(&mut self, words: Vec<u32>) {
        self.words = Arc::new(words);
    }

    /// The bytes from an offset on, if they are whole words of the buffer.
    fn range(&self, offset: u64, length: u64) -> Result<Range<usize>, Failure> {
        if !offset.is_multiple_of(WORD_BYTES) || !length.is_multiple_of(WORD_BYTES) {
            let reason = format!("{length} bytes at {offset} are not whole words");
            return Err(Failure::refused(Error::Misaligned, reason));
        }
        let size = self.bytes().len();
        let end = offset.checked_add(length).and_then(|end| usize::try_from(end).ok()).filter(|end| *end <= size);
        let outside = || format!("{length} bytes at {offset} are not inside of {size}");
        let end = end.ok_or_else(|| Failure::refused(Error::OutOfBounds, outside()))?;
        Ok(offset as usize..end)
    }
}

impl Drop for ComputeBuffer {
    fn drop(&mut self) {
        self.resident.forget();
    }
}

impl Guest {
    fn create_buffer(&mut self, size: u64) -> Result<Resource<ComputeBuffer>, Failure> {
        self.meter.charge(cost::ENTRY)?;
        if !size.is_multiple_of(WORD_BYTES) {
            return Err(Failure::refused(Error::Misaligned, format!("a buffer of {size} bytes is not whole words")));
        }
        if size > Limits::BUFFER_BYTES {
            let reason = format!("a buffer of {size} bytes, and {} are allowed", Limits::BUFFER_BYTES);
            return Err(Failure::refused(Error::TooLarge, reason));
        }
        self.meter.charge_bytes(size)?;
        let no_room = || Failure::refused(Error::TooLarge, format!("the run has no room for {size} bytes"));
        let buffer = ComputeBuffer::zeros(&self.memory, size).ok_or_else(no_room)?;
        Ok(self.handles.push(buffer)?)
    }

    fn write_buffer(&mut self, buffer: &Resource<ComputeBuffer>, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.meter.charge_bytes(bytes.len() as u64)?;
        let buffer = self.handles.get_mut(buffer)?;
        let range = buffer.range(offset, bytes.len() as u64)?;
        buffer.digest = None;
        buffer.resident.forget();
        // Whoever is handed the bytes of an effect may still have them: then these are others.
        let words = Arc::make_mut(&mut buffer.words).as_mut_slice();
        bytemuck::cast_slice_mut::<u32, u8>(words)[range].copy_from_slice(bytes);
        Ok(())
    }

    fn read_buffer(&mut self, buffer: &Resource<ComputeBuffer>, offset: u64, length: u64) -> Result<Vec<u8>, Failure> {
        let buffer = self.handles.get(buffer)?;
        let range = buffer.range(offset, length)?;
        self.meter.charge_bytes(length)?;
        Ok(buffer.bytes()[range].to_vec())
    }
}

impl wit::HostBuffer for Guest {
    fn create(&mut self, size: u64) -> wasmtime::Result<Result<Resource<ComputeBuffer>, Error>> {
        let created = self.create_buffer(size);
        self.compute_answer(created)
    }

    fn size(&mut self, buffer: Resource<ComputeBuffer>) -> wasmtime::Result<u64> {
        Ok(self.handles.get(&buffer)?.bytes().len() as u64)
    }

    fn write(
        &mut self,
        buffer: Resource<ComputeBuffer>,
        offset: u64,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let written = self.write_buffer(&buffer, offset, &bytes);
        self.compute_answer(written)
    }

    fn read(
        &mut self,
        buffer: Resource<ComputeBuffer>,
        offset: u64,
        length: u64,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let read = self.read_buffer(&buffer, offset, length);
        self.compute_answer(read)
    }

    fn drop(&mut self, buffer: Resource<ComputeBuffer>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(buffer)?)
    }
}
