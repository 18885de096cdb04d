use bytes::Bytes;
use cid::Cid;

use super::folder::{EntryKind, FolderEntry, FolderLink};
use super::node::{FsNode, Kind};
use super::{folder, shard};
use crate::block::RAW;
use crate::{BlockFile, Blocks, Store, StoreError};

/// A file or a folder, as far as a reader needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A file.
    File(FileLayout),
    /// A folder's entries, ordered by the bytes of their names.
    Folder(Vec<FolderEntry>),
    /// A symbolic link, which poai never follows.
    Symlink,
}

impl Node {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        match self {
            Self::File(_) => EntryKind::File,
            Self::Folder(_) => EntryKind::Folder,
            Self::Symlink => EntryKind::Symlink,
        }
    }
}

/// Where a file's bytes lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileLayout {
    /// The file's length in bytes: the sum of its chunks.
    pub size_bytes: u64,
    /// The blocks that hold its bytes, in order. None is empty.
    pub chunks: Vec<Chunk>,
}

/// One block's part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The block: see [`leaf_file`].
    pub cid: Cid,
    /// How many of the file's bytes it holds, by its parent's word until it is opened.
    pub bytes: u64,
}

/// What a layout may grow to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutLimits {
    /// Chunks of one file: 256 GiB by the profile's leaves.
    pub chunks: usize,
    /// Nodes above a leaf, and nodes of a sharded folder above an entry. The profile needs 4.
    pub depth: usize,
    /// Entries of one folder.
    pub entries: usize,
}

impl Default for LayoutLimits {
    fn default() -> Self {
        Self { chunks: 262_144, depth: 16, entries: 262_144 }
    }
}

/// What a link names: a file's chunks in order, or a folder's entries. Interior nodes are read, leaves
/// are not.
///
/// # Errors
/// [`StoreError::NotFound`] for a missing node, [`StoreError::Malformed`] naming the node that is, a limit.
pub fn open(blocks: &dyn Blocks, cid: &Cid, limits: &LayoutLimits) -> Result<Node, StoreError> {
    let block = blocks.need(cid)?;
    let node = FsNode::decode(cid, block.bytes())?;
    match node.kind {
        Kind::File => {
            let mut layout = FileLayout { size_bytes: node.file_bytes(), chunks: Vec::new() };
            collect_chunks(blocks, cid, &node, limits, 0, &mut layout.chunks)?;
            Ok(Node::File(layout))
        }
        Kind::Folder | Kind::Shard => {
            let links = links_of(blocks, cid, &node, limits)?;
            links.iter().map(|link| folder::entry(blocks, link)).collect::<Result<_, _>>().map(Node::Folder)
        }
        Kind::Symlink => Ok(Node::Symlink),
    }
}

/// A folder's names in their order, as its own nodes tell them: what they link to need not be here. None for
/// what is no folder.
///
/// # Errors
/// As [`open`].
pub fn list(blocks: &dyn Blocks, cid: &Cid, limits: &LayoutLimits) -> Result<Option<Vec<FolderLink>>, StoreError> {
    let block = blocks.need(cid)?;
    let node = FsNode::decode(cid, block.bytes())?;
    match node.kind {
        Kind::Folder | Kind::Shard => links_of(blocks, cid, &node, limits).map(Some),
        Kind::File | Kind::Symlink => Ok(None),
    }
}

/// The links of a folder's node that lead to further nodes of the same folder, its shards: all that [`list`]
/// needs. None lead from anything else.
///
/// # Errors
/// [`StoreError::Malformed`].
pub fn folder_links(cid: &Cid, bytes: &Bytes) -> Result<Vec<Cid>, StoreError> {
    let node = FsNode::decode(cid, bytes)?;
    if node.kind == Kind::Shard { shard::shards(cid, &node) } else { Ok(Vec::new()) }
}

fn links_of(
    blocks: &dyn Blocks,
    cid: &Cid,
    node: &FsNode<'_>,
    limits: &LayoutLimits,
) -> Result<Vec<FolderLink>, StoreError> {
    let links = match node.kind {
        Kind::Shard => shard::links(blocks, cid, node, limits)?,
        _ => folder::links(cid, node, limits)?,
    };
    folder::in_order(cid, links)
}

/// Follows a path of names from a folder: `""` is the root itself.
///
/// # Errors
/// As [`open`]; [`StoreError::RefusedPath`] for a name that is not there.
pub fn resolve(blocks: &dyn Blocks, root: &Cid, path: &str, limits: &LayoutLimits) -> Result<Cid, StoreError> {
    let mut cid = *root;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let entries = match open(blocks, &cid, limits)? {
            Node::Folder(entries) => entries,
            other => return Err(StoreError::WrongKind { cid, found: other.kind(), wanted: EntryKind::Folder }),
        };
        let found = entries.binary_search_by(|entry| entry.name.as_str().cmp(name));
        let index =
            found.map_err(|_| StoreError::RefusedPath { path: path.into(), reason: "there is no such entry" })?;
        cid = entries[index].cid;
    }
    Ok(cid)
}

/// A leaf of a file as an open file with the place of its payload in it; the block was checked through
/// this very descriptor.
///
/// # Errors
/// As [`Store::need`]; [`StoreError::Malformed`] if it is no part of a file.
pub fn leaf_file(store: &Store, cid: &Cid) -> Result<BlockFile, StoreError> {
    let (file, bytes) = store.block_file_and_bytes(cid)?;
    let node = FsNode::decode(cid, &bytes)?;
    if node.kind != Kind::File {
        return Err(StoreError::WrongKind { cid: *cid, found: node.kind.into(), wanted: EntryKind::File });
    }
    // The payload is a part of the block, so the distance of their beginnings is its place.
    let offset = if node.data.is_empty() { 0 } else { node.data.as_ptr() as usize - bytes.as_ptr() as usize };
    Ok(BlockFile { file: file.file, offset: offset as u64, bytes: node.data.len() as u64 })
}

fn collect_chunks(
    blocks: &dyn Blocks,
    cid: &Cid,
    node: &FsNode<'_>,
    limits: &LayoutLimits,
    depth: usize,
    chunks: &mut Vec<Chunk>,
) -> Result<(), StoreError> {
    push_chunk(chunks, Chunk { cid: *cid, bytes: node.data.len() as u64 }, limits)?;
    for (link, &bytes) in node.links.iter().zip(&node.child_bytes) {
        if link.cid.codec() == RAW {
            push_chunk(chunks, Chunk { cid: link.cid, bytes }, limits)?;
            continue;
        }
        if depth == limits.depth {
            return Err(StoreError::Limit { what: cid.to_string(), name: "depth", limit: limits.depth as u64 });
        }
        // An empty subtree would be work without bytes, any number of times.
        if bytes == 0 {
            return Err(StoreError::malformed(cid, "it has an empty child"));
        }
        let block = blocks.need(&link.cid)?;
        let child = FsNode::decode(&link.cid, block.bytes())?;
        if child.kind != Kind::File {
            return Err(StoreError::WrongKind { cid: link.cid, found: child.kind.into(), wanted: EntryKind::File });
        }
        if child.file_bytes() != bytes {
            return Err(StoreError::malformed(
                cid,
                format!("it says {bytes} bytes for its child {}, which has {}", link.cid, child.file_bytes()),
            ));
        }
        collect_chunks(blocks, &link.cid, &child, limits, depth + 1, chunks)?;
    }
    Ok(())
}

fn push_chunk(chunks: &mut Vec<Chunk>, chunk: Chunk, limits: &LayoutLimits) -> Result<(), StoreError> {
    if chunk.bytes == 0 {
        return Ok(());
    }
    if chunks.len() == limits.chunks {
        return Err(StoreError::Limit { what: chunk.cid.to_string(), name: "chunks", limit: limits.chunks as u64 });
    }
    chunks.push(chunk);
    Ok(())
}

impl From<Kind> for EntryKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File => Self::File,
            Kind::Folder | Kind::Shard => Self::Folder,
            Kind::Symlink => Self::Symlink,
        }
    }
}
