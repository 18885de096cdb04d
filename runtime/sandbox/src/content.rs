use std::fs::File;
use std::io;

use cid::Cid;
use poai_objects::Link;
use serde::{Deserialize, Serialize};

use crate::sealed::SealedWriter;
use crate::{Fault, Recording, assemble};

/// Where a run's inputs come from: the seam to the store, which the host implements.
///
/// Whoever implements it hands out nothing that was not hashed and found to be what its CID says.
pub trait Content: Send + Sync {
    /// What a link names: a file's chunks in order, or a folder's entries.
    fn open(&self, link: &Link) -> Result<Node, Fault>;

    /// A read-only descriptor of one verified block.
    fn block(&self, cid: &Cid) -> Result<BlockFile, Fault>;

    /// A read-only descriptor of a whole file, to be mapped: its bytes are verified, and nobody can change them any more.
    /// By default it is assembled in memory.
    fn whole(&self, file: &Link) -> Result<BlockFile, Fault> {
        let Node::File(layout) = self.open(file)? else {
            return Err(Fault::Content { reason: format!("{file} is a folder") });
        };
        let memory = |error: &io::Error| Fault::HostMemory { reason: format!("a whole file: {error}") };
        let mut whole = SealedWriter::new("file").map_err(|error| memory(&error))?;
        assemble(&layout, &|cid| self.block(cid), &mut whole, &memory)?;
        let sealed = whole.seal().map_err(|error| memory(&error))?;
        let bytes = sealed.bytes();
        Ok(BlockFile { file: sealed.into(), offset: 0, bytes })
    }

    /// What an earlier execution computed, if this one is a replay that takes results from it.
    fn recording(&self) -> Option<&dyn Recording> {
        None
    }
}

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// A file.
    File(FileLayout),
    /// A folder's entries, ordered by the bytes of their names.
    Folder(Vec<FolderEntry>),
}

/// Where a file's bytes lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLayout {
    /// The file's length in bytes: the sum of its chunks.
    pub size_bytes: u64,
    /// Its leaf blocks in order.
    pub chunks: Vec<Chunk>,
}

/// One leaf of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// The leaf's CID.
    pub cid: Cid,
    /// How many of the file's bytes it holds.
    pub bytes: u64,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderEntry {
    /// One path component.
    pub name: String,
    /// What it names.
    pub link: Link,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// A file's length in bytes; 0 for a folder.
    pub size_bytes: u64,
}

/// A verified block, or a whole file, as an open file: it can be read, mapped, and passed to a worker.
#[derive(Debug)]
pub struct BlockFile {
    /// Opened read-only.
    pub file: File,
    /// Where the file's payload begins in it, bytes (a UnixFS leaf may have a wrapping).
    pub offset: u64,
    /// The payload's length, bytes.
    pub bytes: u64,
}
