//! Archives of blocks: CARv1, a header with the roots, then each block behind its length and CID.
//!
//! [`CarReader`] and [`CarWriter`] stream, with the memory of one block; [`import`] and [`export`] do it
//! for a whole archive.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use cid::Cid;
use serde::{Deserialize, Serialize};
use unsigned_varint::{decode, encode};

use crate::block::{Address, address_of};
use crate::error::printable;
use crate::limits::BLOCK_BYTES;
use crate::{Blocks, Found, InUse, StoreError, Verified, Walk};

/// Bytes of a header.
const HEADER_BYTES: u64 = 64 << 10;
/// Bytes of the longest CID that is read.
const CID_BYTES: u64 = 96;

/// What an archive may grow to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarLimits {
    /// Blocks of one archive; each is held against collection, 100 bytes of memory, until its roots are.
    pub blocks: u64,
    /// Bytes of one archive.
    pub bytes: u64,
}

impl Default for CarLimits {
    fn default() -> Self {
        Self { blocks: 4 << 20, bytes: 1 << 40 }
    }
}

/// What went through an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CarSummary {
    /// The roots that the header names.
    pub roots: Vec<Cid>,
    /// Blocks.
    pub blocks: u64,
    /// Bytes of the archive.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(default)]
    roots: Vec<Cid>,
    version: u64,
}

/// Keeps all blocks of an archive. `in_use` holds its roots afterwards, and each block until then.
///
/// # Errors
/// [`StoreError::Car`] with the place and the reason; [`StoreError::NotFound`] for a root that is neither
/// in the archive nor here; a limit; whatever keeps a block from being kept.
pub fn import(
    blocks: &dyn Blocks,
    reader: impl Read,
    limits: &CarLimits,
    in_use: &InUse,
) -> Result<CarSummary, StoreError> {
    let mut archive = CarReader::new(reader)?;
    let until_roots_are_held = blocks.in_use();
    let mut count = 0;
    while let Some(block) = archive.next_block()? {
        count += 1;
        check_limit("blocks", count, limits.blocks)?;
        check_limit("bytes", archive.offset, limits.bytes)?;
        until_roots_are_held.hold_block(block.cid());
        blocks.put(&block)?;
    }
    for root in archive.roots() {
        in_use.hold_dag(root);
        blocks.size(root)?.ok_or(StoreError::NotFound { cid: *root })?;
    }
    blocks.sync()?;
    Ok(CarSummary { roots: archive.roots, blocks: count, bytes: archive.offset })
}

/// Writes the DAGs below these roots, each block once, parents first.
///
/// # Errors
/// [`StoreError::NotFound`] for a missing block, [`StoreError::Io`] from the stream. What was written
/// before is then no whole archive.
pub fn export(blocks: &dyn Blocks, roots: &[Cid], writer: impl Write) -> Result<CarSummary, StoreError> {
    let in_use = blocks.in_use();
    roots.iter().for_each(|root| in_use.hold_dag(root));
    let mut archive = CarWriter::new(writer, roots)?;
    for visit in Walk::new(blocks, roots.iter().copied()) {
        match visit.found {
            // Whoever reads the archive finds it in the CID.
            Found::Here if matches!(address_of(&visit.cid)?, Address::Inline(_)) => {}
            Found::Here => archive.append(&blocks.need(&visit.cid)?)?,
            Found::Missing => return Err(StoreError::NotFound { cid: visit.cid }),
            Found::Unreadable(error) => return Err(error),
        }
    }
    archive.finish()
}

/// The blocks of an archive, one by one, each checked.
#[derive(Debug)]
pub struct CarReader<R> {
    reader: R,
    roots: Vec<Cid>,
    offset: u64,
}

impl<R: Read> CarReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`StoreError::Car`], also for archives of version 2.
    pub fn new(reader: R) -> Result<Self, StoreError> {
        let mut archive = Self { reader, roots: Vec::new(), offset: 0 };
        let Some(length) = archive.length()? else { return Err(archive.error(0, "it is empty")) };
        let at = archive.offset;
        if length == 0 || length > HEADER_BYTES {
            return Err(
                archive.error(at, format!("a header of {length} bytes; the limit header_bytes is {HEADER_BYTES}"))
            );
        }
        let bytes = archive.exactly(length)?;
        let header: Header = serde_ipld_dagcbor::from_slice(&bytes).map_err(|error| {
            archive.error(at, format!("the header cannot be read: {}", printable(&error.to_string())))
        })?;
        if header.version != 1 {
            return Err(archive.error(at, format!("it is of version {}; poai reads version 1", header.version)));
        }
        if header.roots.is_empty() {
            return Err(archive.error(at, "the header names no root"));
        }
        archive.roots = header.roots;
        Ok(archive)
    }

    /// The roots that the header names.
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next block; none at the end. Blocks inside identity CIDs are passed over.
    ///
    /// # Errors
    /// [`StoreError::Car`] with the place of the block and what is wrong with it.
    pub fn next_block(&mut self) -> Result<Option<Verified>, StoreError> {
        loop {
            let at = self.offset;
            let Some(length) = self.length()? else { return Ok(None) };
            if length == 0 || length > BLOCK_BYTES + CID_BYTES {
                return Err(self.error(
                    at,
                    format!("a block of {length} bytes with its CID; the limit block_bytes is {BLOCK_BYTES}"),
                ));
            }
            let section = self.exactly(length)?;
            let mut rest = &section[..];
            let cid =
                Cid::read_bytes(&mut rest).map_err(|error| self.error(at, format!("a CID cannot be read: {error}")))?;
            let begin = section.len() - rest.len();
            let block = Verified::check(&cid, bytes::Bytes::from(section).slice(begin..))
                .map_err(|error| self.error(at, error.to_string()))?;
            if matches!(address_of(&cid)?, Address::Filed(_)) {
                return Ok(Some(block));
            }
        }
    }

    /// A length; none at the end of the archive.
    fn length(&mut self) -> Result<Option<u64>, StoreError> {
        let at = self.offset;
        let mut varint = Vec::with_capacity(10);
        loop {
            let mut byte = [0];
            match self.reader.read(&mut byte) {
                Ok(0) if varint.is_empty() => return Ok(None),
                Ok(0) => return Err(self.error(at, "it ends inside a length")),
                Ok(_) => varint.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(StoreError::io(Path::new("the archive"), error)),
            }
            self.offset += 1;
            if byte[0] < 0x80 {
                let (length, _) = decode::u64(&varint)
                    .map_err(|error| self.error(at, format!("a length cannot be read: {error}")))?;
                return Ok(Some(length));
            }
            if varint.len() == 10 {
                return Err(self.error(at, "a length is longer than 10 bytes"));
            }
        }
    }

    fn exactly(&mut self, length: u64) -> Result<Vec<u8>, StoreError> {
        let at = self.offset;
        let mut bytes = Vec::new();
        let read = (&mut self.reader)
            .take(length)
            .read_to_end(&mut bytes)
            .map_err(|error| StoreError::io(Path::new("the archive"), error))?;
        self.offset += read as u64;
        if (read as u64) < length {
            return Err(self.error(at, format!("it ends after {read} of {length} bytes")));
        }
        Ok(bytes)
    }

    fn error(&self, offset: u64, reason: impl Into<String>) -> StoreError {
        StoreError::Car { offset, reason: reason.into() }
    }
}

/// Writes an archive, block by block.
#[derive(Debug)]
pub struct CarWriter<W> {
    writer: W,
    summary: CarSummary,
}

impl<W: Write> CarWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// A fault of the stream.
    pub fn new(writer: W, roots: &[Cid]) -> Result<Self, StoreError> {
        let summary = CarSummary { roots: roots.to_vec(), ..CarSummary::default() };
        let mut archive = Self { writer, summary };
        let header = serde_ipld_dagcbor::to_vec(&Header { roots: roots.to_vec(), version: 1 })
            .expect("CIDs and a number can be encoded");
        archive.section(&[&header])?;
        Ok(archive)
    }

    /// Appends a block.
    ///
    /// # Errors
    /// A fault of the stream.
    pub fn append(&mut self, block: &Verified) -> Result<(), StoreError> {
        self.section(&[&block.cid().to_bytes(), block.bytes()])?;
        self.summary.blocks += 1;
        Ok(())
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// A fault of the stream.
    pub fn finish(mut self) -> Result<CarSummary, StoreError> {
        self.writer.flush().map_err(stream_error)?;
        Ok(self.summary)
    }

    fn section(&mut self, parts: &[&[u8]]) -> Result<(), StoreError> {
        let length = parts.iter().map(|part| part.len() as u64).sum();
        let mut buffer = encode::u64_buffer();
        let prefix = encode::u64(length, &mut buffer);
        self.summary.bytes += prefix.len() as u64 + length;
        self.writer.write_all(prefix).map_err(stream_error)?;
        parts.iter().try_for_each(|part| self.writer.write_all(part)).map_err(stream_error)
    }
}

fn stream_error(error: io::Error) -> StoreError {
    StoreError::io(Path::new("the archive"), error)
}

fn check_limit(name: &'static str, value: u64, limit: u64) -> Result<(), StoreError> {
    if value > limit {
        return Err(StoreError::Limit { what: "the archive".to_owned(), name, limit });
    }
    Ok(())
}
