use std::mem;

use cid::Cid;

use super::node::file_message;
use crate::block::{DAG_PB, RAW};
use crate::dag_pb::{PbLink, PbNode};
use crate::{Blocks, InUse, StoreError, Verified};

/// Bytes of a leaf, by the profile.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;
/// Links of an interior node, by the profile.
const LINKS: usize = 1_024;

/// Turns a file into blocks as its bytes come, with the memory of one chunk whatever its length.
pub struct FileWriter<B> {
    blocks: B,
    in_use: InUse,
    chunk: Vec<u8>,
    /// Finished subtrees that no parent links to yet: leaves first, then each level above.
    levels: Vec<Vec<Written>>,
    size_bytes: u64,
}

/// A file or folder that became blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its root.
    pub cid: Cid,
    /// Its length, bytes; for a folder, the sum of its files'.
    pub size_bytes: u64,
    /// Bytes of all its blocks, repetitions included.
    pub tree_bytes: u64,
}

impl<B: Blocks> FileWriter<B> {
    /// Begins a file. `in_use` holds its blocks, and its root when it is finished, against collection.
    pub fn new(blocks: B, in_use: &InUse) -> Self {
        Self { blocks, in_use: in_use.clone(), chunk: Vec::new(), levels: vec![Vec::new()], size_bytes: 0 }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// Whatever keeps a block from being kept: quota, full disk.
    pub fn append(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        self.size_bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
            if self.chunk.len() == CHUNK_BYTES {
                self.end_chunk()?;
            }
        }
        Ok(())
    }

    /// How many bytes were appended.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Ends the file. Its blocks are visible; [`Blocks::sync`] makes them durable.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn finish(mut self) -> Result<Written, StoreError> {
        if !self.chunk.is_empty() || self.size_bytes == 0 {
            self.end_chunk()?;
        }
        let mut level = 0;
        // Up to the lone subtree of the top level: the root. All leaves lie at the same depth.
        while level + 1 < self.levels.len() || self.levels[level].len() > 1 {
            if !self.levels[level].is_empty() {
                self.end_node(level)?;
            }
            level += 1;
        }
        Ok(self.levels[level][0])
    }

    fn end_chunk(&mut self) -> Result<(), StoreError> {
        let size_bytes = self.chunk.len() as u64;
        // A small file takes as much as it needs; where one chunk came, more will.
        let next = if self.chunk.len() == CHUNK_BYTES { Vec::with_capacity(CHUNK_BYTES) } else { Vec::new() };
        let block = Verified::of(RAW, mem::replace(&mut self.chunk, next))?;
        self.keep(&block)?;
        self.push(0, Written { cid: *block.cid(), size_bytes, tree_bytes: size_bytes })
    }

    /// Gives the subtrees of a level a parent.
    fn end_node(&mut self, level: usize) -> Result<(), StoreError> {
        let children = mem::take(&mut self.levels[level]);
        let child_bytes: Vec<u64> = children.iter().map(|child| child.size_bytes).collect();
        let message = file_message(&child_bytes);
        let links =
            children.iter().map(|child| PbLink { cid: child.cid, name: "", tree_bytes: child.tree_bytes }).collect();
        let block = Verified::of(DAG_PB, PbNode { links, data: Some(&message) }.encode())?;
        self.keep(&block)?;
        // The parent holds them from here on.
        children.iter().for_each(|child| self.in_use.let_go(&child.cid));
        let tree_bytes = block.bytes().len() as u64 + children.iter().map(|child| child.tree_bytes).sum::<u64>();
        self.push(level + 1, Written { cid: *block.cid(), size_bytes: child_bytes.iter().sum(), tree_bytes })
    }

    fn push(&mut self, level: usize, subtree: Written) -> Result<(), StoreError> {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        self.levels[level].push(subtree);
        if self.levels[level].len() == LINKS { self.end_node(level) } else { Ok(()) }
    }

    fn keep(&self, block: &Verified) -> Result<(), StoreError> {
        // Held before it is put, so that no collection comes in between.
        self.in_use.hold_dag(block.cid());
        self.blocks.put(block)
    }
}

impl<B: Blocks> std::io::Write for FileWriter<B> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.append(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
