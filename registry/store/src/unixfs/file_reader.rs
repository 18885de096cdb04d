use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;
use cid::Cid;

use super::EntryKind;
use super::layout::{Chunk, FileLayout, LayoutLimits, Node, open};
use super::node::FsNode;
use crate::{Blocks, InUse, StoreError};

/// Any byte of a file, each checked before it is handed out. Holds the file against collection.
pub struct FileReader<B> {
    blocks: B,
    chunks: Vec<Chunk>,
    /// Where each chunk begins, and where the file ends.
    starts: Vec<u64>,
    /// The chunk that was read last, for sequential readers.
    last: Option<(usize, Bytes)>,
    position: u64,
    _in_use: InUse,
}

impl<B: Blocks> FileReader<B> {
    /// Opens a file. Its interior nodes are read now, its leaves when they are needed.
    ///
    /// # Errors
    /// As [`open`]; [`StoreError::WrongKind`] if it is no file.
    pub fn open(blocks: B, cid: &Cid, limits: &LayoutLimits) -> Result<Self, StoreError> {
        let in_use = blocks.in_use();
        in_use.hold_dag(cid);
        let FileLayout { chunks, .. } = match open(&blocks, cid, limits)? {
            Node::File(layout) => layout,
            other => return Err(StoreError::WrongKind { cid: *cid, found: other.kind(), wanted: EntryKind::File }),
        };
        let mut starts = Vec::with_capacity(chunks.len() + 1);
        let mut end = 0;
        for chunk in &chunks {
            starts.push(end);
            end += chunk.bytes;
        }
        starts.push(end);
        Ok(Self { blocks, chunks, starts, last: None, position: 0, _in_use: in_use })
    }

    /// The file's length, bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        *self.starts.last().expect("it holds at least the file's end")
    }

    /// Fills as much of `buffer` as the file has from `offset` on, and returns how much that is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Corrupt`] or [`StoreError::Malformed`], naming the leaf.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset.saturating_add(done as u64);
            if at >= self.size_bytes() {
                break;
            }
            let index = self.starts.partition_point(|start| *start <= at) - 1;
            let begin = usize::try_from(at - self.starts[index]).expect("within a block");
            let payload = self.payload(index)?;
            let part = &payload[begin..];
            let length = part.len().min(buffer.len() - done);
            buffer[done..done + length].copy_from_slice(&part[..length]);
            done += length;
        }
        Ok(done)
    }

    fn payload(&mut self, index: usize) -> Result<Bytes, StoreError> {
        if let Some((last, payload)) = &self.last
            && *last == index
        {
            return Ok(payload.clone());
        }
        let Chunk { cid, bytes } = self.chunks[index];
        let block = self.blocks.need(&cid)?;
        let node = FsNode::decode(&cid, block.bytes())?;
        if node.data.len() as u64 != bytes {
            return Err(StoreError::malformed(
                &cid,
                format!("it has {} bytes of the file where its parent says {bytes}", node.data.len()),
            ));
        }
        let payload = block.bytes().slice_ref(node.data);
        self.last = Some((index, payload.clone()));
        Ok(payload)
    }
}

impl<B: Blocks> Read for FileReader<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.read_at(self.position, buffer).map_err(io::Error::other)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl<B: Blocks> Seek for FileReader<B> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.size_bytes().checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
